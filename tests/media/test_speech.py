"""What leaves: one packet every 20 ms, speech in its place, marks in their time, a clear within a tick."""

import pytest

from sipagent.audio import g711
from sipagent.audio.comfort import noise
from sipagent.audio.level import level
from sipagent.media import Drained, SpeechCleared
from tests.media.desk import PEER, Desk, Ear, frame, settings


def test_a_minute_of_speech_is_one_unbroken_stream() -> None:
    desk = Desk()
    speech = b"".join(frame(n) for n in range(3000))
    desk.open(sequence=65000, timestamp=2**32 - 1600).speak(speech)
    sent = desk.step(3000)
    assert b"".join(one.packet.payload for one in sent) == speech
    assert [one.tick for one in sent] == list(range(1, 3001))
    assert [one.packet.sequence for one in sent] == [(65000 + n) % 65536 for n in range(3000)]
    assert [one.packet.timestamp for one in sent] == [(2**32 - 1600 + 160 * n) % 2**32 for n in range(3000)]
    assert {one.packet.ssrc for one in sent} == {0x5EED}
    assert {one.destination for one in sent} == {PEER}


def test_nothing_leaves_before_the_media_is_settled() -> None:
    desk = Desk()
    leg = desk.open(settled=False)
    leg.speak(frame(1))
    assert desk.step(5) == []
    leg.set_media(settings())
    assert [one.packet.payload for one in desk.step()] == [frame(1)]


def test_silence_is_comfort_noise() -> None:
    desk = Desk()
    desk.open()
    for one in desk.step(50):
        assert one.packet.payload == noise(one.tick, "pcmu")
        assert -70 < level(one.packet.payload, "pcmu") < -60


def test_the_first_packet_is_marked_and_no_other() -> None:
    desk = Desk()
    desk.open().speak(frame(1) * 3)
    assert [one.packet.marker for one in desk.step(10)] == [True] + [False] * 9


def test_a_direction_that_forbids_sending_is_a_pause_in_which_the_clock_runs() -> None:
    desk = Desk()
    leg = desk.open()
    leg.speak(b"".join(frame(n) for n in range(5)))
    before = desk.step(2)[-1].packet
    leg.set_media(settings(sends=False))
    assert desk.step(100) == []
    leg.set_media(settings())
    after = desk.step(2)
    assert [one.packet.payload for one in after] == [frame(2), frame(3)]
    assert after[0].packet.sequence == before.sequence + 1
    assert after[0].packet.timestamp == before.timestamp + 101 * 160
    assert [one.packet.marker for one in after] == [True, False]


def test_marks_pass_with_the_packet_of_their_sample() -> None:
    desk, ear = Desk(), Ear()
    desk.open().speak(frame(0) * 3, marks=[(0, "hello"), (170, "world"), (480, "end")], listener=ear)
    heard = []
    for _ in range(4):
        desk.step()
        heard.append(list(ear.passed))
    assert heard == [
        [("hello", 0)],
        [("hello", 0), ("world", 170)],
        [("hello", 0), ("world", 170), ("end", 480)],
        [("hello", 0), ("world", 170), ("end", 480)],
    ]


def test_a_clear_works_within_a_tick_and_tells_what_the_caller_got() -> None:
    desk, ear = Desk(), Ear()
    leg = desk.open()
    assert leg.speak(b"".join(frame(n) for n in range(100)), marks=[(16000, "end")], listener=ear) == 0
    desk.step(30)
    leg.drop_speech()
    assert [one.packet.payload for one in desk.step()] == [noise(desk.tick, "pcmu")]
    assert ear.reports == [(30 * 160, 0)]
    assert ear.passed == []
    desk.step(200)
    assert ear.passed == []


def test_positions_go_on_after_a_clear() -> None:
    desk, first, second = Desk(), Ear(), Ear()
    leg = desk.open()
    leg.speak(frame(0) * 10, listener=first)
    desk.step(4)
    leg.drop_speech()
    assert leg.speak(frame(1) * 2, marks=[(0, "start")], listener=second) == 1600
    assert [one.packet.payload for one in desk.step(2)] == [frame(1)] * 2
    leg.drop_speech()
    desk.step()
    assert first.reports == [(640, 0)]
    assert second.passed == [("start", 1600)]


