"""Events as lines for people and for programs; messages, packets and frames as they pass."""

import io
import json
import re
import time

import pytest

from sipagent import AgentSaid, CallerSaid, DigitReceived, Disconnected, Event, ProviderClosed, ProviderEvent
from sipagent.cli.report import JsonReport, TextReport
from sipagent.cli.trace import LONGEST_FRAME, Trace
from sipagent.events import (
    CallAnswered,
    CallerRefused,
    CallFailed,
    CallMeasured,
    CallMoved,
    CallReceived,
    HoldChanged,
    MediaStarted,
    MessageReceived,
    Notice,
    ProgressHeard,
    ProviderFailed,
    Registered,
    RegistrationFailed,
    SpeechEnded,
    SpeechStarted,
    Stamped,
    TransferProgress,
)
from sipagent.media import RTCP, RTP, Arrival, Departure, TickRecord
from sipagent.rtp import packet, rtcp
from sipagent.sip.flow import Address, Flow, Transport


def line_of(event: Event, call_id: str = "") -> str:
    """What a person reads of one event, without the time of day."""
    lines: list[str] = []
    TextReport(lines.append).take(Stamped(time=1.0, call_id=call_id, event=event))
    return re.sub(r"^\d\d:\d\d:\d\d  ", "", "\n".join(lines))


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (Registered(account="6001", registrar="sip:pbx", expires=300), "registered 6001 at sip:pbx for 300 s"),
        (ProgressHeard(sign="beep"), "the line tells: beep"),
        (CallMeasured(), ""),
        (CallMeasured(packets_sent=250), "heard nothing: 250 packets left, none came"),
        (
            CallMeasured(score=4.41, packets_received=500, loss=0.0, jitter_ms=0.4),
            "sounded 4.4 of 4.4 here: 0.0% lost, jitter 0 ms",
        ),
        (
            CallMeasured(
                score=3.96, loss=0.0312, jitter_ms=12.4, remote_score=4.2, round_trip_ms=48.6, frames_skipped=3
            ),
            "sounded 4.0 of 4.4 here, 4.2 at the far end: 3.1% lost, jitter 12 ms, round trip 49 ms, "
            "3 frames of ours did not leave",
        ),
        (
            RegistrationFailed(
                account="6001",
                registrar="sip:pbx",
                code=403,
                reason="Forbidden",
                hint="a wrong password",
                retry_after=61.5,
            ),
            "not registered: 6001: 403 Forbidden: a wrong password (again in 62 s)",
        ),
        (
            RegistrationFailed(account="6001", registrar="sip:pbx", code=0, reason="no such host", retry_after=30),
            "not registered: 6001: no such host (again in 30 s)",
        ),
        (CallReceived(caller="sip:a@b", called="sip:c@d", display_name="Alice"), 'call from "Alice" sip:a@b'),
        (CallReceived(caller="sip:a@b", called="sip:c@d"), "call from sip:a@b"),
        (CallReceived(caller="sip:a@b", called="sip:c@d", line="office"), "call from sip:a@b (office)"),
        (CallAnswered(codec="pcmu"), "answered (pcmu)"),
        (CallAnswered(codec="opus", encryption="AES_CM_128_HMAC_SHA1_80"), "answered (opus, AES_CM_128_HMAC_SHA1_80)"),
        (CallerSaid(text="Hello?"), "caller: Hello?"),
        (AgentSaid(heard_text="Hi", generated_text="Hi there", interrupted=True), "agent:  Hi … (interrupted)"),
        (AgentSaid(heard_text="Hi", generated_text="Hi"), "agent:  Hi"),
        (DigitReceived(digit="#"), "# was pressed"),
        (HoldChanged(held=True), "held by the far end"),
        (HoldChanged(held=False), "taken back from hold"),
        (HoldChanged(held=True, by="us"), "we hold"),
        (HoldChanged(held=False, by="us"), "we hold no longer"),
        (TransferProgress(target="desk", state="ringing", code=180, reason="Ringing"), "transfer to desk: ringing"),
        (
            TransferProgress(target="desk", state="failed", code=486, reason="Busy"),
            "transfer to desk: failed: 486 Busy",
        ),
        (CallMoved(far_end="sip:desk@pbx"), "goes on with sip:desk@pbx"),
        (MessageReceived(sender="sip:a@b", text="hi"), "text from sip:a@b: hi"),
        (Disconnected(by="caller"), "over, ended by caller"),
        (Disconnected(by="us", reason="that was all"), "over, ended by us: that was all"),
        (CallFailed(code=486, reason="Busy Here"), "failed: 486 Busy Here"),
        (ProviderFailed(provider="openai", reason="openai: it broke"), "openai: it broke"),
        (ProviderClosed(provider="openai", code=1006, clean=False), "openai closed the connection: 1006 "),
        (ProviderClosed(provider="openai", code=1000), ""),
        (
            CallerRefused(source="192.0.2.7:5060", cure="[trunk NAME] peers = 192.0.2.7"),
            "192.0.2.7:5060 may not ring; to let it in, write [trunk NAME] peers = 192.0.2.7",
        ),
        (Notice(text="Mind the gap."), "Mind the gap."),
        (SpeechStarted(), ""),
        (ProviderEvent(provider="openai", type="session.created", data={}), ""),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Event) else "",
)
def test_a_line_for_people(event: Event, line: str) -> None:
    assert line_of(event) == line


