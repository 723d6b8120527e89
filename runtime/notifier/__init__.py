"""The notifier: a Lambda that takes notifications from SQS queues, one a webhook, and POSTs them, signed.

`handler` is the entry point (`runtime.notifier.handler`). Its event is an SQS batch of an event source mapping with
`ReportBatchItemFailures`: what could not be delivered is named in the answer, so that SQS keeps it, and becomes visible
again after an exponentially growing time (`retries.py`). After the queue's `maxReceiveCount` the redrive policy moves
it to the dead-letter queue. A webhook that refuses for good (404, 401) goes the same way: a person mends it, and until
the tries are used up the message still arrives; giving up at once would lose it, and a queue's tries are bounded.

`messages.py` reads what is in a queue, `webhooks.py` knows where it goes, `delivery.py` signs and posts. Environment:
WEBHOOKS_PARAMETER, AWS_REGION. No log line holds a URL (it may hold a token) or the key: a host's name at most.
To add a format: a line in `webhooks.FORMATS`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any, Final

from core.contract.documents import NOTIFIER_ENV_WEBHOOKS
from core.errors import ContractError
from runtime import logs
from runtime.notifier.delivery import DELIVERY_S, Undelivered, deliver
from runtime.notifier.messages import read
from runtime.notifier.retries import Retries
from runtime.notifier.webhooks import Webhooks

RESERVE_MS: Final = 2_000  # for the answer, and for putting off what is left

log = logging.getLogger("pilotlight.notifier")
_webhooks: Webhooks | None = None


def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """Deliver a batch. Returns the messages that were not delivered, in SQS's form; raises only without a set-up."""
    logs.to_stdout()
    webhooks, region = _warm_webhooks(), _environment("AWS_REGION")
    retries, failed = Retries(region), list[str]()
    for place, record in enumerate(event.get("Records", ())):
        short = context.get_remaining_time_in_millis() < DELIVERY_S * 1000 + RESERVE_MS
        why = "out of time" if place and short else _one(record, webhooks)
        if why:
            failed.append(str(record["messageId"]))
            retries.put_off(record, why)
    return {"batchItemFailures": [{"itemIdentifier": name} for name in failed]}


def _one(record: Mapping[str, Any], webhooks: Webhooks) -> str:
    """Deliver one message; why it could not be, or "" where it was."""
    notification = read(record)
    facts = {"id": notification.id, "kind": notification.kind.value}
    try:
        webhook = webhooks.of(str(record["eventSourceARN"]))
        status = deliver(notification, webhook, webhooks.key)
    except Undelivered as error:
        webhooks.doubt()  # it may have been corrected since this Lambda read it
        return str(error)
    except ContractError as error:
        return str(error)
    log.info("delivered", extra={"facts": {**facts, "host": webhook.host, "status": status}})
    return ""


def _warm_webhooks() -> Webhooks:
    global _webhooks
    if _webhooks is None:
        _webhooks = Webhooks(_environment(NOTIFIER_ENV_WEBHOOKS), _environment("AWS_REGION"))
    return _webhooks


def _environment(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise ContractError(f"The notifier's environment lacks {name}. Run `pulumi up`.")
    return value
