"""Packets and captures from elsewhere: broken ones are dropped, digits heard once, losses counted as measured."""

import ast
import json
import struct
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sipagent.capture import pcap
from sipagent.rtp.digits import KEYS, DigitReceiver
from sipagent.rtp.jitter_buffer import JitterBuffer, Lost
from sipagent.rtp.packet import RtpPacket, is_rtcp, parse
from sipagent.rtp.rtcp import Goodbye, ReceiverReport, SenderReport, SourceDescription, parse_compound
from sipagent.rtp.session import RtpSession
from tests.rtp.hearing import hear

pytestmark = pytest.mark.corpora


def session() -> RtpSession:
    return RtpSession(ssrc=1, sequence=1, timestamp=1, cname="us", now=0.0)


# ---- single packets

DROPPED = None
PASSED_OVER: list[type] = []
"""Well formed, and of a kind that tells us nothing: feedback on video, extended reports."""

REPORTS: dict[str, list[type] | None] = {
    "aiortp-rtcp_bye_no_sources.bin": [Goodbye],
    "aiortp-rtcp_psfb_invalid.bin": DROPPED,
    "aiortp-rtcp_psfb_pli.bin": PASSED_OVER,
    "aiortp-rtcp_rr_invalid.bin": DROPPED,
    "aiortp-rtcp_rtpfb.bin": PASSED_OVER,
    "aiortp-rtcp_rtpfb_invalid.bin": DROPPED,
    "aiortp-rtcp_sdes_item_truncated.bin": DROPPED,
    "aiortp-rtcp_sdes_source_truncated.bin": DROPPED,
    "aiortp-rtcp_sr.bin": [SenderReport],
    "pion-rtcp-0b954a73147600a3.gofuzz": DROPPED,
    "pion-rtcp-16c369bd58290097.gofuzz": PASSED_OVER,
    "pion-rtcp-6366fbb9980fa33a.gofuzz": DROPPED,
    "pion-rtcp-e1a48af9f8e7db71.gofuzz": DROPPED,
    "pjsip-rtcp-85144870-seed-rtcp-fb-nack.bin": PASSED_OVER,
    "pjsip-rtcp-86a95864-7.rtcp": PASSED_OVER,
    "pjsip-rtcp-932c6ca4-5.rtcp": PASSED_OVER,
    "pjsip-rtcp-c1918dc4-seed-rtcp-fb-sli.bin": PASSED_OVER,
    "pjsip-rtcp-f2d50b1d-2.rtcp": [ReceiverReport],
    "pjsip-rtcp-f8440c27-4.rtcp": [Goodbye],
}
"""What each report of the corpus says, by the types of its parts."""
MEDIA: dict[str, tuple[int, int] | None] = {
    "aiortp-rtp_dtmf.bin": (101, 4),
    "aiortp-rtp_only_padding_with_header_extensions.bin": (98, 0),
    "aiortp-rtp_with_csrc.bin": (0, 160),
    "pjsip-rtp-80c5d2fa-jitter_outoforder.rtp": DROPPED,
    "pjsip-rtp-a899a2ac-minimal_working.rtp": DROPPED,
}
"""Payload type and length of each packet of media; CSRC list, extension and padding are none of it."""
DUMPS = {"bark.rtp"}


def datagram_in(path: Path) -> bytes:
    """What a file has us receive: its bytes, or those that a Go fuzzer wrote down as a literal."""
    if path.suffix != ".gofuzz":
        return path.read_bytes()
    literal = path.read_text("ascii").splitlines()[1]
    found = ast.literal_eval("b" + literal.removeprefix("[]byte(").removesuffix(")"))
    assert isinstance(found, bytes)
    return found


def test_every_packet_of_the_corpus_has_its_verdict(corpora: Path) -> None:
    assert {path.name for path in (corpora / "rtp-rtcp").iterdir()} == {*REPORTS, *MEDIA, *DUMPS}


@pytest.mark.parametrize("name", REPORTS)
def test_reports_are_taken_as_a_whole_or_not_at_all(corpora: Path, name: str) -> None:
    datagram, us = datagram_in(corpora / "rtp-rtcp" / name), session()
    assert is_rtcp(datagram)
    parts = us.receive_rtcp(datagram, 0.0)
    assert (None if parts is None else [type(part) for part in parts]) == REPORTS[name]
    assert us.statistics().malformed == (parts is None)


@pytest.mark.parametrize("name", MEDIA)
def test_media_packets_are_cut_to_their_payload(corpora: Path, name: str) -> None:
    datagram, us = datagram_in(corpora / "rtp-rtcp" / name), session()
    packet = hear(us, datagram, 0.0, range(128))
    assert (None if packet is None else (packet.payload_type, len(packet.payload))) == MEDIA[name]
    assert us.statistics().malformed == (packet is None)


def test_the_event_of_the_corpus_is_a_press_of_1(corpora: Path) -> None:
    receiver = DigitReceiver()
    packet = parse((corpora / "rtp-rtcp" / "aiortp-rtp_dtmf.bin").read_bytes())
    assert packet is not None
    receiver.receive(packet, 0.0)
    assert [(press.digit, press.duration_ms) for press in receiver.take()] == [("1", 120)]


def test_a_recording_in_dump_format_is_one_stream_without_a_gap_and_a_report(corpora: Path) -> None:
    us = session()
    datagrams = list(dumped(corpora / "rtp-rtcp" / "bark.rtp"))
    reports = [us.receive_rtcp(data, at) for at, data in datagrams if is_rtcp(data)]
    packets = [hear(us, data, at, {0}) for at, data in datagrams if not is_rtcp(data)]
    assert (len(reports), len(packets)) == (1, 15)
    assert None not in packets + reports
    assert (us.statistics().lost, us.statistics().sources) == (0, 1)


