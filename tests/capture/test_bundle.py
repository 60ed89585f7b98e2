"""A call on disk: what the tap is told is what the three files hold, and secrets are in none of them."""

from pathlib import Path

import pytest

from sipagent.capture import journal
from sipagent.capture.bundle import Bundle, Capture, header_record
from sipagent.capture.writer import BundleWriter, Captures
from sipagent.errors import CaptureError
from sipagent.media import Arrival, Departure, TickRecord
from sipagent.rtp import packet
from sipagent.sip.flow import Address, Flow, Transport

US, PEER = Address("192.0.2.9", 5060), Address("192.0.2.1", 5060)
FLOW = Flow(transport=Transport.UDP, local=US, remote=PEER)
EPOCH = 1_700_000_000.0
INVITE, OK = b"INVITE sip:a@b SIP/2.0\r\n\r\n", b"SIP/2.0 200 OK\r\n\r\n"
VOICE = packet.build(0, 7, 1120, 9, b"\xff" * 160)
KEY = 'sk-"secret"-0123'


def tick(number: int) -> TickRecord:
    """A tick in which one packet and one report came, and one packet left."""
    now = 10.0 + number * 0.02
    return TickRecord(
        leg=1,
        tick=number,
        now=now,
        commands=2,
        arrivals=(
            Arrival(1, "rtp", ("192.0.2.1", 30000), b"in-%d" % number, now - 0.001),
            Arrival(1, "rtcp", ("192.0.2.1", 30001), b"report", now - 0.0005),
        ),
        departures=(Departure(1, "rtp", ("192.0.2.1", 30000), VOICE),),
    )


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """A short call, written."""
    written = Bundle(tmp_path / "call")
    writer = BundleWriter(
        written, header_record("abc", 10.0, epoch=EPOCH, configuration={}), epoch=EPOCH, secrets=[KEY]
    )
    writer.datagram(sent=False, flow=FLOW, data=INVITE, time=10.0)
    writer.note("id", {"what": "tag", "value": "t1"}, 0.0)
    writer.note("leg", {"leg": 1, "host": "192.0.2.9", "port": 40000}, 10.001)
    writer.datagram(sent=True, flow=FLOW, data=OK, time=10.002)
    writer.note("open", {"provider": "openai", "url": "wss://api.example.com"}, 10.003)
    writer.frame(provider="openai", sent=True, text='{"type":"session.update"}', time=10.004)
    writer.frame(provider="openai", sent=False, text='{"type":"session.updated"}', time=10.005)
    writer.tick(tick(1), 10.021)
    writer.tick(tick(2), 10.041)
    writer.close()
    return written


def test_all_that_came_in_is_in_the_journal_in_its_order(bundle: Bundle) -> None:
    capture = Capture.load(bundle)
    assert capture.header.data["call_id"] == "abc"
    assert [(record.kind, record.time) for record in capture.records] == [
        ("sip", 10.0),
        ("id", 10.0),
        ("leg", 10.001),
        ("open", 10.003),
        ("frame", 10.005),
        ("tick", 10.021),
        ("tick", 10.041),
        ("end", 10.041),
    ]


def test_the_journal_leads_to_the_bytes_in_the_capture_file(bundle: Bundle) -> None:
    capture = Capture.load(bundle)
    sip = next(record.data for record in capture.records if record.kind == "sip")
    assert capture.datagrams[sip["pcap"]].data == INVITE
    ticks = [record.data for record in capture.records if record.kind == "tick"]
    assert [capture.datagrams[data["pcap"]].data for data in ticks] == [b"in-1", b"in-2"]
    assert [data["arrivals"] for data in ticks] == [
        [["rtp", 10.02 - 0.001], ["rtcp", 10.02 - 0.0005]],
        [["rtp", 10.04 - 0.001], ["rtcp", 10.04 - 0.0005]],
    ]


