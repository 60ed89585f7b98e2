"""Keys, both ways: telephone events in the place of audio, or tones where the peer takes no events."""

from typing import Any

import numpy as np
import pytest

from sipagent.audio import g711
from sipagent.audio.tones import DTMF, dtmf
from sipagent.media import DigitHeard
from tests.media.desk import Desk, Peer, Sent, frame, settings


def events(sent: list[Sent]) -> list[Sent]:
    return [one for one in sent if one.packet.payload_type == 101]


def test_a_press_takes_the_place_of_the_audio() -> None:
    desk = Desk()
    leg = desk.open()
    desk.step(2)
    leg.send_digit("5", duration_ms=100)
    sent = desk.step(10)
    press = events(sent)
    assert [one.packet.payload[0] for one in press] == [5] * 7
    assert [one.packet.marker for one in press] == [True] + [False] * 6
    assert {one.packet.timestamp for one in press} == {320}
    assert [int.from_bytes(one.packet.payload[2:]) for one in press] == [160, 320, 480, 640, 800, 800, 800]
    assert [bool(one.packet.payload[1] & 0x80) for one in press] == [False] * 4 + [True] * 3
    assert [one.packet.sequence for one in sent] == list(range(3, 13))
    assert sent[7].packet.timestamp == 320 + 7 * 160, "the audio's clock ran on"


def test_a_press_waits_for_the_speech_before_it_and_speech_after_it_waits() -> None:
    desk = Desk()
    leg = desk.open()
    leg.speak(frame(0) * 2)
    leg.send_digit("1", duration_ms=40)
    leg.speak(frame(1))
    kinds = [one.packet.payload_type if one.packet.payload_type else one.packet.payload[0] for one in desk.step(8)]
    assert kinds[:7] == [frame(0)[0], frame(0)[0], 101, 101, 101, 101, frame(1)[0]]


def test_a_press_waits_for_no_speech_that_was_dropped() -> None:
    desk = Desk()
    leg = desk.open()
    leg.speak(frame(0) * 500)
    leg.send_digit("1")
    leg.drop_speech()
    assert len(events(desk.step(2))) == 2


def test_between_two_presses_there_is_a_pause() -> None:
    desk = Desk()
    leg = desk.open()
    leg.send_digit("1", duration_ms=40)
    leg.send_digit("1", duration_ms=40)
    first, second = (one.tick for one in events(desk.step(30)) if one.packet.marker)
    assert second - first == 4 + 5


def test_a_peer_without_telephone_events_gets_tones() -> None:
    desk = Desk()
    leg = desk.open(media=settings("pcma", event_payload_type=None))
    leg.send_digit("9", duration_ms=100)
    sent = desk.step(6)
    tone = g711.decode(b"".join(one.packet.payload for one in sent[:5]), "pcma")
    spectrum = np.abs(np.fft.rfft(tone, 8000))
    assert [int(np.argmax(spectrum[low:high])) + low for low, high in ((600, 1000), (1100, 1700))] == pytest.approx(
        DTMF["9"], abs=6
    )
    assert {one.packet.payload_type for one in sent} == {8}


@pytest.mark.parametrize(("digit", "duration"), [("x", 160), ("", 160), ("12", 160), ("1", 10), ("1", 60000)])
def test_what_is_no_press_is_refused_where_it_is_asked_for(digit: str, duration: int) -> None:
    leg = Desk().open()
    with pytest.raises(ValueError, match="key"):
        leg.send_digit(digit, duration_ms=duration)


def test_a_caller_presses_keys() -> None:
    desk, peer = Desk(), Peer()
    desk.open()
    for event in (5, 11):
        began = peer.timestamp
        for packet in range(8):
            end = packet >= 5
            payload = bytes([event, 0x8A if end else 0x0A]) + (min(packet + 1, 6) * 160).to_bytes(2)
            peer.timestamp = began
            desk.arrive(peer.say(payload, payload_type=101, marker=packet == 0))
            desk.step()
        peer.timestamp = began + 1600
    assert desk.happened(DigitHeard) == [
        DigitHeard(leg=1, digit="5", duration_ms=120),
        DigitHeard(leg=1, digit="#", duration_ms=120),
    ]
    assert len(desk.uplink()) == 16 * 160, "the provider's clock ran on"


