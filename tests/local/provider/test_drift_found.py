"""Whoever edits a property behind Pulumi's back is found by refresh, and the next update puts it right."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.provider.behaviour import TABLE
from local.provider.kinds import KINDS
from local.provider.properties import Change, Props, differences
from tests.local.provider.driver import Driver
from tests.local.provider.edits import CASES, MOTO_CANNOT, Edit, Make
from tests.local.provider.ground import Ground

EDITS = [
    pytest.param(token, make, edits, id=f"{token.rpartition(':')[2]}-{n}")
    for n, (token, make, edits) in enumerate(CASES)
    if edits
]
MAKES = [pytest.param(token, make, id=f"{token.rpartition(':')[2]}-{n}") for n, (token, make, _) in enumerate(CASES)]


@pytest.mark.parametrize(("token", "make"), MAKES)
def test_what_was_made_reads_back_as_it_was_asked_for(driver: Driver, ground: Ground, token: str, make: Make) -> None:
    made = driver.create(token, make(ground))
    seen = driver.refresh(made)
    assert seen is not None
    assert seen.inputs == made.inputs
    assert seen.outputs == made.outputs
    assert not driver.diff(made, made.inputs).diffs


@pytest.mark.parametrize(("token", "make", "edits"), EDITS)
def test_edits_behind_pulumis_back_are_found_and_put_right(
    driver: Driver, ground: Ground, token: str, make: Make, edits: dict[str, Edit]
) -> None:
    """All edits of a kind on one resource, one after the other: each is put right before the next."""
    made = driver.create(token, make(ground))
    for path, edit in sorted(edits.items()):
        edit(ground, made.ident, made.inputs)
        seen = driver.refresh(made)
        if seen is None or driver.diff(seen, made.inputs).replaces:
            assert TABLE[token][path.partition(".")[0]].change is Change.REPLACE, path
            made = driver.create(token, make(ground), name=f"after-{path}")
            continue
        found = differences(KINDS[token].props(), seen.inputs, made.inputs)
        assert any(_about(d.path, path) for d in found), f"refresh did not see {path}: {seen.inputs}"
        driver.update(seen, made.inputs)
        again = driver.refresh(made)
        assert again is not None
        assert again.inputs == made.inputs, f"the update did not put {path} right"


def _about(found: tuple[str, ...], edited: str) -> bool:
    keys = tuple(edited.split("."))
    shared = min(len(found), len(keys))
    return found[:shared] == keys[:shared]


@pytest.mark.parametrize(("token", "make"), MAKES)
def test_what_vanished_reads_as_nothing(driver: Driver, ground: Ground, token: str, make: Make) -> None:
    made = driver.create(token, make(ground))
    driver.delete(made)
    assert driver.refresh(made) is None
    driver.delete(made)  # and deleting it again is no error


def test_a_machine_is_stopped_before_its_volume_is_taken_away(driver: Driver, ground: Ground) -> None:
    token, make, _ = next(case for case in CASES if case[0].endswith(":VolumeAttachment"))
    made = driver.create(token, make(ground))
    driver.delete(made)
    found = ground.ec2.describe_instances(InstanceIds=[made.inputs["instanceId"]])["Reservations"][0]["Instances"][0]
    assert found["State"]["Name"] == "stopped"
    assert ground.ec2.describe_volumes(VolumeIds=[ground.volume])["Volumes"][0]["State"] == "available"


def _leaves(props: Props, above: tuple[str, ...] = ()) -> Iterator[str]:
    for name, prop in props.items():
        if prop.unread or prop.uneditable:
            continue
        if prop.fields is not None:
            yield from _leaves(prop.fields, (*above, name))
        else:
            yield ".".join((*above, name))


def test_every_property_of_the_table_has_an_edit_or_a_reason() -> None:
    edited = {(token, path) for token, _, edits in CASES for path in edits}
    wanted = {(token, path) for token, props in TABLE.items() for path in _leaves(props)}
    assert wanted - edited - set(MOTO_CANNOT) == set()
    assert edited - wanted == set(), "edits of properties that the table does not have"
    assert set(MOTO_CANNOT) <= wanted - edited, "a reason for something that can be edited"


def test_table_and_kinds_are_the_same_list() -> None:
    assert set(TABLE) == set(KINDS)
