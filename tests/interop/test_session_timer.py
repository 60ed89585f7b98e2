"""Calls that have to be refreshed every 90 seconds, the shortest that RFC 4028 allows; half of them is waited for."""

from pathlib import Path

from tests.interop.conftest import StartAgent, StartPhone
from tests.interop.peers import scenarios, sound
from tests.interop.peers.asterisk import Asterisk
from tests.interop.peers.baresip import Phone
from tests.interop.peers.sipagent import HOST, account, scene
from tests.interop.peers.sipp import Sipp
from tests.interop.peers.wire import Packet, Wire, header

HALF = 45
OTHER_PORT = 5084


def test_calls_that_the_pbx_refreshes_and_that_we_do_stand(
    asterisk: Asterisk, agent: StartAgent, phone: StartPhone, tmp_path: Path
) -> None:
    """At once, for time's sake: 6014 of the PBX insists on the timer and refreshes; sipp wants us to do it."""
    callee = agent(scene("echo"), account=account("6014"))
    other = agent(scene("echo"), account="", port=OTHER_PORT)
    callee.wait_until_registered()
    other.wait_until_up()
    caller = phone(Phone(microphone=sound.silence(70, tmp_path / "silence.wav")))
    with Wire(tmp_path / "wire.pcap") as wire:
        sipp = Sipp(tmp_path / "sipp", scenarios.refreshed(), f"{HOST}:{OTHER_PORT}")
        caller.dial("sip:6014@127.0.0.1")
        sipp.wait()
        caller.listen(3)
        assert not callee.events.all("Disconnected")
        caller.hang_up()
        callee.events.wait("Disconnected")
    agreed, refreshed = granted(wire, callee.events.all("CallAnswered")[0]["call_id"])
    assert HALF - 1 < refreshed.time - agreed.time < HALF + 1


def test_a_call_that_we_place_agrees_on_a_timer(asterisk: Asterisk, agent: StartAgent, tmp_path: Path) -> None:
    with Wire(tmp_path / "wire.pcap") as wire:
        caller = agent("600", "--from", "pbx", "--duration", "1", command="dial", account=account("6014"))
        assert caller.wait() == 0
    (agreed,) = granted(wire, caller.events.all("CallAnswered")[0]["call_id"])
    assert header(agreed, "Session-Expires").endswith(";refresher=uac")


def granted(wire: Wire, call_id: str) -> list[Packet]:
    """Every 200 of a call that says how long its session lasts, in the order of the wire."""
    return [
        packet
        for packet in wire.sip("SIP/2.0 200")
        if header(packet, "Call-ID") == call_id and header(packet, "Session-Expires")
    ]
