"""Calls by sipp straight to the agent, without a PBX: what only a scripted caller does."""

import os
import socket
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.interop.conftest import StartAgent
from tests.interop.peers import scenarios
from tests.interop.peers.other_servers import OtherServers
from tests.interop.peers.raw_caller import RawCaller, to_tag
from tests.interop.peers.sipagent import HOST, PORT, REGISTERED, Sipagent
from tests.interop.peers.sipp import Sipp
from tests.interop.peers.wire import Wire, header, media_port

TARGET = f"{HOST}:{PORT}"
OTHER_PORT = 5082
OTHER_TARGET = f"{HOST}:{OTHER_PORT}"


@pytest.fixture(scope="module")
def callee(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sipagent]:
    """An agent without account, which lets private addresses in; one for the cases that only call it."""
    with Sipagent(tmp_path_factory.mktemp("agent"), "--local", account="") as running:
        running.wait_until_up()
        yield running


def test_a_call_is_answered_greeted_and_over(callee: Sipagent, tones: Path, tmp_path: Path) -> None:
    seen = len(callee.events)
    with Wire(tmp_path / "wire.pcap") as wire:
        Sipp(tmp_path, scenarios.talk(tones, 2), TARGET).wait()
    for kind in ("CallReceived", "CallAnswered", "Disconnected"):
        callee.events.wait(kind, after=seen)
    answer = wire.sip("SIP/2.0 200", of="INVITE")[0]
    sent = wire.rtp(source=media_port(answer))
    assert sent[0].marker
    assert any(packet.voiced for packet in sent), "no greeting"
    assert 85 <= len([packet for packet in sent if packet.time - answer.time < 2.0]) <= 103, (
        "not one packet every 20 ms"
    )


def test_sequence_and_timestamp_run_without_a_gap(callee: Sipagent, tones: Path, tmp_path: Path) -> None:
    with Wire(tmp_path / "wire.pcap") as wire:
        Sipp(tmp_path, scenarios.talk(tones, 3), TARGET).wait()
    sent = wire.rtp(source=media_port(wire.sip("SIP/2.0 200", of="INVITE")[0]))
    steps = {
        ((after.sequence - before.sequence) % 2**16, (after.timestamp - before.timestamp) % 2**32)
        for before, after in pairwise(sent)
    }
    assert steps == {(1, 160)}
    assert len({packet.ssrc for packet in sent}) == 1


def test_an_invite_without_offer_gets_one_and_the_answer_in_ack_is_used(
    callee: Sipagent, tones: Path, tmp_path: Path
) -> None:
    with Wire(tmp_path / "wire.pcap") as wire:
        Sipp(tmp_path, scenarios.delayed_offer(tones, 2), TARGET).wait()
    sent = wire.rtp(source=media_port(wire.sip("SIP/2.0 200", of="INVITE")[0]))
    assert {packet.destination[1] for packet in sent} == {media_port(wire.sip("ACK")[0])}
    assert any(packet.voiced for packet in sent)


def test_on_hold_it_answers_the_right_direction_and_is_silent_until_taken_back(
    callee: Sipagent, tones: Path, tmp_path: Path
) -> None:
    seen = len(callee.events)
    with Wire(tmp_path / "wire.pcap") as wire:
        Sipp(tmp_path, scenarios.hold(tones), TARGET).wait()
    changes = [event["held"] for event in callee.events.all("HoldChanged", seen)]
    assert changes == [True, False]
    answers = wire.sip("SIP/2.0 200", of="INVITE")
    assert [header(answer, "CSeq") for answer in answers] == ["1 INVITE", "2 INVITE", "3 INVITE", "4 INVITE"]
    inactive, again = answers[2], answers[3]
    sent = wire.rtp(source=media_port(answers[0]))
    assert not [packet for packet in sent if inactive.time + 0.06 < packet.time < again.time]
    back = [packet for packet in sent if packet.time > again.time]
    assert back
    assert back[0].marker


def test_an_invite_sent_again_and_again_is_one_call_with_one_answer(callee: Sipagent) -> None:
    """As from a phone behind a lossy line: before the answer, after it, and no ACK for a second."""
    seen = len(callee.events)
    with RawCaller((HOST, PORT)) as caller:
        invite = caller.invite()
        caller.send(invite)
        caller.send(invite)
        answers = [response for _ in range(6) if "200 OK" in (response := caller.receive(1.0))]
        caller.send(invite)
        answers.append(caller.receive(5))  # the third repetition is two seconds after the second
        tag = to_tag(answers[0])
        caller.send(caller.request("ACK", number=1, to_tag=tag))
        caller.send(caller.request("BYE", to_tag=tag))
        callee.events.wait("Disconnected", after=seen)
    assert len(answers) >= 3, "the 200 is not repeated until the ACK"
    assert {to_tag(answer) for answer in answers} == {tag}
    assert len(callee.events.all("CallReceived", seen)) == 1


