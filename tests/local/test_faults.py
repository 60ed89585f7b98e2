"""Plans of faults: how they are written, and whom they concern."""

import pytest

from sipagent.local.faults import Fault, find, parse, plan_of


def test_a_plan_is_a_list_of_faults_with_numbers() -> None:
    assert parse("delay:200, close:9:1011") == (
        Fault(kind="delay", numbers=(200,)),
        Fault(kind="close", numbers=(9, 1011)),
    )
    assert parse("") == ()


def test_a_fault_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(ValueError, match="explode"):
        parse("explode:3")


def test_a_fault_may_be_for_one_connection_only() -> None:
    standing = parse("refuse:503@1,delay:5")
    assert find(plan_of("/v1/realtime", standing, 1), "refuse") is not None
    assert find(plan_of("/v1/realtime", standing, 2), "refuse") is None
    assert find(plan_of("/v1/realtime", standing, 2), "delay") is not None


def test_a_client_may_ask_for_its_own() -> None:
    plan = plan_of("/v1/realtime?model=m&fault=stall:5", (), 1)
    assert plan == (Fault(kind="stall", numbers=(5,)),)
    assert plan[0].number(0) == 5
    assert plan[0].number(1, 1011) == 1011
