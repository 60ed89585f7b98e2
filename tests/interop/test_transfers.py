"""Calls that move: the phone sends the agent elsewhere, the PBX does, and the agent its caller, in every way there is.

6002 calls, 6001 is the agent, 6003 the desk. Each says a tone of its own, and is known by it.
"""

import time
from pathlib import Path

import pytest

from tests.interop.conftest import StartAgent, StartPhone
from tests.interop.peers import sound
from tests.interop.peers.asterisk import Asterisk
from tests.interop.peers.baresip import Baresip, Phone
from tests.interop.peers.sipagent import REGISTERED, Sipagent, scene
from tests.interop.peers.sound import Sound

AGENT_HZ = 700
"""What `scene("tone")` says."""
CALLER_HZ, DESK_HZ = 1000, 1300


@pytest.fixture
def caller(asterisk: Asterisk, phone: StartPhone, tmp_path: Path) -> Baresip:
    return phone(Phone(microphone=sound.tone(CALLER_HZ, 60, tmp_path / "caller.wav")))


@pytest.fixture
def desk(asterisk: Asterisk, phone: StartPhone, tmp_path: Path) -> Baresip:
    """Picks up whenever it rings."""
    microphone = sound.tone(DESK_HZ, 60, tmp_path / "desk.wav")
    return phone(Phone(user="6003", sip_port=5072, answer="auto", microphone=microphone))


def feature(caller: Baresip, keys: str) -> None:
    """Press a feature code of the PBX, as fast as a finger does."""
    for key in keys:
        caller.press(key)
        time.sleep(0.3)


def heard_by_agent(callee: Sipagent) -> Sound:
    """What the far ends of the one call of the agent said, to its end."""
    callee.interrupt()
    callee.stop()
    (recording,) = callee.calls.glob("**/*.wav")
    return Sound.read(recording, channel=0)


def last_second(heard: Sound) -> Sound:
    return heard.between(heard.seconds - 1.5, heard.seconds - 0.5)


# ---- the agent is sent elsewhere


def test_a_phone_sends_the_agent_to_another_number(asterisk: Asterisk, agent: StartAgent, caller: Baresip) -> None:
    """Blind, by REFER to the PBX: the agent then hears its own voice come back from 600."""
    callee = agent(scene("tone"))
    callee.wait_until_registered()
    caller.dial("sip:601@127.0.0.1")
    caller.listen(1)
    caller.command("transfer", "sip:600@127.0.0.1")
    caller.events.wait("CALL_CLOSED")
    caller.listen(2.5)
    assert not callee.events.all("Disconnected")
    assert last_second(heard_by_agent(callee)).amplitude(AGENT_HZ) > 0.02


def test_a_phone_sends_the_agent_away_by_a_feature_code(asterisk: Asterisk, agent: StartAgent, caller: Baresip) -> None:
    """Blind, by keys that the PBX takes: #1 and the number."""
    callee = agent(scene("tone"))
    callee.wait_until_registered()
    caller.dial("sip:603@127.0.0.1")
    caller.listen(1)
    feature(caller, "#1")
    caller.listen(1.5)
    feature(caller, "600#")
    caller.events.wait("CALL_CLOSED", 10)
    caller.listen(2.5)
    assert not callee.events.all("Disconnected")
    assert last_second(heard_by_agent(callee)).amplitude(AGENT_HZ) > 0.02


def test_a_phone_asks_the_desk_before_it_hands_the_agent_over(
    asterisk: Asterisk, agent: StartAgent, caller: Baresip, desk: Baresip
) -> None:
    """Attended, by a feature code: *2 and the number; the caller hangs up, and desk and agent talk."""
    callee = agent(scene("tone"))
    callee.wait_until_registered()
    caller.dial("sip:603@127.0.0.1")
    caller.listen(1)
    feature(caller, "*2")
    caller.listen(1.5)
    feature(caller, "6003")
    desk.events.wait("CALL_ESTABLISHED", 10)
    caller.listen(1)
    caller.hang_up()
    desk.listen(2)
    assert not callee.events.all("Disconnected")
    assert last_second(heard_by_agent(callee)).amplitude(DESK_HZ) > 0.1
    assert last_second(Sound.read(desk.heard)).amplitude(AGENT_HZ) > 0.02


def test_the_pbx_sends_the_agent_elsewhere_by_refer(asterisk: Asterisk, agent: StartAgent, caller: Baresip) -> None:
    callee = agent(scene("tone"))
    callee.wait_until_registered()
    caller.dial("sip:604@127.0.0.1")
    assert callee.events.wait("CallMoved")["far_end"].startswith("sip:600@")
    asterisk.wait_for_log("TRANSFERSTATUS=SUCCESS")
    caller.listen(2)
    assert last_second(heard_by_agent(callee)).amplitude(AGENT_HZ) > 0.02


# ---- the agent sends its caller elsewhere


@pytest.mark.parametrize("way", ["refer", "bridge", "consult_and_refer", "consult_and_bridge"])
def test_the_agent_puts_its_caller_through_to_the_desk(
    asterisk: Asterisk, agent: StartAgent, caller: Baresip, desk: Baresip, way: str
) -> None:
    callee = agent(scene(way), account=REGISTERED + "[transfer]\ndesk = 6003\n")
    callee.wait_until_registered()
    caller.dial("sip:601@127.0.0.1")
    callee.events.wait("TransferProgress", 15, where=lambda event: event["state"] == "answered")
    caller.listen(2)
    caller.hang_up()
    desk.events.wait("CALL_CLOSED")
    assert last_second(Sound.read(caller.heard)).amplitude(DESK_HZ) > 0.1
    assert last_second(Sound.read(desk.heard)).amplitude(CALLER_HZ) > 0.1
    callee.events.wait("Disconnected")


@pytest.mark.parametrize(("way", "number"), [("refer", "699"), ("bridge", "630")], ids=["refer", "bridge"])
def test_a_caller_whom_nobody_takes_is_with_the_agent_again(
    asterisk: Asterisk, agent: StartAgent, caller: Baresip, way: str, number: str
) -> None:
    """There is no 699, and 630 is busy. The agent goes on saying back what the caller says."""
    callee = agent(scene(way), account=REGISTERED + f"[transfer]\ndesk = {number}\n")
    callee.wait_until_registered()
    caller.dial("sip:601@127.0.0.1")
    callee.events.wait("TransferProgress", 15, where=lambda event: event["state"] == "failed")
    caller.listen(2)
    assert not caller.events.all("CALL_CLOSED")
    caller.hang_up()
    assert last_second(Sound.read(caller.heard)).amplitude(CALLER_HZ) > 0.1
