"""Packets and captures from elsewhere: broken ones are dropped, digits heard once, losses counted as measured."""

import json
from pathlib import Path

import pytest

from sipagent.capture import pcap
from sipagent.rtp.digits import DigitReceiver
from sipagent.rtp.jitter_buffer import Frame, JitterBuffer, Lost
from sipagent.rtp.packet import is_rtcp, parse
from sipagent.rtp.rtcp import ReceiverReport, SenderReport, SourceDescription, parse_compound
from sipagent.rtp.session import RtpSession

pytestmark = pytest.mark.corpora


def session() -> RtpSession:
    return RtpSession(ssrc=1, sequence=1, timestamp=1, cname="us", now=0.0)


# ---- single packets


def test_invalid_and_truncated_rtcp_is_dropped(corpora: Path) -> None:
    files = [path for path in (corpora / "rtp-rtcp").iterdir() if path.stem.endswith(("_invalid", "_truncated"))]
    assert len(files) == 5
    for path in files:
        assert parse_compound(path.read_bytes()) is None, path.name


def test_valid_rtcp_is_taken(corpora: Path) -> None:
    for name in ("bye_no_sources", "psfb_pli", "rtpfb", "sr"):
        assert parse_compound((corpora / "rtp-rtcp" / f"aiortp-rtcp_{name}.bin").read_bytes()) is not None, name


def test_csrc_extension_and_padding_are_no_payload(corpora: Path) -> None:
    folder = corpora / "rtp-rtcp"
    with_csrc = parse((folder / "aiortp-rtp_with_csrc.bin").read_bytes())
    only_padding = parse((folder / "aiortp-rtp_only_padding_with_header_extensions.bin").read_bytes())
    assert with_csrc is not None
    assert only_padding is not None
    assert (len(with_csrc.payload), only_padding.payload) == (160, b"")


def test_no_packet_of_the_corpus_breaks_a_session(corpora: Path) -> None:
    us = session()
    files = sorted((corpora / "rtp-rtcp").iterdir())
    assert len(files) == 25
    for path in files:
        datagram = path.read_bytes()
        packets = us.receive_rtcp(datagram, 0.0) if is_rtcp(datagram) else us.receive(datagram, 0.0, range(128))
        assert packets is not None or us.statistics().malformed + us.statistics().unexpected > 0


# ---- captures


def streams(corpora: Path) -> dict[str, dict[str, int]]:
    """What was measured on each capture that is one stream of G.711 both ways of counting agree on."""
    rows = map(json.loads, (corpora / "manifest.jsonl").read_text("utf-8").splitlines())
    return {
        row["path"]: row["meta"]["rtp_streams"][0]
        for row in rows
        if row["path"].startswith("pcap-rtp/")
        and [stream["codec"] for stream in row["meta"]["rtp_streams"]] in (["g711A"], ["g711U"])
    }


def test_each_capture_of_a_digit_is_one_press(corpora: Path) -> None:
    pressed = {}
    for path in sorted((corpora / "pcap-rtp").glob("*dtmf_2833_*.pcap")):
        us, receiver = session(), DigitReceiver()
        for datagram in pcap.read(path):
            packet = us.receive(datagram.data, datagram.time / 1e9, {101})
            if packet is not None:
                receiver.receive(packet, datagram.time / 1e9)
        pressed[path.stem.rpartition("_")[2]] = [press.digit for press in receiver.take()]
    assert pressed == {"2": ["2"], "3": ["3"], "4": ["4"], "6": ["6"], "7": ["7"], "9": ["9"], "star": ["*"]}


def test_captures_of_one_stream_are_counted_as_measured(corpora: Path) -> None:
    measured = streams(corpora)
    assert len(measured) == 4
    for path, stream in measured.items():
        us = session()
        for datagram in pcap.read(corpora / path):
            us.receive(datagram.data, datagram.time / 1e9, {0, 8})
        statistics = us.statistics()
        assert (statistics.packets_received, statistics.lost) == (stream["pkts"], stream["lost"]), path


def test_captures_play_without_a_gap(corpora: Path) -> None:
    for path in streams(corpora):
        us, buffer = session(), JitterBuffer()
        datagrams = [(datagram.time / 1e9, datagram.data) for datagram in pcap.read(corpora / path)]
        begin, end = datagrams[0][0], datagrams[-1][0]
        played = []
        for tick in range(int((end - begin) / 0.02)):
            now = begin + tick * 0.02
            while datagrams[0][0] <= now:
                arrival, data = datagrams.pop(0)
                packet = us.receive(data, arrival, {0, 8})
                if packet is not None:
                    buffer.add(packet.sequence, packet.timestamp, packet.payload, arrival, packet.marker)
            played.append(buffer.pop(now))
        first = next(index for index, frame in enumerate(played) if isinstance(frame, Frame))
        concealed = sum(isinstance(frame, Lost) for frame in played[first:])
        assert first <= 2, path
        assert concealed <= len(played) // 500, path


def test_a_foreign_stream_has_no_effect_on_the_call(corpora: Path) -> None:
    folder = corpora / "pcap-rtp"
    call = [d.data for d in pcap.read(folder / "asterisk-pjsip-non_negotiated_frame_SSRC_change-g711a.pcap")]
    foreign = [d.data for d in pcap.read(folder / "asterisk-pjsip-non_negotiated_frame_SSRC_change-ssrc2.pcap")]
    us = session()
    taken = [us.receive(data, 0.0, {8, 101}) for data in [*call[:100], *foreign, *call[100:]]]
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