def test_options_is_answered(callee: Sipagent, tmp_path: Path) -> None:
    Sipp(tmp_path, scenarios.options(), TARGET).wait()


def test_an_unsolicited_notify_is_taken_kindly(callee: Sipagent) -> None:
    with RawCaller((HOST, PORT)) as pbx:
        assert pbx.ask("NOTIFY", extra="Event: message-summary\r\n").startswith("SIP/2.0 200")


@pytest.mark.parametrize("method", ["SUBSCRIBE", "PUBLISH", "FROBNICATE"])
def test_other_methods_are_refused_with_those_we_allow(callee: Sipagent, method: str) -> None:
    with RawCaller((HOST, PORT)) as caller:
        response = caller.ask(method)
    assert response[:11] in ("SIP/2.0 405", "SIP/2.0 501")
    assert "\r\nAllow: " in response


def test_a_caller_who_gives_up_while_it_rings_is_let_go(agent: StartAgent, tmp_path: Path) -> None:
    with OtherServers(mute=True) as servers:
        callee = agent(account="", environment=servers.environment, port=OTHER_PORT)
        callee.wait_until_up()
        Sipp(tmp_path, scenarios.cancel(), OTHER_TARGET).wait()
        callee.events.wait("Disconnected")
        assert not callee.events.all("CallAnswered")


def test_when_full_the_next_caller_is_sent_away_and_the_first_call_goes_on(
    agent: StartAgent, tones: Path, tmp_path: Path
) -> None:
    callee = agent("--local", account="", general="max_calls = 1", port=OTHER_PORT)
    callee.wait_until_up()
    with Sipp(tmp_path / "first", scenarios.talk(tones, 4), OTHER_TARGET) as first:
        callee.events.wait("CallAnswered")
        Sipp(tmp_path / "second", scenarios.refused(503), OTHER_TARGET, port=5092).wait()
        first.wait()


def test_a_stranger_gets_no_answer_and_the_operator_the_line_that_would_let_him_in(
    agent: StartAgent, tmp_path: Path
) -> None:
    callee = agent("--local", account=REGISTERED, general="unknown_callers = drop", port=OTHER_PORT)
    callee.wait_until_up()
    with RawCaller(callee.address, host="127.0.0.66") as stranger:
        stranger.send(stranger.invite())
        assert stranger.receive() == ""
    # Before our registrar's address is known, the OPTIONS of this test come from a stranger, too.
    refused = callee.events.wait("CallerRefused", where=lambda event: "127.0.0.66" in event["source"])
    assert refused["cure"]


def test_mangled_datagrams_on_every_port_are_never_felt_by_the_call(
    callee: Sipagent, tones: Path, corpora: Path, tmp_path: Path
) -> None:
    """A hostile datagram every few milliseconds on SIP, RTP and RTCP, while sipp talks."""
    hostile = [file.read_bytes() for file in sorted((corpora / "sip-rfc4475").iterdir())]
    hostile += [b"", b"\x00", b"\x80", b"\x80\x00" * 6, b"\x8f" + bytes(11), b"\xbf\xc8\xff\xff", os.urandom(200)]
    seen = len(callee.events)
    with (
        Wire(tmp_path / "wire.pcap") as wire,
        Sipp(tmp_path / "sipp", scenarios.talk(tones, 4), TARGET) as call,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
    ):
        callee.events.wait("CallAnswered", after=seen)
        for datagram in hostile:
            for port in (PORT, *range(40000, 40200)):
                udp.sendto(datagram, (HOST, port))
        call.wait()
    callee.events.wait("Disconnected", after=seen)
    port = media_port(wire.sip("SIP/2.0 200", of="INVITE")[0])
    times = [packet.time for packet in wire.rtp(source=port)]
    assert max(after - before for before, after in pairwise(times)) < 0.1
    assert {packet.destination for packet in wire.rtp(source=port)} == {(HOST, 20000 + 90 * 40)}
    with RawCaller((HOST, PORT)) as caller:
        assert caller.ask("OPTIONS").startswith("SIP/2.0 200")


@pytest.mark.parametrize("corpus", ["sip-rfc4475", "sip-rfc5118"])
def test_after_each_torture_message_options_is_answered(callee: Sipagent, corpora: Path, corpus: str) -> None:
    messages = [file.read_bytes() for file in sorted((corpora / corpus).iterdir())]
    assert messages
    with RawCaller((HOST, PORT)) as torturer, RawCaller((HOST, PORT)) as caller:
        for message in messages:
            torturer.send(message)
            assert caller.ask("OPTIONS").startswith("SIP/2.0 200")
