"""Capture files: what we write reads back and is right for others, and what others wrote can be read."""

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipagent.capture import pcap
from sipagent.capture.ip import ip_packet, udp_in_frame
from sipagent.capture.pcap import Datagram
from sipagent.errors import CaptureError
from sipagent.sip.flow import Address

ALICE, BOB = Address("192.0.2.1", 5060), Address("198.51.100.7", 40000)
PACKET = ip_packet(ALICE, BOB, b"hello")

ports = st.integers(0, 65535)
addresses = st.one_of(
    st.tuples(
        st.builds(Address, st.ip_addresses(v=4).map(str), ports),
        st.builds(Address, st.ip_addresses(v=4).map(str), ports),
    ),
    st.tuples(
        st.builds(Address, st.ip_addresses(v=6).map(str), ports),
        st.builds(Address, st.ip_addresses(v=6).map(str), ports),
    ),
)
datagrams = st.builds(
    lambda time, ends, data: Datagram(time=time, source=ends[0], destination=ends[1], data=data),
    st.integers(0, 2**32 * 1_000_000_000 - 1),
    addresses,
    st.binary(max_size=2000),
)


def written(path: Path, *content: bytes) -> Path:
    path.write_bytes(b"".join(content))
    return path


def words_sum(data: bytes) -> int:
    """The ones' complement sum of RFC 1071, word by word."""
    total = 0
    for (word,) in struct.iter_unpack("!H", data + b"\0" * (len(data) % 2)):
        total += word
        total = (total & 0xFFFF) + (total >> 16)
    return total


@given(st.lists(datagrams, max_size=5))
def test_what_is_written_reads_back(tmp_path_factory: pytest.TempPathFactory, sent: list[Datagram]) -> None:
    path = tmp_path_factory.mktemp("pcap") / "call.pcap"
    assert list(pcap.read(written(path, pcap.FILE_HEADER, *map(pcap.record, sent)))) == sent


@given(st.binary(max_size=100))
def test_both_checksums_sum_to_all_ones(payload: bytes) -> None:
    packet = ip_packet(ALICE, BOB, payload)
    assert words_sum(packet[:20]) == 0xFFFF
    pseudo_header = packet[12:20] + struct.pack("!HH", 17, len(packet) - 20)
    assert words_sum(pseudo_header + packet[20:]) == 0xFFFF
    assert packet[26:28] != b"\0\0"


def test_packets_are_what_wireshark_finds_without_fault() -> None:
    assert PACKET.hex() == "450000210000400040114e90c0000201c6336407" + "13c49c40000d1fc1" + b"hello".hex()
    six = ip_packet(Address("2001:db8::1", 5060), Address("2001:db8::7", 40000), b"hello")
    addresses = "20010db8000000000000000000000001" + "20010db8000000000000000000000007"
    assert six.hex() == "60000000000d1140" + addresses + "13c49c40000db083" + b"hello".hex()


@pytest.mark.parametrize(
    ("link_type", "header"),
    [
        pytest.param(0, b"\x02\0\0\0", id="BSD loopback"),
        pytest.param(1, b"\0" * 12 + b"\x08\x00", id="Ethernet"),
        pytest.param(1, b"\0" * 12 + b"\x81\x00\x00\x05\x08\x00", id="Ethernet with a VLAN tag"),
        pytest.param(1, b"\0" * 12 + b"\x88\xa8\x00\x05\x81\x00\x00\x06\x08\x00", id="Ethernet with two"),
        pytest.param(101, b"", id="raw IP"),
        pytest.param(108, b"\0\0\0\x02", id="OpenBSD loopback"),
        pytest.param(113, b"\0" * 14 + b"\x08\x00", id="Linux cooked"),
        pytest.param(228, b"", id="raw IPv4"),
        pytest.param(276, b"\x08\x00" + b"\0" * 18, id="Linux cooked, version 2"),
    ],
)
def test_a_datagram_is_found_under_every_link_layer(link_type: int, header: bytes) -> None:
    assert udp_in_frame(link_type, header + PACKET + b"padding") == (ALICE, BOB, b"hello")


@pytest.mark.parametrize(
    ("link_type", "frame"),
    [
        pytest.param(1, b"", id="an empty frame"),
        pytest.param(1, b"\0" * 12 + b"\x08\x06" + b"\0" * 28, id="ARP"),
        pytest.param(147, PACKET, id="an unknown link type"),
        pytest.param(101, PACKET[:9] + b"\x06" + PACKET[10:], id="TCP"),
        pytest.param(101, PACKET[:6] + b"\x20\x00" + PACKET[8:], id="a first fragment"),
        pytest.param(101, PACKET[:30], id="a truncated packet"),
        pytest.param(101, b"\x75" + PACKET[1:], id="IP version 7"),
    ],
)
def test_what_holds_no_whole_datagram_is_passed_over(link_type: int, frame: bytes) -> None:
    assert udp_in_frame(link_type, frame) is None