def test_the_capture_file_has_both_directions_with_their_ports_and_the_time_of_day(bundle: Bundle) -> None:
    datagrams = Capture.load(bundle).datagrams
    assert [(str(datagram.source), str(datagram.destination)) for datagram in datagrams[:5]] == [
        ("192.0.2.1:5060", "192.0.2.9:5060"),
        ("192.0.2.9:5060", "192.0.2.1:5060"),
        ("192.0.2.1:30000", "192.0.2.9:40000"),
        ("192.0.2.1:30001", "192.0.2.9:40001"),
        ("192.0.2.9:40000", "192.0.2.1:30000"),
    ]
    assert datagrams[0].time == round((EPOCH + 10.0) * 1e9)


def test_all_that_left_is_in_the_golden_file(bundle: Bundle) -> None:
    header, *left = journal.read(bundle.golden)
    assert header.kind == "header"
    assert [record.kind for record in left] == ["sip", "openai", "rtp", "rtp"]
    assert left[0].data == {"to": "192.0.2.1:5060", "text": OK.decode()}
    assert left[2].data["tick"] == 1


@pytest.mark.parametrize("name", ["call", "call.pcap", "call.journal.jsonl", "call.golden.jsonl"])
def test_any_of_the_three_names_the_bundle(tmp_path: Path, name: str) -> None:
    assert Bundle.at(tmp_path / name) == Bundle(tmp_path / "call")


def test_a_name_with_dots_is_kept() -> None:
    assert Bundle.at(Path("call.2024.pcap")).journal == Path("call.2024.journal.jsonl")


def test_secrets_are_masked_in_values_and_inside_frames(tmp_path: Path) -> None:
    bundle = Bundle(tmp_path / "call")
    writer = BundleWriter(bundle, header_record("abc", 0.0, epoch=EPOCH, configuration={"x": KEY}), secrets=[KEY, "no"])
    writer.note("refused", {"provider": "openai", "text": f"bad key {KEY}"}, 1.0)
    writer.frame(provider="openai", sent=False, text='{"error":"no such key sk-\\"secret\\"-0123"}', time=2.0)
    writer.frame(provider="openai", sent=True, text='{"key":"sk-\\"secret\\"-0123"}', time=2.0)
    writer.close()
    content = bundle.journal.read_text() + bundle.golden.read_text()
    assert "secret" not in content
    assert content.count("***") == 5
    assert "no such key" in content


def test_a_capture_without_journal_says_what_it_lacks(tmp_path: Path, bundle: Bundle) -> None:
    bundle.journal.unlink()
    with pytest.raises(CaptureError, match=r"call\.pcap: cannot be replayed without its journal, call\.journal\.jsonl"):
        Capture.load(bundle)


def test_a_journal_without_capture_file_says_so(bundle: Bundle) -> None:
    bundle.pcap.unlink()
    with pytest.raises(CaptureError, match=r"call\.pcap: No such file"):
        Capture.load(bundle)


def test_a_capture_file_that_a_killed_process_left_short_ends_the_journal_with_it(bundle: Bundle) -> None:
    bundle.pcap.write_bytes(bundle.pcap.read_bytes()[:-400])
    assert [record.kind for record in Capture.load(bundle).records] == ["sip", "id", "leg", "open", "frame", "tick"]


def test_captures_keep_each_call_under_its_own_name(tmp_path: Path) -> None:
    captures = Captures(lambda call_id: tmp_path / f"x-{call_id}", clock=lambda: 10.0, configuration={"agent": "voxi"})
    for call_id in ("one", "two"):
        tap = captures(call_id)
        tap.datagram(sent=False, flow=FLOW, data=INVITE, time=10.0)
        tap.close()
    captures.close()
    headers = [next(journal.read(tmp_path / f"x-{call_id}.journal.jsonl")).data for call_id in ("one", "two")]
    assert [(header["call_id"], header["configuration"]) for header in headers] == [
        ("one", {"agent": "voxi"}),
        ("two", {"agent": "voxi"}),
    ]


def test_what_was_written_is_on_disk_within_a_second_of_the_call(tmp_path: Path) -> None:
    bundle = Bundle(tmp_path / "call")
    writer = BundleWriter(bundle, header_record("abc", 10.0, epoch=EPOCH, configuration={}))
    for number in range(1, 61):
        writer.tick(tick(number), 10.0 + number * 0.02)
    assert sum(1 for record in journal.read(bundle.journal) if record.kind == "tick") >= 50
