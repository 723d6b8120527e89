"""Lambda's pollers: messages of an SQS queue go to the function that is mapped to it, in batches.

moto keeps mappings and queues, and would call the function itself, in the middle of SendMessage; RunnerBackend hides
the mappings from its queues, and this polls instead: over the cloud's URL, so that receiving and deleting are counted,
can be made to fail, and are `poller:<function>`'s. Whether there is anything to receive is looked up in moto first, for
an idle queue must not cost requests by the second. Visibility, redrive and the count of receives are moto's.
A batch is at most ten messages, and nothing is gathered for it (MaximumBatchingWindowInSeconds).
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import cache
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from moto.awslambda.models import EventSourceMapping, lambda_backends
from moto.core.exceptions import JsonRESTError
from moto.sqs import urls
from moto.sqs.models import Message, SQSBackend, sqs_backends

from local.cloud import batch, lambdas
from local.cloud.credentials import Keyring
from local.cloud.lambdas import Runner
from local.cloud.site import ACCOUNT, REGION, Site

log = logging.getLogger(__name__)

TICK_S: Final = 0.1
PATIENCE_S: Final = 1.0  # after a call that failed
CONCURRENCY: Final = 5  # batches of one mapping at a time, where it sets no maximum: what Lambda begins with
LARGEST: Final = 10  # of ReceiveMessage
Clients = Callable[[str, str], Any]  # (function's name, region) → SQS


def clients_of(site: Site, keyring: Keyring) -> Clients:
    """Clients for the cloud's URL, one a function, that say who calls."""

    @cache
    def client(function: str, region: str) -> Any:
        credentials = keyring.poller(function)
        return boto3.client(
            "sqs",
            endpoint_url=site.endpoint,
            region_name=region,
            aws_access_key_id=credentials.key,
            aws_secret_access_key=credentials.secret,
            config=Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=30),
        )

    return client


