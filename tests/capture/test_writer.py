"""The tap of a call: what it is told is what the three files hold, and secrets are in none of them."""

from pathlib import Path

from sipagent.capture import journal
from sipagent.capture.bundle import Bundle, Capture, header_record
from sipagent.capture.writer import BundleWriter, Captures
from tests.capture.conftest import EPOCH, FLOW, INVITE, KEY, OK, tick


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


def test_half_a_surrogate_pair_comes_back_as_it_was(tmp_path: Path) -> None:
    bundle = Bundle(tmp_path / "call")
    writer = BundleWriter(bundle, header_record("abc", 0.0, epoch=EPOCH, configuration={}))
    writer.note("tool", {"name": "quote", "output": "half \ud83d a pair, and \U0001f600"}, 1.0)
    writer.close()
    output = next(record.data["output"] for record in journal.read(bundle.journal) if record.kind == "tool")
    assert output == "half \ud83d a pair, and \U0001f600"


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
