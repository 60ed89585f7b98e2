"""pyVoIP calls, in a process of its own: what it gets wrong must cost neither the call nor its end."""

from pathlib import Path

from tests.interop.conftest import StartAgent
from tests.interop.peers.sipagent import HOST, PORT, scene
from tests.interop.peers.sloppy_caller import SloppyCaller
from tests.interop.peers.sound import Sound
from tests.interop.peers.wire import Wire


def test_it_is_answered_hears_us_and_hangs_up(agent: StartAgent, tmp_path: Path) -> None:
    """Its ACK, with a To tag of its own making, is the ACK: the 200 is not sent again and again."""
    callee = agent(scene("tone"), account="")
    callee.wait_until_up()
    with Wire(tmp_path / "wire.pcap") as wire:
        caller = SloppyCaller(tmp_path / "heard.wav", (HOST, PORT), port=5095, seconds=3)
        assert caller.wait() == {"answered": True, "ended_by_us": True}
        callee.events.wait("Disconnected")
    assert Sound.read(caller.wav).amplitude(700) > 0.02
    assert len(wire.sip("SIP/2.0 200", of="INVITE", source=PORT)) == 1


def test_it_is_hung_up_on(agent: StartAgent, tmp_path: Path) -> None:
    callee = agent(scene("hang_up"), account="")
    callee.wait_until_up()
    caller = SloppyCaller(tmp_path / "heard.wav", (HOST, PORT), port=5096, seconds=10)
    assert caller.wait() == {"answered": True, "ended_by_us": False}
    assert callee.events.wait("Disconnected")["by"] == "us"
