"""The verbs about money: `fab cost`, `fab roi`, `fab budget`, `fab prices`.

As in remote/tasks.py, which says how a verb is added.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from pathlib import Path

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
        "reconcile": "ask AWS's Cost Explorer for the same days ($0.01), and show the difference",
        "picture": "draw the days, and when the host was on: PATH.png, PATH-timeline.png and both as SVG",
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
    reconcile: bool = False,
    picture: str = "",
    json: bool = False,
) -> None:
    """Say what a stack cost, and what it would have cost otherwise."""
    from core.errors import SettingsError
    from core.settings import shape
    from remote.verbs import cost as verbs_cost
    from remote.verbs import reconcile as verbs_reconcile
    from remote.verbs.lease import front

    if by not in ("", "day"):
        raise SettingsError(f"--by {by} is not known; write --by day")
    if csv and json:
        raise SettingsError("--csv and --json: one of the two.")
    at = front(stack, identity)
    found = verbs_cost.cost_of(at, since, time.time())
    billed = verbs_reconcile.reconcile(found, shape(at.inventory.settings)) if reconcile else None
    if json:
        print_json("cost", stack, found.as_dict() | {"reconciled": billed and billed.as_dict()})
    elif csv:
        print(verbs_cost.as_csv(found), end="")
    else:
        console().print(verbs_cost.by_day(found) if by else verbs_cost.table(found))
        print("\n".join([*verbs_cost.lines(found), *(verbs_reconcile.lines(billed) if billed else ())]))
    if picture:
        from remote import money_plots

        _drawn((*money_plots.cost(found, picture), *money_plots.timeline(found.timeline, picture)))


def _drawn(paths: Iterable[Path]) -> None:
    print("\n".join(f"drawn: {path}" for path in paths), file=sys.stderr)


@task(
    help=STACK
    | IDENTITY
    | JSON
    | {
        "since": "measure from when on: 2026-11-01 or 31d (default: the last 31 days)",
        "tokens": "tokens a month, read and written, e.g. 20M",
        "hours-on": "hours a month that the host is on, instead of measuring; asks no machine",
        "hours-used": "of these, hours in which somebody is served (default: all)",
        "api": "a million tokens of an API, e.g. $0.60 (default: the stack file's)",
        "picture": "draw what was paid after so many months: PATH.png and PATH.svg",
    }
)
@verb
def roi(
    _: Context,
    *,
    stack: str = "",
    identity: str = "",
    since: str = "31d",
    tokens: str = "",
    hours_on: str = "",
    hours_used: str = "",
    api: str = "",
    picture: str = "",
    json: bool = False,
) -> None:
    """Compare a month of this load on AWS, at home and at an API."""
    from core.errors import SettingsError
    from core.money import own
    from remote import stack_files
    from remote.verbs import cost as verbs_cost
    from remote.verbs import roi as verbs_roi
    from remote.verbs.lease import front

    if hours_used and not hours_on:
        raise SettingsError("--hours-used is a part of --hours-on; write both, e.g. --hours-on 100 --hours-used 60")
    count, million = verbs_roi.count(tokens), own.amount(api) if api else None
    on_h, used_h = verbs_roi.hours("hours-on", hours_on), verbs_roi.hours("hours-used", hours_used)
    if on_h is None:
        cost = verbs_cost.cost_of(front(stack, identity), since, time.time())
        load, said = verbs_roi.measured(cost, count), [f"load: as measured since {since}"]
    else:
        load, said = verbs_roi.given(on_h, used_h, count), ["load: as given"]
    found = verbs_roi.of(stack_files.settings_of(stack), load, said, million)
    if json:
        print_json("roi", stack, found.as_dict())
    else:
        console().print(verbs_roi.table(found))
        print("\n".join(verbs_roi.lines(found)))
    if picture:
        from remote import money_plots

        _drawn(money_plots.roi(found, picture))


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


@task(
    help=STACK
    | IDENTITY
    | JSON
    | {
        "override": "let the host be woken over its budget for so long, e.g. 2h; off: no longer",
        "why": "the reason of an override",
    }
)
@verb
def budget(
    _: Context, stack: str = "", identity: str = "", override: str = "", why: str = "", json: bool = False
) -> None:
    """Say what is left of the month's budget; pay over it a while."""
    from core.errors import SettingsError
    from remote.verbs import budget as verbs_budget
    from remote.verbs.lease import front

    if why and not override:
        raise SettingsError("--why is the reason of an --override; write both, e.g. --override 2h --why demo")
    seconds = verbs_budget.seconds(override)
    at = front(stack, identity)
    if override:
        verbs_budget.override(at, seconds, why)
    found = verbs_budget.budget(at)
    if json:
        print_json("budget", stack, found.as_dict())
    else:
        print("\n".join(verbs_budget.lines(found)))


namespace = Collection("money", cost, roi, budget, prices)
