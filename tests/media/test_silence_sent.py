"""Our own silence: a packet every 20 ms, or where both want it comfort noise once a second (RFC 3389)."""

from sipagent.media import Drained, SpeechCleared
from tests.media.desk import Desk, Sent, frame, settings

QUIET = settings(comfort_noise_payload_type=13)


def types(sent: list[Sent]) -> list[int]:
    return [each.packet.payload_type for each in sent]


def test_without_an_agreement_silence_is_a_packet_every_tick() -> None:
    desk = Desk()
    desk.open()
    assert types(desk.step(50)) == [0] * 50


def test_a_silence_is_told_at_once_and_every_second() -> None:
    desk = Desk()
    desk.open(media=QUIET)
    sent = desk.step(151)
    assert types(sent) == [13] * 4
    assert [each.tick - desk.first_tick for each in sent] == [0, 50, 100, 150]
    assert {each.packet.payload for each in sent} == {bytes([65])}
    assert [each.packet.sequence for each in sent] == [1, 2, 3, 4]
    assert [each.packet.timestamp for each in sent] == [0, 8000, 16_000, 24_000]


def test_speech_comes_at_once_and_marked_and_the_next_silence_is_told_when_it_begins() -> None:
    desk = Desk()
    leg = desk.open(media=QUIET)
    desk.step(30)
    leg.speak(frame(1) * 3)
    sent = desk.step(20)
    assert types(sent) == [0, 0, 0, 13]
    assert [each.packet.marker for each in sent] == [True, False, False, False]
    assert [each.packet.timestamp // 160 for each in sent] == [30, 31, 32, 33]
    assert len(desk.happened(Drained)) == 1


def test_keys_are_pressed_out_of_a_silence() -> None:
    desk = Desk()
    leg = desk.open(media=QUIET)
    desk.step(10)
    leg.send_digit("5")
    assert 101 in types(desk.step(30))
    assert types(desk.step(60)) == [13]


def test_late_ticks_make_a_silence_neither_louder_nor_longer() -> None:
    desk = Desk()
    desk.open(media=QUIET)
    desk.step(10)
    desk.step(1, missed=44)
    sent = desk.step(60)
    assert [each.packet.timestamp for each in sent] == [55 * 160 + 45 * 160]


def test_what_the_peer_confirms_in_a_silence_is_the_speech_before_it() -> None:
    desk = Desk()
    leg = desk.open(media=QUIET)
    leg.speak(frame(1) * 3)
    desk.step(10)
    leg.drop_speech()
    desk.step()
    assert desk.happened(SpeechCleared)[0].sent_until == 480


def test_opus_has_no_comfort_noise_of_this_kind() -> None:
    desk = Desk()
    desk.open(media=settings("opus", comfort_noise_payload_type=13))
    assert types(desk.step(5)) == [111] * 5
