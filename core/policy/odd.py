"""What is odd about a unit: no lease yet, a twin, a type that nobody chose. Only the first is a reason to act."""

from __future__ import annotations

from core.policy.case import UP, Action, Case, Decision, keep


def without_lease(machine: str) -> Decision:
    """A unit that has settings and no lease. Its machine, where it is up, would cost money with nobody looking."""
    if machine in UP:
        return Decision(
            Action.CREATE, f"the machine is {machine} and has no lease: it gets one, so that maxLease binds it"
        )
    return keep(f"no lease yet, the machine is {machine}; `fab deploy` or the agent makes it")


def twin(case: Case) -> tuple[str, str]:
    """Alert key and words for other machines with this unit's tag; the lease's machine alone is driven."""
    others, lease = case.facts.twins, case.lease
    if not others:
        return "", ""
    words = (
        f"{', '.join(others)} {'carries' if len(others) == 1 else 'carry'} this unit's tag too and nobody stops them; "
        f"the lease's machine is {lease.instance_id}"
    )
    stack, now_is = case.settings.stack, case.settings.instance_id
    if now_is != lease.instance_id and any(other.startswith(now_is) for other in others):
        return "twin", f"{words}; `pulumi up` made {now_is}: run `fab deploy -s {stack}`, then end the old one"
    return "twin", f"{words}; end the others, or take their tags pilotlight:unit and pilotlight:control away"


def foreign_type(case: Case) -> str:
    """The machine's type is none that the stack file names nor one that the ladder set; it is never changed back."""
    actual, lease, names = case.facts.instance_type, case.lease, case.settings.instance_types
    if not actual or actual in names or actual == lease.rung:
        return ""
    return f"the machine is {actual}, the stack file says {', '.join(names)}; it stays so"