def test_a_press_whose_end_is_lost_is_heard_all_the_same() -> None:
    desk, peer = Desk(), Peer()
    desk.open()
    desk.arrive(peer.say(bytes([3, 10, 0, 160]), payload_type=101))
    desk.step(20)
    assert [event.digit for event in desk.happened(DigitHeard)] == ["3"]


# ---- from a peer that agreed to no events

NO_EVENTS: dict[str, Any] = {"event_payload_type": None, "receive_event_payload_types": {}}


def tones_of(keys: str) -> bytes:
    """Two tenths of a second for each key, half of it silence."""
    parts = [part for digit in keys for part in (dtmf(digit, 800), np.zeros(800, np.int16))]
    return g711.encode(np.concatenate(parts), "pcmu")


def say_all(desk: Desk, peer: Peer, audio: bytes) -> None:
    for start in range(0, len(audio), 160):
        desk.arrive(peer.say(audio[start : start + 160]))
        desk.step()
    desk.step(10)


def test_keys_are_heard_in_the_audio() -> None:
    desk, peer = Desk(), Peer()
    desk.open(media=settings(**NO_EVENTS))
    say_all(desk, peer, tones_of("4711#"))
    assert "".join(event.digit for event in desk.happened(DigitHeard)) == "4711#"
    assert {event.method for event in desk.happened(DigitHeard)} == {"inband"}


def test_who_promised_events_is_not_listened_to_for_tones() -> None:
    desk, peer = Desk(), Peer()
    desk.open()
    say_all(desk, peer, tones_of("12"))
    assert desk.happened(DigitHeard) == []


def test_events_that_nobody_agreed_to_are_believed_beside_their_tones() -> None:
    """That both are one press is known where the ways come together: `sipagent.presses`."""
    desk, peer = Desk(), Peer()
    desk.open(media=settings(**NO_EVENTS))
    desk.arrive(peer.say(bytes([5, 0x8A, 3, 32]), payload_type=101))
    say_all(desk, peer, tones_of("56"))
    told = [(event.digit, event.method) for event in desk.happened(DigitHeard)]
    assert told == [("5", "rfc4733"), ("5", "inband"), ("6", "inband")]


@pytest.mark.parametrize("agreed", [{96: 8000}, {101: 8000}, {}])
def test_events_of_the_customary_number_are_believed_whatever_was_agreed(agreed: dict[int, int]) -> None:
    desk, peer = Desk(), Peer()
    desk.open(media=settings(receive_event_payload_types=agreed))
    desk.arrive(peer.say(bytes([5, 0x8A, 3, 32]), payload_type=101))
    for number in agreed:
        peer.skip(1600)
        desk.arrive(peer.say(bytes([6, 0x8A, 3, 32]), payload_type=number))
    desk.step(2)
    assert [event.digit for event in desk.happened(DigitHeard)] == ["5", *("6" for _ in agreed)]


def test_the_customary_number_of_events_may_be_that_of_a_codec() -> None:
    desk, peer = Desk(), Peer()
    desk.open(media=settings(receive_payload_types={101: "pcmu"}, receive_event_payload_types={96: 8000}))
    for _ in range(10):
        desk.arrive(peer.say(bytes([5, 0x8A, 3, 32]) * 40, payload_type=101))
        desk.step()
    assert desk.happened(DigitHeard) == []
    assert bytes([5, 0x8A, 3, 32]) * 40 in desk.uplink()


def test_on_hold_nobody_presses_a_key() -> None:
    desk, peer = Desk(), Peer()
    desk.open(media=settings(**NO_EVENTS, receives=False))
    say_all(desk, peer, tones_of("12"))
    assert desk.happened(DigitHeard) == []
