"""`fab replay`: thin, as in `remote/tasks.py`."""

from __future__ import annotations

from invoke.collection import Collection
from invoke.context import Context
from invoke.tasks import task

from remote import paths
from remote.tasks import JSON, console, print_json
from remote.verbs import verb


@task(
    positional=["log"],
    help=JSON
    | {
        "log": "an access log: this project's, nginx's, HAProxy's, OpenAI's usage or LiteLLM's as CSV, JSON lines; or "
        "made-up traffic: office, service, batch, bursts",
        "stack": "prices, schedule and time zone of this stack's file; what it says now is in the table",
        "seed": "another month of the same made-up traffic (default: 1)",
        "days": "how many days of it (default: 28)",
        "host": "without a stack: the instance type whose price counts (default: g6.xlarge)",
        "region": "of that price (default: us-east-1)",
        "hour": "your own price of an hour of the host, with its currency: `¥16.80`",
        "waiting": "what a minute of one caller's waiting costs (default: 0.50 USD)",
        "begin": "how long a start takes, e.g. 3m, the default",
        "took": "how long a request takes where the log does not say (default: 5s)",
        "zone": "the time zone of times that do not say theirs, and of office hours",
        "schedule": "hours to look at too: `mon-fri 8:00-20:00`",
        "picture": "where the pictures go, without an ending; none: no pictures (default: replay)",
        "all": "every setting in the table, not only those worth a look",
    },
)
@verb
def replay(
    _: Context,
    log: str,
    *,
    stack: str = "",
    seed: str = "",
    days: str = "",
    host: str = "",
    region: str = "",
    hour: str = "",
    waiting: str = "",
    begin: str = "",
    took: str = "",
    zone: str = "",
    schedule: str = "",
    picture: str = "replay",
    all: bool = False,
    json: bool = False,
) -> None:
    """Say what each setting would have cost, and which is best."""
    from remote.verbs import replay as verbs_replay

    asked = verbs_replay.Asked(log, stack, seed, days, host, region, hour, waiting, begin, took, zone, schedule)
    path = None if picture == verbs_replay.NO_PICTURE else paths.picture(picture)
    found = verbs_replay.replay(asked)
    files = verbs_replay.pictures(found, path) if path else ()
    if json:
        print_json("replay", stack or None, found.as_dict() | {"pictures": [str(file) for file in files]})
        return
    print("\n".join(verbs_replay.head(found)))
    console(least=verbs_replay.LEAST).print(verbs_replay.table(found, everything=all))
    print("\n".join([*verbs_replay.tail(found), *(["pictures: " + ", ".join(map(str, files))] if files else [])]))


namespace = Collection(replay)