def test_everyone_with_speech_pending_hears_of_a_clear_once() -> None:
    desk, done, cut, waiting = Desk(), Ear(), Ear(), Ear()
    leg = desk.open()
    leg.speak(frame(0), marks=[(160, "end")], listener=done)
    leg.speak(frame(1) * 3, listener=cut)
    leg.speak(frame(2) * 3, listener=cut)
    leg.speak(frame(3), listener=waiting)
    desk.step(3)
    leg.drop_speech()
    desk.step()
    assert (done.passed, done.reports) == ([("end", 160)], [])
    assert cut.reports == waiting.reports == [(480, 0)]


def test_a_clear_after_a_clear_concerns_only_what_was_said_between() -> None:
    desk, first, second = Desk(), Ear(), Ear()
    leg = desk.open()
    leg.speak(frame(0), listener=first)
    leg.drop_speech()
    leg.speak(frame(1), listener=second)
    leg.drop_speech()
    desk.step()
    assert first.reports == [(0, 0)]
    assert second.reports == [(160, 0)]


def test_the_end_of_all_speech_is_told_once() -> None:
    desk = Desk()
    leg = desk.open()
    leg.speak(frame(0) + frame(1)[:50])
    leg.speak(b"", marks=[(0, "end")], listener=(ear := Ear()))
    desk.step(10)
    assert desk.happened(Drained) == [Drained(leg=1, speeches=2, position=210)]
    assert ear.passed == [("end", 210)]
    leg.drop_speech()
    desk.step()
    assert ear.reports == []


def test_a_mark_without_audio_survives_the_news_that_all_speech_has_left() -> None:
    desk, ear = Desk(), Ear()
    leg = desk.open()
    leg.speak(frame(0))
    desk.step()
    leg.speak(b"", marks=[(0, "silent")], listener=ear)
    desk.step()
    assert ear.passed == [("silent", 160)]


def test_only_the_last_frame_is_padded_and_with_comfort_noise() -> None:
    desk = Desk()
    leg = desk.open()
    leg.speak(b"\x11" * 100)
    leg.speak(b"\x22" * 100)
    sent = desk.step(2)
    assert sent[0].packet.payload == b"\x11" * 100 + b"\x22" * 60
    assert sent[1].packet.payload == b"\x22" * 40 + noise(2, "pcmu")[40:]


@pytest.mark.parametrize("waiting_in", ["playout", "queue"])
def test_a_new_codec_takes_the_waiting_speech_along(waiting_in: str) -> None:
    desk = Desk()
    leg = desk.open()
    leg.speak(frame(0) * 3)
    if waiting_in == "playout":
        desk.step()
    leg.set_media(settings("pcma"))
    leg.speak(b"\xaa" * 160)
    sent = desk.step(4 if waiting_in == "queue" else 3)
    assert leg.encoding == "pcma"
    assert {one.packet.payload_type for one in sent} == {8}
    assert sent[0].packet.payload == g711.transcode(frame(0), "pcmu", "pcma")
    assert sent[-1].packet.payload == b"\xaa" * 160


def test_speech_given_before_the_codec_is_known_is_put_into_it() -> None:
    desk = Desk()
    leg = desk.open(settled=False)
    leg.speak(frame(0))
    desk.step()
    leg.set_media(settings("pcma"))
    assert desk.step()[0].packet.payload == g711.transcode(frame(0), "pcmu", "pcma")


def test_the_end_of_a_call_tells_whoever_was_speaking() -> None:
    desk, ear = Desk(), Ear()
    leg = desk.open()
    leg.speak(frame(0) * 10, listener=ear)
    desk.step(3)
    leg.close()
    assert desk.step() == []
    assert ear.reports == [(480, 0)]
    leg.speak(frame(1))
    leg.drop_speech()
    leg.close()
    assert desk.step(3) == []
    assert len(desk.happened(SpeechCleared)) == 1
