import pytest

from core.errors import CloudError
from local.cloud.faults import Call, FaultBoard, matches, parse

START_G6 = Call("ec2", "StartInstances", "10.77.0.5", frozenset({"g6.xlarge"}), frozenset({"us-east-1a"}))
GET = Call("dynamodb", "GetItem")


@pytest.mark.parametrize(
    ("fault", "call", "hit"),
    [
        ({"action": "ec2:StartInstances"}, START_G6, True),
        ({"action": "StartInstances"}, START_G6, True),
        ({"action": "ec2:*"}, START_G6, True),
        ({"action": "ec2:StopInstances"}, START_G6, False),
        ({"action": "dynamodb:*"}, START_G6, False),
        ({"action": "dynamodb:*"}, GET, True),
        ({"action": "StartInstances", "instance_type": "g6.xlarge"}, START_G6, True),
        ({"action": "StartInstances", "instance_type": "g5.*"}, START_G6, False),
        ({"action": "StartInstances", "zone": "us-east-1a"}, START_G6, True),
        ({"action": "StartInstances", "zone": "us-east-1b"}, START_G6, False),
        ({"action": "StartInstances", "source": "10.77.0.5"}, START_G6, True),
        ({"action": "StartInstances", "source": "10.77.0.6"}, START_G6, False),
        ({"action": "GetItem", "instance_type": "g6.*"}, GET, False),
    ],
)
def test_which_call_a_fault_hits(fault, call, hit):
    assert matches(parse(fault), call) is hit


def test_a_counted_fault_hits_that_often():
    board = FaultBoard(lambda: 0.0)
    board.put(parse({"action": "StartInstances", "error": "InsufficientInstanceCapacity", "count": 2}))
    taken = [board.take(START_G6) for _ in range(3)]
    assert [fault.error if fault else None for fault in taken] == ["InsufficientInstanceCapacity"] * 2 + [None]


def test_a_fault_lets_as_many_calls_through_as_it_skips():
    board = FaultBoard(lambda: 0.0)
    board.put(parse({"action": "*:*", "skip": 2}))
    board.put(parse({"action": "dynamodb:GetItem", "error": "Second", "skip": 1}))
    taken = [board.take(GET) for _ in range(4)]
    assert [fault.error if fault else None for fault in taken] == [None, "Second", "ServiceUnavailable", None]


def test_a_timed_fault_hits_every_call_until_its_time_is_over():
    now = [100.0]
    board = FaultBoard(lambda: now[0])
    board.put(parse({"action": "dynamodb:*", "seconds": 60}))
    for at, hit in ((100.0, True), (159.9, True), (160.0, False)):
        now[0] = at
        assert (board.take(GET) is not None) is hit
    assert board.waiting() == []


def test_other_calls_do_not_use_a_fault_up():
    board = FaultBoard(lambda: 0.0)
    board.put(parse({"action": "StartInstances"}))
    assert board.take(GET) is None
    assert board.take(START_G6) is not None


def test_cleared_is_cleared():
    board = FaultBoard(lambda: 0.0)
    board.put(parse({"action": "*:*", "seconds": 9}))
    board.clear()
    assert board.take(GET) is None


@pytest.mark.parametrize("raw", [{}, {"action": ""}, {"action": "x", "cuont": 1}, {"action": "x", "until": 3}])
def test_a_misspelt_fault_is_refused_with_the_allowed_keys(raw):
    with pytest.raises(CloudError, match=r"instance_type.*seconds"):
        parse(raw)