@given(st.sampled_from([0, 1, 101, 113, 276]), st.binary(max_size=80))
def test_no_frame_is_too_mangled_to_read(link_type: int, frame: bytes) -> None:
    found = udp_in_frame(link_type, frame)
    assert found is None or len(found[2]) < len(frame)


def test_ipv6_extension_headers_are_stepped_over() -> None:
    six, seven = Address("2001:db8::6", 1), Address("2001:db8::7", 2)
    packet = ip_packet(six, seven, b"hello")
    options = b"\x11\x00" + b"\0" * 6
    extended = packet[:4] + struct.pack("!H", len(packet) - 40 + 8) + b"\x00" + packet[7:40] + options + packet[40:]
    assert udp_in_frame(101, extended) == (six, seven, b"hello")


@pytest.mark.parametrize(
    ("magic", "order", "fraction"),
    [
        pytest.param(0xA1B2C3D4, "<", 250_000, id="microseconds, little-endian"),
        pytest.param(0xA1B2C3D4, ">", 250_000, id="microseconds, big-endian"),
        pytest.param(0xA1B23C4D, "<", 250_000_000, id="nanoseconds, little-endian"),
        pytest.param(0xA1B23C4D, ">", 250_000_000, id="nanoseconds, big-endian"),
    ],
)
def test_every_classic_form_gives_the_same_time(tmp_path: Path, magic: int, order: str, fraction: int) -> None:
    header = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, 101)
    entry = struct.pack(order + "IIII", 1_700_000_000, fraction, len(PACKET), len(PACKET)) + PACKET
    (found,) = pcap.read(written(tmp_path / "any.pcap", header, entry))
    assert found == Datagram(time=1_700_000_000_250_000_000, source=ALICE, destination=BOB, data=b"hello")


@pytest.mark.parametrize("order", ["<", ">"])
def test_pcapng_is_read_with_the_resolution_of_each_interface(tmp_path: Path, order: str) -> None:
    def block(kind: int, body: bytes) -> bytes:
        body += b"\0" * (-len(body) % 4)
        length = struct.pack(order + "I", 12 + len(body))
        return struct.pack(order + "I", kind) + length + body + length

    def packet(interface: int, ticks: int) -> bytes:
        return (
            struct.pack(order + "IIIII", interface, ticks >> 32, ticks & 0xFFFFFFFF, len(PACKET), len(PACKET)) + PACKET
        )

    section = block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))
    microseconds = block(1, struct.pack(order + "HHI", 101, 0, 0))
    nanoseconds = block(1, struct.pack(order + "HHI", 101, 0, 0) + struct.pack(order + "HHB3xHH", 9, 1, 9, 0, 0))
    packets = block(6, packet(0, 3_000_000)) + block(5, b"statistics") + block(6, packet(1, 4_000_000_000))
    simple = block(3, struct.pack(order + "I", len(PACKET)) + PACKET)
    path = written(tmp_path / "any.pcapng", section, microseconds, nanoseconds, packets, simple)
    assert [(found.time, found.data) for found in pcap.read(path)] == [
        (3_000_000_000, b"hello"),
        (4_000_000_000, b"hello"),
        (0, b"hello"),
    ]


def test_a_file_cut_off_in_a_record_ends_before_it(tmp_path: Path) -> None:
    entry = pcap.record(Datagram(time=0, source=ALICE, destination=BOB, data=b"hello"))
    assert len(list(pcap.read(written(tmp_path / "cut.pcap", pcap.FILE_HEADER, entry, entry[:-1])))) == 1


def test_another_format_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match=r"song\.wav: not a capture file"):
        list(pcap.read(written(tmp_path / "song.wav", b"RIFF....WAVE")))


WITHOUT_UDP = {
    "bruteshark-DTMFsipinfo.pcap",
    "ndpi-http_on_sip_port.pcap",
    "ndpi-stun_tcp_multiple_msgs_same_pkt.pcap",
    "suricata-sip-tcp-method.pcap",
    "suricata-sip-tcp-pattern-matching.pcap",
}


@pytest.mark.corpora
def test_every_capture_of_the_corpora_is_read(corpora: Path) -> None:
    counts = {path.name: sum(1 for _ in pcap.read(path)) for path in corpora.glob("pcap-*/*.pcap*")}
    assert counts
    assert {name for name, count in counts.items() if not count} == WITHOUT_UDP