def dumped(path: Path) -> Iterator[tuple[float, bytes]]:
    """Read a file of rtpdump: a line, 16 bytes, then records of a length, the packet's, and milliseconds."""
    data = path.read_bytes()
    at = data.index(b"\n") + 1 + 16
    while at < len(data):
        length, _, milliseconds = struct.unpack_from("!HHI", data, at)
        yield milliseconds / 1000, data[at + 8 : at + length]
        at += length


# ---- captures


def captures(corpora: Path) -> dict[str, dict[str, Any]]:
    """What the manifest has of each capture with media."""
    rows = map(json.loads, (corpora / "manifest.jsonl").read_text("utf-8").splitlines())
    return {row["path"]: row["meta"] for row in rows if row["path"].startswith(("pcap-rtp/", "pcap-call/"))}


StreamKey = tuple[str, str, str]
"""Source, destination and SSRC, as the manifest writes them."""


def streams_of(path: Path) -> dict[StreamKey, list[tuple[float, bytes]]]:
    """Sort the packets of a capture by stream, with the seconds at which they came."""
    streams: defaultdict[StreamKey, list[tuple[float, bytes]]] = defaultdict(list)
    for datagram in pcap.read(path):
        packet = None if is_rtcp(datagram.data) else parse(datagram.data)
        if packet is not None:
            key = (str(datagram.source), str(datagram.destination), f"0x{packet.ssrc:08X}")
            streams[key].append((datagram.time / 1e9, datagram.data))
    return streams


def received(us: RtpSession, stream: list[tuple[float, bytes]]) -> Iterator[tuple[float, RtpPacket]]:
    for at, data in stream:
        packet = hear(us, data, at, range(128))
        if packet is not None:
            yield at, packet


def test_there_are_thirty_one_captures_with_media(corpora: Path) -> None:
    assert len(captures(corpora)) == 31


def test_the_packets_and_losses_of_every_stream_are_counted_as_measured(corpora: Path) -> None:
    for path, measured in captures(corpora).items():
        streams = streams_of(corpora / path)
        for stream in measured["rtp_streams"]:
            us = session()
            list(received(us, streams[stream["src"], stream["dst"], stream["ssrc"]]))
            statistics = us.statistics()
            assert (statistics.packets_received, statistics.lost) == (stream["pkts"], stream["lost"]), path
            assert (statistics.malformed, statistics.unexpected) == (0, 0), path


def test_every_capture_has_the_digits_of_the_manifest_and_no_others(corpora: Path) -> None:
    pressed = {}
    for path in captures(corpora):
        digits = ""
        for stream in streams_of(corpora / path).values():
            receiver = DigitReceiver()
            for at, packet in received(session(), stream):
                if packet.payload_type == 101:
                    receiver.receive(packet, at)
            receiver.handle_timer(stream[-1][0] + 1)
            digits += "".join(press.digit for press in receiver.take())
        pressed[path] = digits
    assert pressed == {
        path: "".join(KEYS[int(event)] for event in measured["dtmf_events"])
        for path, measured in captures(corpora).items()
    }
    assert sorted("".join(pressed.values())) == sorted("423679*")


def test_captures_of_one_stream_play_without_a_gap(corpora: Path) -> None:
    g711 = {
        path: meta
        for path, meta in captures(corpora).items()
        if path.startswith("pcap-rtp/")
        and [stream["codec"] for stream in meta["rtp_streams"]] in (["g711A"], ["g711U"])
    }
    assert len(g711) == 4
    for path in g711:
        us, buffer = session(), JitterBuffer()
        datagrams = [(datagram.time / 1e9, datagram.data) for datagram in pcap.read(corpora / path)]
        begin, end = datagrams[0][0], datagrams[-1][0]
        played = []
        for tick in range(int((end - begin) / 0.02)):
            now = begin + tick * 0.02
            while datagrams[0][0] <= now:
                arrival, data = datagrams.pop(0)
                packet = hear(us, data, arrival, {0, 8})
                if packet is not None:
                    buffer.add(packet.sequence, packet.timestamp, packet.payload, arrival, packet.marker)
            played.append(buffer.pop(now))
        first = next(index for index, frame in enumerate(played) if isinstance(frame, bytes))
        concealed = sum(isinstance(frame, Lost) for frame in played[first:])
        assert first <= 2, path
        assert concealed <= len(played) // 500, path


def test_a_foreign_stream_has_no_effect_on_the_call(corpora: Path) -> None:
    folder = corpora / "pcap-rtp"
    call = [d.data for d in pcap.read(folder / "asterisk-pjsip-non_negotiated_frame_SSRC_change-g711a.pcap")]
    foreign = [d.data for d in pcap.read(folder / "asterisk-pjsip-non_negotiated_frame_SSRC_change-ssrc2.pcap")]
    us = session()
    taken = [hear(us, data, 0.0, {8, 101}) for data in [*call[:100], *foreign, *call[100:]]]
    assert sum(packet is not None for packet in taken) == len(call)
    assert (us.statistics().unexpected, us.statistics().sources) == (len(foreign), 1)


def test_reports_are_found_in_a_datagram_of_several(corpora: Path) -> None:
    capture = pcap.read(corpora / "pcap-rtp" / "ndpi-rtcp_multiple_pkts_in_the_same_datagram.pcap")
    compounds = [parse_compound(datagram.data) for datagram in capture if is_rtcp(datagram.data)]
    assert [[type(part) for part in compound or []] for compound in compounds] == [
        [SenderReport, SourceDescription],
        [ReceiverReport, SourceDescription],
        [SenderReport, SourceDescription],
        [ReceiverReport, SourceDescription],
        [SenderReport, SourceDescription],
    ]
