"""Calls that we place through Asterisk: answered, refused, sent elsewhere, taken back, moved."""

import time
from pathlib import Path

import pytest

from tests.interop.conftest import StartAgent
from tests.interop.peers.asterisk import Asterisk
from tests.interop.peers.sipagent import Sipagent, account
from tests.interop.peers.sound import Sound
from tests.interop.peers.wire import Wire

RELIABLY = "6015"


def dial(agent: StartAgent, number: str, *options: str, user: str = "6001") -> Sipagent:
    """Have `sipagent dial` call a number of the PBX."""
    return agent(number, "--from", "pbx", *options, command="dial", account=account(user))


@pytest.mark.parametrize(("user", "codec"), [("6001", "pcmu"), ("6022", "pcma")])
def test_what_the_pbx_plays_is_heard(
    asterisk: Asterisk, agent: StartAgent, tmp_path: Path, user: str, codec: str
) -> None:
    record = tmp_path / "call.wav"
    caller = dial(agent, "608", "--record", str(record), "--duration", "2", user=user)
    assert caller.wait() == 0
    assert caller.events.all("CallAnswered")[0]["codec"] == codec
    assert Sound.read(record).between(0.5, 1.5).amplitude(1004) > 0.2


@pytest.mark.parametrize(
    ("number", "code", "outcome"),
    [
        ("630", 486, "busy"),
        ("631", 503, "unavailable"),
        ("634", 404, "not found"),
        ("635", 403, "forbidden"),
        ("637", 488, "incompatible media"),
    ],
)
def test_a_refusal_is_told_by_its_code_and_in_one_word(
    asterisk: Asterisk, agent: StartAgent, number: str, code: int, outcome: str
) -> None:
    caller = dial(agent, number)
    assert caller.wait() == 1
    (failed,) = caller.events.all("CallFailed")
    assert (failed["code"], failed["outcome"]) == (code, outcome)


def test_a_call_that_is_sent_elsewhere_in_the_same_house_goes_there(asterisk: Asterisk, agent: StartAgent) -> None:
    caller = dial(agent, "621", "--duration", "1")
    assert caller.wait() == 0
    assert caller.events.all("CallAnswered")


def test_what_is_played_before_the_answer_is_heard(asterisk: Asterisk, agent: StartAgent, tmp_path: Path) -> None:
    record = tmp_path / "call.wav"
    caller = dial(agent, "633", "--record", str(record))
    caller.events.wait("CallProgressed", where=lambda event: event["code"] == 183 and event["media"])
    time.sleep(3)
    caller.stop()
    assert not caller.events.all("CallAnswered")
    assert Sound.read(record).voiced_seconds > 0.5


def test_a_call_that_we_take_back_while_it_rings_is_gone_from_the_pbx(
    asterisk: Asterisk, agent: StartAgent, tmp_path: Path
) -> None:
    caller = dial(agent, "632")
    caller.events.wait("CallProgressed", where=lambda event: event["code"] == 180)
    with Wire(tmp_path / "wire.pcap") as wire:
        caller.interrupt()
        assert caller.wait() == 130
    assert wire.sip("CANCEL")
    assert wire.sip("SIP/2.0 200", of="CANCEL")
    assert wire.sip("SIP/2.0 487", of="INVITE")
    assert wire.sip("ACK", of="ACK")
    assert "0 active channels" in asterisk.console("core show channels")


def test_a_far_end_that_hangs_up_at_once_ends_the_call(asterisk: Asterisk, agent: StartAgent) -> None:
    caller = dial(agent, "638")
    assert caller.wait() == 0
    assert caller.events.all("Disconnected")[0]["by"] == "callee"


def test_ringing_that_the_pbx_sends_reliably_is_confirmed(
    asterisk: Asterisk, agent: StartAgent, tmp_path: Path
) -> None:
    with Wire(tmp_path / "wire.pcap") as wire:
        caller = dial(agent, "633", user=RELIABLY)
        caller.events.wait("CallProgressed", where=lambda event: event["code"] == 183)
        caller.stop()
    assert wire.sip("PRACK")
    assert wire.sip("SIP/2.0 200", of="PRACK", source=5060)


def test_the_pbx_sends_us_to_another_number_by_refer(asterisk: Asterisk, agent: StartAgent) -> None:
    caller = dial(agent, "620", "--echo", "--duration", "6")
    moved = caller.events.wait("CallMoved", 15)
    assert moved["far_end"].startswith("sip:600@")
    asterisk.wait_for_log("TRANSFERSTATUS=SUCCESS")
    caller.wait()