def test_lines_of_a_call_say_which() -> None:
    assert line_of(DigitReceived(digit="1"), "a84b4c76e66710") == "[a84b4c] 1 was pressed"


def test_the_latency_of_an_answer_is_told_once_and_to_the_right_call() -> None:
    lines: list[str] = []
    report = TextReport(lines.append)
    for at, call_id, event in (
        (1.0, "first-call", SpeechEnded()),
        (1.1, "second-call", MediaStarted(source="cartesia")),
        (1.25, "first-call", MediaStarted(source="cartesia")),
        (2.0, "first-call", MediaStarted(source="cartesia")),
    ):
        report.take(Stamped(time=at, call_id=call_id, event=event))
    (line,) = lines
    assert line.endswith("[first-] agent speaks, 250 ms after the caller's turn ended")


def test_a_trace_of_the_agent_shows_every_event_but_frames() -> None:
    lines: list[str] = []
    report = TextReport(lines.append, agent=True)
    report.take(Stamped(time=1.0, call_id="", event=SpeechStarted(provider="openai")))
    report.take(Stamped(time=1.0, call_id="", event=ProviderEvent(provider="openai", type="x", data={})))
    (line,) = lines
    assert line.endswith("SpeechStarted(provider='openai')")


# ---- JSON


def objects(*events: Event, provider: bool = False) -> list[dict[str, object]]:
    out = io.StringIO()
    report = JsonReport(out, provider=provider)
    for event in events:
        report.take(Stamped(time=time.monotonic(), call_id="call-1", event=event))
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_one_object_a_line_with_the_time_of_day() -> None:
    (data,) = objects(CallerSaid(text="Grüß Gott", item_id="item_1"))
    assert abs(float(str(data.pop("time"))) - time.time()) < 5
    assert data == {"type": "CallerSaid", "call_id": "call-1", "text": "Grüß Gott", "item_id": "item_1"}


def test_frames_come_only_when_they_are_wanted_and_keep_their_type() -> None:
    frame = ProviderEvent(provider="openai", type="session.created", data={"session": {}})
    assert objects(frame) == []
    (data,) = objects(frame, provider=True)
    assert (data["type"], data["provider_type"]) == ("ProviderEvent", "session.created")


# ---- traces


FLOW = Flow(transport=Transport.UDP, local=Address("127.0.0.1", 5060), remote=Address("127.0.0.2", 5060))
REGISTER = (
    b'REGISTER sip:pbx SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1\r\n%s: Digest username="6001", response="d41d8cd9"\r\n\r\n'
)