class EventSources:
    """Polls for every enabled mapping. Safe for threads."""

    def __init__(
        self,
        runner: Runner,
        clients: Clients,
        clock: Callable[[], float] = time.monotonic,
        pool: Executor | None = None,
    ) -> None:
        self._runner, self._clients, self._clock = runner, clients, clock
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._busy: Counter[str] = Counter()  # batches under way, by mapping
        self._again: dict[str, float] = {}  # when a mapping whose call failed is looked at again
        self._seen: dict[str, Counter[str]] = defaultdict(Counter)  # for the status
        self._pool = pool or ThreadPoolExecutor(max_workers=lambdas.CONCURRENCY, thread_name_prefix="batch")

    def start(self) -> None:
        """Begin, on a thread of its own."""
        threading.Thread(target=self._run, name="event-sources", daemon=True).start()

    def close(self) -> None:
        """End the thread; batches under way are Runner's to end."""
        self._closing.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def report(self) -> list[dict[str, Any]]:
        """For the status."""
        with self._lock:
            return [
                {
                    "uuid": mapping.uuid,
                    "queue": mapping.event_source_arn,
                    "function": mapping.function_arn,
                    "enabled": bool(mapping.enabled),
                    "batches_under_way": self._busy[mapping.uuid],
                    **{what: self._seen[mapping.uuid][what] for what in ("received", "deleted", "left")},
                }
                for mapping in mappings()
            ]

    def poll(self) -> None:
        """Take what there is, once, for every mapping."""
        for mapping in mappings():
            if mapping.enabled and self._clock() >= self._again.get(mapping.uuid, 0.0):
                self._take(mapping)

    def _run(self) -> None:
        while not self._closing.wait(TICK_S):
            try:
                self.poll()
            except Exception:  # a mapping or queue that goes in the middle of a look must not end the pollers
                log.exception("event sources cannot be polled; trying again")

    def _take(self, mapping: EventSourceMapping) -> None:
        function = lambdas.find(mapping.function_arn)
        while function is not None and self._may_take(mapping):
            messages = self._receive(mapping)
            if not messages:
                return
            with self._lock:
                self._busy[mapping.uuid] += 1
                self._seen[mapping.uuid]["received"] += len(messages)
            self._pool.submit(self._hand_over, mapping, function, messages)

    def _may_take(self, mapping: EventSourceMapping) -> bool:
        most = (mapping.scaling_config or {}).get("MaximumConcurrency") or CONCURRENCY
        with self._lock:
            is_free = self._busy[mapping.uuid] < most
        return is_free and _has_messages(mapping.event_source_arn)

    def _receive(self, mapping: EventSourceMapping) -> list[dict[str, Any]]:
        """A batch; its messages are hidden for the queue's own visibility time-out."""
        try:
            answer = self._client(mapping).receive_message(
                QueueUrl=self._url(mapping),
                MaxNumberOfMessages=min(mapping.batch_size, LARGEST),
                MessageSystemAttributeNames=["All"],
                MessageAttributeNames=["All"],
            )
        except (ClientError, BotoCoreError) as error:
            self._wait(mapping, "receive from", error)
            return []
        found: list[dict[str, Any]] = answer.get("Messages") or []
        return found

    def _hand_over(self, mapping: EventSourceMapping, function: Any, messages: Sequence[Mapping[str, Any]]) -> None:
        try:
            stay = self._invoke(mapping, function, messages)
            done = [message for message in messages if message["MessageId"] not in stay]
            with self._lock:
                self._seen[mapping.uuid]["left"] += len(stay)
            if done:
                self._delete(mapping, done)
        except Exception:  # nobody waits for this: what is not deleted comes again, as on AWS
            log.exception("a batch of %s is left in its queue", mapping.event_source_arn)
        finally:
            with self._lock:
                self._busy[mapping.uuid] -= 1

    def _invoke(
        self, mapping: EventSourceMapping, function: Any, messages: Sequence[Mapping[str, Any]]
    ) -> frozenset[str]:
        """The ids of the messages that stay."""
        ids = [message["MessageId"] for message in messages]
        try:
            result = self._runner.run(function, batch.event(messages, mapping.event_source_arn))
        except JsonRESTError as error:  # throttled: AWS's poller leaves the batch, too
            log.warning("a batch of %s is left in its queue: %s", mapping.event_source_arn, error)
            return frozenset(ids)
        return batch.left(result, ids, reports=batch.REPORTS in (mapping.function_response_types or ()))

    def _delete(self, mapping: EventSourceMapping, messages: Sequence[Mapping[str, Any]]) -> None:
        entries = [{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(messages)]
        try:
            self._client(mapping).delete_message_batch(QueueUrl=self._url(mapping), Entries=entries)
        except (ClientError, BotoCoreError) as error:
            self._wait(mapping, "delete from", error)
            return
        with self._lock:
            self._seen[mapping.uuid]["deleted"] += len(messages)

    def _wait(self, mapping: EventSourceMapping, what: str, error: Exception) -> None:
        log.warning("cannot %s %s: %s", what, mapping.event_source_arn, error)
        self._again[mapping.uuid] = self._clock() + PATIENCE_S

    def _client(self, mapping: EventSourceMapping) -> Any:
        return self._clients(mapping.function_arn.split(":")[6], mapping.event_source_arn.split(":")[3])

    def _url(self, mapping: EventSourceMapping) -> str:
        client, name = self._client(mapping), mapping.event_source_arn.rpartition(":")[2]
        return f"{client.meta.endpoint_url}/{ACCOUNT}/{name}"


def mappings() -> Iterator[EventSourceMapping]:
    """Every mapping of an SQS queue, in every region."""
    backends: list[Any] = [backend for _, _, backend in lambda_backends.iter_backends()]
    for backend in backends:
        for mapping in backend.list_event_source_mappings("", ""):
            if mapping.event_source_arn.split(":")[2] == "sqs":
                yield mapping


def _has_messages(queue_arn: str) -> bool:
    """Whether a receive would find anything (or move it to the dead-letter queue), without asking by a request."""
    region, name = queue_arn.split(":")[3], queue_arn.rpartition(":")[2]
    queue = sqs_backends[ACCOUNT][region or REGION].queues.get(name)
    return queue is not None and bool(queue.messages)


def install() -> None:
    """Put ShortPolling where moto makes SQS backends."""
    sqs_backends.backend = ShortPolling


class ShortPolling(SQSBackend):
    """SQS that never waits for messages: calls to one service are served one after the other (`server.py`)."""

    @property
    def _url_module(self) -> Any:
        return urls

    def receive_message(
        self,
        queue_name: str,
        count: int,
        wait_seconds_timeout: int,  # noqa: ARG002 (moto names the arguments)
        visibility_timeout: int,
        message_attribute_names: list[str] | None = None,
    ) -> list[Message]:
        """ReceiveMessage, answered at once."""
        found: list[Message] = super().receive_message(
            queue_name, count, 0, visibility_timeout, message_attribute_names
        )
        return found
