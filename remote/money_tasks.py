"""The verbs about money: `fab cost`, `fab prices`. As in remote/tasks.py, which says how a verb is added."""

from __future__ import annotations

import time

from invoke.collection import Collection
from invoke.context import Context
from invoke.tasks import task

from remote.tasks import IDENTITY, JSON, STACK, console, print_json
from remote.verbs import verb


@task(
    help=STACK
    | IDENTITY
    | JSON
    | {
        "since": "from when on: 2026-11-01, or how far back: 31d (default: the first of this month)",
        "by": "day: a row a day",
        "csv": "print rows of comma-separated values, a day and line each",
    }
)
@verb
def cost(
    _: Context,
    *,
    stack: str = "",
    identity: str = "",
    since: str = "",
    by: str = "",
    csv: bool = False,
    json: bool = False,
) -> None:
    """Say what a stack cost, and what it would have cost otherwise."""
    from core.errors import SettingsError
    from remote.verbs import cost as verbs_cost
    from remote.verbs.lease import front

    if by not in ("", "day"):
        raise SettingsError(f"--by {by} is not known; write --by day")
    if csv and json:
        raise SettingsError("--csv and --json: one of the two.")
    found = verbs_cost.cost_of(front(stack, identity), since, time.time())
    if json:
        print_json("cost", stack, found.as_dict())
    elif csv:
        print(verbs_cost.as_csv(found), end="")
    else:
        console().print(verbs_cost.by_day(found) if by else verbs_cost.table(found))
        print("\n".join(verbs_cost.lines(found)))


@task(
    help=JSON
    | {
        "region": "of which region, e.g. eu-central-1 (default: us-east-1)",
        "refresh": "ask AWS's pricing API with your credentials, and write the table anew",
    }
)
@verb
def prices(_: Context, region: str = "", refresh: bool = False, json: bool = False) -> None:
    """List the prices that costs are counted with, and their age."""
    from remote.verbs import prices as verbs_prices

    now = time.time()
    if refresh:
        done = verbs_prices.refreshed(region, now)
        print_json("prices", None, done.as_dict()) if json else print("\n".join(verbs_prices.lines(done)))
        return
    found = verbs_prices.listed(region, now)
    if json:
        print_json("prices", None, found.as_dict())
        return
    console().print(verbs_prices.table(found))
    if found.stale:
        print(f"{found.stale}.")


namespace = Collection("money", cost, prices)