@pytest.mark.parametrize("name", [b"Authorization", b"authorization ", b"PROXY-AUTHORIZATION", b"Proxy-Authorization"])
def test_credentials_in_a_message_are_masked(name: bytes) -> None:
    lines: list[str] = []
    Trace(frozenset({"sip"}), lines.append).datagram(sent=True, flow=FLOW, data=REGISTER % name, time=1.0)
    (text,) = lines
    assert "to 127.0.0.2:5060" in text
    assert "REGISTER sip:pbx SIP/2.0" in text
    assert "***" in text
    assert "d41d8cd9" not in text
    assert "username" not in text


def test_credentials_folded_over_two_lines_are_masked() -> None:
    folded = REGISTER.replace(b", response", b",\r\n response") % b"Authorization"
    lines: list[str] = []
    Trace(frozenset({"sip"}), lines.append).datagram(sent=True, flow=FLOW, data=folded, time=1.0)
    assert "d41d8cd9" not in lines[0]


def test_what_is_not_wanted_is_not_shown() -> None:
    lines: list[str] = []
    trace = Trace(frozenset({"rtcp"}), lines.append)
    trace.datagram(sent=True, flow=FLOW, data=REGISTER % b"Authorization", time=1.0)
    trace.frame(provider="openai", sent=True, text="{}", time=1.0)
    trace.note("id", {}, 1.0)
    trace.close()
    assert lines == []


def test_a_long_frame_is_cut() -> None:
    lines: list[str] = []
    trace = Trace(frozenset({"provider"}), lines.append)
    trace.frame(provider="openai", sent=False, text="x" * (LONGEST_FRAME + 1), time=1.0)
    trace.frame(provider="openai", sent=True, text='{"type": "response.create"}', time=1.0)
    assert lines[0].endswith(f"x… ({LONGEST_FRAME + 1} characters)")
    assert lines[1] == '--- 1.000 to openai {"type": "response.create"}'


def test_packets_are_named_by_number_time_and_type() -> None:
    lines: list[str] = []
    peer = ("127.0.0.2", 4000)
    speech = packet.build(0, 17, 3200, 77, bytes(160), marker=True)
    record = TickRecord(
        leg=1,
        tick=5,
        now=2.0,
        commands=0,
        arrivals=(Arrival(1, RTP, peer, speech, 1.99), Arrival(1, RTCP, peer, bytes(28), 1.99)),
        departures=(Departure(1, RTP, peer, b"no RTP"),),
    )
    Trace(frozenset({"rtp", "rtcp"}), lines.append).tick(record, 2.0)
    assert lines == [
        "--- 2.000 rtp from 127.0.0.2:4000 172 bytes seq 17 ts 3200 pt 0 marker",
        "--- 2.000 rtcp from 127.0.0.2:4000 28 bytes",
        "--- 2.000 rtp to 127.0.0.2:4000 6 bytes",
    ]


def test_a_report_of_rtcp_is_a_line_of_what_it_says() -> None:
    block = rtcp.ReportBlock(
        ssrc=0xCA11E4, fraction_lost=8, cumulative_lost=5, highest_sequence=700, jitter=12, last_report=0, delay=0
    )
    sent = rtcp.SenderReport(ssrc=7, ntp_time=0, rtp_timestamp=0, packet_count=250, octet_count=40000, blocks=(block,))
    description, goodbye = rtcp.SourceDescription(cnames=((7, "us"),)), rtcp.Goodbye(ssrcs=(7,))
    data = rtcp.serialise([sent, description, goodbye])
    listening = rtcp.serialise([rtcp.ReceiverReport(ssrc=9)])
    peer = ("127.0.0.2", 4001)
    record = TickRecord(
        leg=1,
        tick=5,
        now=2.0,
        commands=0,
        arrivals=(Arrival(1, RTCP, peer, listening, 1.99),),
        departures=(Departure(1, RTCP, peer, data),),
    )
    lines: list[str] = []
    Trace(frozenset({"rtcp"}), lines.append).tick(record, 2.0)
    assert lines == [
        "--- 2.000 rtcp from 127.0.0.2:4001 8 bytes RR",
        "--- 2.000 rtcp to 127.0.0.2:4001 76 bytes SR sent 250 packets 40000 octets"
        " heard 0xca11e4 to seq 700 lost 5 (3.1% lately) jitter 12 SDES us BYE",
    ]
