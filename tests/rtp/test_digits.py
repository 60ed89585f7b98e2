"""Telephone events: every press exactly once, whatever the network did to its packets (RFC 4733)."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipagent.rtp.digits import KEYS, SILENCE, DigitReceiver, DigitSender, KeyPress
from sipagent.rtp.packet import RtpPacket, parse
from sipagent.rtp.session import RtpSession


def update(event: int, duration: int, *, end: bool = False, timestamp: int = 0, ssrc: int = 7) -> RtpPacket:
    payload = struct.pack("!BBH", event, 0x80 | 10 if end else 10, duration)
    return RtpPacket(101, False, 0, timestamp, ssrc, payload)


def press(event: int, timestamp: int = 0, updates: int = 5) -> list[RtpPacket]:
    """A press as it is sent: growing, and three times ended."""
    growing = [update(event, (n + 1) * 160, timestamp=timestamp) for n in range(updates)]
    return [*growing, *[update(event, updates * 160, end=True, timestamp=timestamp)] * 3]


def heard(packets: list[RtpPacket], *, every: float = 0.02, clock_rate: int = 8000) -> list[tuple[str, int]]:
    """The digits heard of these packets, and of the silence after them, with their milliseconds."""
    receiver = DigitReceiver()
    for index, packet in enumerate(packets):
        receiver.receive(packet, index * every, clock_rate)
    receiver.handle_timer(len(packets) * every + SILENCE)
    return [(key.digit, key.duration_ms) for key in receiver.take()]


def test_every_key_has_its_code() -> None:
    packets = [packet for event in range(16) for packet in press(event, timestamp=event * 2000)]
    assert "".join(digit for digit, _ in heard(packets)) == "0123456789*#ABCD"


def test_a_press_is_heard_at_its_first_end_packet_and_once() -> None:
    receiver = DigitReceiver()
    *growing, end, again, once_more = press(1)
    for packet in growing:
        receiver.receive(packet, 0.0)
    assert receiver.take() == []
    receiver.receive(end, 0.1)
    assert receiver.take() == [KeyPress(digit="1", duration_ms=100)]
    receiver.receive(again, 0.12)
    receiver.receive(once_more, 0.14)
    assert receiver.take() == []


def test_a_press_without_its_beginning() -> None:
    assert heard(press(5)[4:]) == [("5", 100)]


def test_a_press_of_which_only_the_last_packet_came() -> None:
    assert heard(press(5)[-1:]) == [("5", 100)]


def test_a_press_without_its_end_is_over_after_a_while() -> None:
    receiver = DigitReceiver()
    for index, packet in enumerate(press(5)[:5]):
        receiver.receive(packet, index * 0.02)
    assert receiver.next_timer() == pytest.approx(0.08 + SILENCE)
    receiver.handle_timer(0.17)
    assert receiver.take() == []
    receiver.handle_timer(0.19)
    assert receiver.take() == [KeyPress(digit="5", duration_ms=100)]
    assert receiver.next_timer() is None


def test_a_press_without_its_end_is_over_when_the_next_begins() -> None:
    assert heard([*press(5)[:5], *press(6, timestamp=1600)]) == [("5", 100), ("6", 100)]


def test_packets_that_come_after_all_do_not_press_again() -> None:
    packets = press(5)
    receiver = DigitReceiver()
    for packet in packets[:3]:
        receiver.receive(packet, 0.0)
    receiver.handle_timer(SILENCE)
    for packet in packets[3:]:
        receiver.receive(packet, 0.2)
    assert [key.digit for key in receiver.take()] == ["5"]


def test_the_same_key_twice_is_two_presses() -> None:
    assert heard([*press(1), *press(1, timestamp=1600)]) == [("1", 100), ("1", 100)]


def test_the_same_timestamp_of_another_source_is_another_press() -> None:
    other = [packet._replace(ssrc=8) for packet in press(1)]
    assert len(heard([*press(1), *other])) == 2


def test_a_key_held_for_long_is_one_press() -> None:
    first = [update(1, duration) for duration in (*range(160, 65440, 160), 65535)]
    second = [update(1, duration, timestamp=65535) for duration in range(160, 1600, 160)]
    last = [update(1, 1600, end=True, timestamp=65535)] * 3
    assert heard([*first, *second, *last]) == [("1", (65535 + 1600) // 8)]


def test_a_late_packet_of_an_earlier_press_is_passed_over() -> None:
    first, second = press(1), press(2, timestamp=1600)
    assert [digit for digit, _ in heard([*first[:-1], *second[:2], first[-1], *second[2:]])] == ["1", "2"]


def test_flash_and_tones_are_no_digits() -> None:
    receiver = DigitReceiver()
    for event in (16, 32, 255):
        receiver.receive(update(event, 800, end=True), 0.0)
    assert (receiver.take(), receiver.others) == ([], 3)


@pytest.mark.parametrize("payload", [b"", b"\x01", b"\x01\x0a\x00"])
def test_a_short_payload_is_counted(payload: bytes) -> None:
    receiver = DigitReceiver()
    receiver.receive(RtpPacket(101, True, 1, 0, 7, payload), 0.0)
    assert (receiver.take(), receiver.malformed) == ([], 1)


def test_redundant_bytes_after_the_event_are_not_in_the_way() -> None:
    packet = update(1, 800, end=True)
    assert heard([packet._replace(payload=packet.payload + b"\x00\x01\x02")]) == [("1", 100)]


@given(st.lists(st.booleans(), min_size=24, max_size=24))
def test_any_loss_of_packets_doubles_nothing_and_keeps_the_order(kept: list[bool]) -> None:
    packets = [*press(1), *press(2, timestamp=1600), *press(3, timestamp=3200)]
    arriving = [packet for packet, keep in zip(packets, kept, strict=True) if keep]
    pressed = [key for key in (1, 2, 3) if any(packet.payload[0] == key for packet in arriving)]
    assert [digit for digit, _ in heard(arriving, every=0.01)] == [KEYS[key] for key in pressed]


# ---- sending


def keyed(sender: DigitSender, session: RtpSession, samples: int = 160) -> list[RtpPacket]:
    packets = []
    while (datagram := sender.send(session, samples)) is not None:
        packet = parse(datagram)
        assert packet is not None
        packets.append(packet)
    return packets


def session() -> RtpSession:
    return RtpSession(ssrc=7, sequence=100, timestamp=4000, cname="us", now=0.0)


def test_a_press_packet_by_packet() -> None:
    packets = keyed(DigitSender("#", duration_ms=60, payload_type=96), session())
    assert [(p.sequence, p.timestamp, p.marker, p.payload.hex()) for p in packets] == [
        (100, 4000, True, "0b0a00a0"),
        (101, 4000, False, "0b0a0140"),
        (102, 4000, False, "0b8a01e0"),
        (103, 4000, False, "0b8a01e0"),
        (104, 4000, False, "0b8a01e0"),
    ]
    assert {packet.payload_type for packet in packets} == {96}


def test_a_duration_between_two_packets_is_kept() -> None:
    durations = [packet.payload[2:].hex() for packet in keyed(DigitSender("1", duration_ms=50), session())]
    assert durations == ["00a0", "0140", "0190", "0190", "0190"]


def test_the_audio_goes_on_in_time_after_a_press() -> None:
    us = session()
    packets = keyed(DigitSender("1", duration_ms=60), us)
    after = parse(us.send(b"\xff" * 160, 0, 160))
    assert after is not None
    assert after.timestamp == 4000 + len(packets) * 160


@given(st.sampled_from(KEYS + "abcd"), st.integers(40, 8000), st.sampled_from([8000, 48000]))
def test_what_is_sent_is_heard(digit: str, duration_ms: int, clock_rate: int) -> None:
    packets = keyed(DigitSender(digit, duration_ms=duration_ms, clock_rate=clock_rate), session(), clock_rate // 50)
    assert heard(packets, clock_rate=clock_rate) == [(digit.upper(), duration_ms)]


def test_beside_opus_a_long_press_goes_on_in_another_segment() -> None:
    packets = keyed(DigitSender("5", duration_ms=2000, clock_rate=48000), session(), 960)
    assert [packet.marker for packet in packets] == [True] + [False] * 101
    first, second = (packets[at] for at in (67, 68))
    assert (first.timestamp, first.payload.hex()) == (4000, "050aff00")
    assert (second.timestamp, second.payload.hex()) == (4000 + 0xFF00, "050a03c0")
    assert packets[-1].payload.hex() == "058a7800"


@pytest.mark.parametrize("digit", ["", "E", "12", "!"])
def test_what_is_no_key_cannot_be_sent(digit: str) -> None:
    with pytest.raises(ValueError, match="no key"):
        DigitSender(digit)


@pytest.mark.parametrize("duration_ms", [0, 39, 8001])
def test_a_press_has_a_length(duration_ms: int) -> None:
    with pytest.raises(ValueError, match="40 to 8000"):
        DigitSender("1", duration_ms=duration_ms)
