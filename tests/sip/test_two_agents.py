"""Two user agents over a bad network: every call is set up and torn down, and nothing is left over."""

import pytest

from sipagent.sip.flow import Address
from sipagent.sip.outputs import Acknowledged, Invited, Output, Progress, ReOffered
from tests.sip.bench import ANSWER, SDP
from tests.sip.world import CALLEE, CALLER, Weather, World


def drive(world: World, where: Address, output: Output) -> None:
    """The driver of both sides: the callee rings and answers at once, offers are answered."""
    if isinstance(output, Invited):
        output.session.ring(world.now)
        output.session.accept(ANSWER, world.now)
    elif isinstance(output, ReOffered):
        output.session.answer_offer(ANSWER, world.now)


def world_of(weather: Weather, seed: int = 1) -> World:
    return World(weather, seed, drive)


def events(world: World, address: Address) -> list[str]:
    """What was told at one side, ringing excepted."""
    told = (output for where, output in world.told if where == address and not isinstance(output, Progress))
    return [type(output).__name__ for output in told]


BAD = Weather(loss=0.2, duplicates=0.1, delay=0.02, jitter=0.6)


@pytest.mark.parametrize("seed", range(60))
def test_the_caller_hangs_up(seed: int) -> None:
    world = world_of(BAD, seed)
    session = world.call(SDP)
    world.run(40.0)
    assert events(world, CALLER) == ["Answered"]
    assert events(world, CALLEE) == ["Invited", "Acknowledged"]
    session.bye(world.now)
    world.run(200.0)
    assert events(world, CALLER) == ["Answered", "Ended"]
    assert events(world, CALLEE) == ["Invited", "Acknowledged", "Ended"]
    assert world.idle


@pytest.mark.parametrize("seed", range(60))
def test_the_callee_hangs_up(seed: int) -> None:
    world = world_of(BAD, seed)
    world.call(SDP)
    world.run(40.0)
    (session,) = [output.session for _, output in world.told if isinstance(output, Acknowledged)]
    session.bye(world.now)
    world.run(200.0)
    assert events(world, CALLER) == ["Answered", "Ended"]
    assert events(world, CALLEE) == ["Invited", "Acknowledged", "Ended"]
    assert world.idle


@pytest.mark.parametrize("seed", range(60))
def test_the_caller_changes_its_mind_in_the_same_moment(seed: int) -> None:
    """CANCEL and 200 cross in all the ways there are; whatever wins, both sides agree that it is over."""
    world = world_of(BAD, seed)
    session = world.call(SDP)
    world.run(world.chance.random() * 2.0)
    session.cancel(world.now)
    world.run(300.0)
    assert events(world, CALLER)[-1] in ("Cancelled", "Ended")
    assert events(world, CALLEE)[-1:] in ([], ["Cancelled"], ["Ended"])
    assert world.idle


@pytest.mark.parametrize("seed", range(20))
def test_many_calls_at_once(seed: int) -> None:
    world = world_of(BAD, seed)
    sessions = []
    for _ in range(20):
        sessions.append(world.call(SDP))
        world.run(world.chance.random())
    world.run(40.0)
    for session in sessions:
        session.bye(world.now)
    world.run(300.0)
    assert events(world, CALLER).count("Ended") == events(world, CALLEE).count("Ended") == 20
    assert world.idle


def test_a_cut_wire_ends_a_call_on_both_sides() -> None:
    world = world_of(Weather())
    session = world.call(SDP)
    world.run(1.0)
    world.weather.loss = 1.0
    session.bye(world.now)
    world.run(100.0)
    assert events(world, CALLER) == ["Answered", "Ended"]
    assert world.agents[CALLER].idle


def test_a_cut_wire_refuses_a_call() -> None:
    world = world_of(Weather(loss=1.0))
    world.call(SDP)
    world.run(100.0)
    assert events(world, CALLER) == ["Refused"]
    assert world.idle
