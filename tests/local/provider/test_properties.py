"""Comparing properties: what is the same, what differs and where, and what is ignored."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.provider.behaviour import FUNCTION, INSTANCE, ROLE_POLICY, SECURITY_GROUP
from local.provider.properties import Change, Prop, differences, parse_path, project, without_ignored

SPACED = '{ "Version": "2012-10-17", "Statement": {"Action": ["a:B"], "Effect": "Allow", "Resource": "*"} }'
TIGHT = '{"Statement":[{"Action":"a:B","Effect":"Allow","Resource":["*"]}],"Version":"2012-10-17"}'


def _paths(props: Any, old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    return [d.text for d in differences(props, old, new)]


def test_a_leaf_is_named_as_pulumi_names_it() -> None:
    old = {"tags": {"pilotlight:stack": "a", "x": "1"}, "rootBlockDevice": {"volumeSize": 40, "volumeType": "gp3"}}
    new = {"tags": {"pilotlight:stack": "b", "y": "1"}, "rootBlockDevice": {"volumeSize": 80, "volumeType": "gp3"}}
    found = differences(INSTANCE, old, new)
    assert [(d.text, d.kind) for d in found] == [
        ("rootBlockDevice.volumeSize", "update"),
        ('tags["pilotlight:stack"]', "update"),
        ("tags.x", "delete"),
        ("tags.y", "add"),
    ]


@pytest.mark.parametrize(
    ("props", "old", "new"),
    [
        pytest.param(INSTANCE, {"ami": "ami-1"}, {}, id="computed and silent: whatever the cloud has"),
        pytest.param(
            INSTANCE,
            {"rootBlockDevice": {"iops": 3000, "volumeSize": 8}},
            {"rootBlockDevice": {"volumeSize": 8}},
            id="the same within an object",
        ),
        pytest.param(INSTANCE, {"tags": {}}, {}, id="empty is absent"),
        pytest.param(INSTANCE, {}, {"sourceDestCheck": True}, id="the default is absent"),
        pytest.param(
            INSTANCE,
            {"vpcSecurityGroupIds": ["b", "a"]},
            {"vpcSecurityGroupIds": ["a", "b"]},
            id="a set has no order",
        ),
        pytest.param(ROLE_POLICY, {"policy": SPACED}, {"policy": TIGHT}, id="a policy is a document, not a text"),
    ],
)  # fmt: skip
def test_the_same_in_other_words(props: Any, old: dict[str, Any], new: dict[str, Any]) -> None:
    assert _paths(props, old, new) == []


def test_inline_rules_are_the_same_however_they_are_grouped() -> None:
    rule = {"protocol": "tcp", "fromPort": 22, "toPort": 22}
    apart = [{**rule, "cidrBlocks": ["10.1.0.0/16"]}, {**rule, "cidrBlocks": ["10.2.0.0/16"]}]
    together = [{**rule, "cidrBlocks": ["10.2.0.0/16", "10.1.0.0/16"]}]
    assert _paths(SECURITY_GROUP, {"ingress": apart}, {"ingress": together}) == []
    assert _paths(SECURITY_GROUP, {"ingress": apart}, {"ingress": apart[:1]}) == ["ingress"]


def test_a_policy_that_allows_more_differs() -> None:
    wider = json.dumps(json.loads(TIGHT.replace("a:B", "a:*")))
    assert _paths(ROLE_POLICY, {"policy": TIGHT}, {"policy": wider}) == ["policy"]


@pytest.mark.parametrize(
    ("ignore", "left"),
    [
        (["tags"], ["instanceType", "rootBlockDevice.volumeSize"]),
        (['tags["a:b"]', "instanceType"], ["rootBlockDevice.volumeSize"]),
        (["tags.*", "rootBlockDevice.volumeSize"], ["instanceType"]),
        (["rootBlockDevice"], ["instanceType", 'tags["a:b"]']),
        (["rootBlockDevice.iops"], ["instanceType", "rootBlockDevice.volumeSize", 'tags["a:b"]']),
    ],
)
def test_ignored_paths_cover_what_lies_below_them(ignore: list[str], left: list[str]) -> None:
    old = {"instanceType": "g6.xlarge", "tags": {"a:b": "1"}, "rootBlockDevice": {"volumeSize": 1}}
    new = {"instanceType": "g5.xlarge", "tags": {"a:b": "2"}, "rootBlockDevice": {"volumeSize": 2}}
    assert [d.text for d in without_ignored(differences(INSTANCE, old, new), ignore)] == left


def test_paths_are_read_with_quotes_and_numbers() -> None:
    assert parse_path('tags["a:b"].c[0][*]') == ("tags", "a:b", "c", "0", "*")


def test_what_the_cloud_has_is_told_even_where_the_program_is_silent() -> None:
    seen = {"instanceType": "g6.xlarge", "sourceDestCheck": False, "tags": {"new": "x"}}
    assert project(INSTANCE, seen, {"instanceType": "g6.xlarge"}) == seen


def test_what_went_away_in_the_cloud_is_told() -> None:
    old = {"environment": {"variables": {"A": "1"}}, "memorySize": 128}
    found = project(FUNCTION, {"environment": {"variables": {}}, "memorySize": 128}, old)
    assert _paths(FUNCTION, found, old) == ["environment.variables.A"]


def test_an_old_spelling_is_kept_where_it_means_the_same() -> None:
    assert project(ROLE_POLICY, {"policy": TIGHT}, {"policy": SPACED}) == {"policy": SPACED}


def test_only_what_cannot_be_read_is_taken_from_the_old_inputs() -> None:
    props = {"read": Prop(), "argument": Prop(unread="an argument")}
    old = {"read": "old", "argument": "old", "__defaults": ["argument"]}
    assert project(props, {"read": "new", "argument": "new"}, old) == {**old, "read": "new"}


def test_restart_is_for_type_and_user_data_only() -> None:
    assert {n for n, p in INSTANCE.items() if p.change is Change.RESTART} == {"instanceType", "userData"}
