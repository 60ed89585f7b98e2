"""G.722, Opus and G.711 on one leg after the other: the same voice, the same positions, no clock that jumps."""

from itertools import pairwise, permutations

import numpy as np
import pytest

from sipagent.audio.codec import Encoder, clock_rate, decoder
from sipagent.audio.comfort import noise
from sipagent.audio.encoding import FRAME, UNITS, Transcoder, convert, decode, duration, encode, rate, silence, width
from sipagent.audio.level import level
from sipagent.audio.tones import sine
from sipagent.media import DigitHeard, LegClosed, Tape, UplinkBlock
from tests.media.desk import PAYLOAD_TYPES, Desk, Ear, Peer, Sent, settings

WIDEBAND = ("g722", "opus")
CODECS = ("pcmu", "pcma", *WIDEBAND)
NUMBERS = {codec: number for number, codec in PAYLOAD_TYPES.items()}


def tone(encoding: str, units: int, frequency: float = 1000.0) -> bytes:
    return encode(sine(frequency, units * rate(encoding) // UNITS, rate=rate(encoding)), encoding)


class Telephone(Peer):
    """A peer that speaks a codec, 20 ms of a tone a packet, and can hear what it is sent."""

    def __init__(self, codec: str) -> None:
        super().__init__()
        self.change(codec)

    def change(self, codec: str) -> None:
        self._codec = codec
        self._encoder = Encoder(codec, {}) if codec in WIDEBAND else None
        self._narrow = Transcoder()
        self._said = 0

    def speak(self) -> bytes:
        """The next packet of the tone."""
        frame = tone("pcm", self._said + FRAME)[self._said * 6 :]
        self._said += FRAME
        payload = self._encoder.encode(frame) if self._encoder else self._narrow.convert(frame, "pcm", self._codec)
        return self.say(payload, payload_type=NUMBERS[self._codec], ticks=clock_rate(self._codec) // 50)


def talk(desk: Desk, peer: Telephone, ticks: int, *, leg: int = 1) -> list[Sent]:
    sent = []
    for _ in range(ticks):
        desk.arrive(peer.speak(), leg=leg)
        sent += desk.step()
    return sent


def played(sent: list[Sent], encoding: str = "pcm") -> bytes:
    """What a telephone plays of these packets."""
    decoders = {codec: decoder(codec, encoding) for codec in CODECS}
    return b"".join(decoders[PAYLOAD_TYPES[one.packet.payload_type]].decode(one.packet.payload) or b"" for one in sent)


def strongest(audio: bytes, encoding: str) -> float:
    """The strongest frequency in Hz."""
    samples = decode(audio, encoding)
    return float(np.argmax(np.abs(np.fft.rfft(samples * np.hanning(len(samples))))) * rate(encoding) / len(samples))


def last_second(audio: bytes, encoding: str) -> bytes:
    return audio[-UNITS * width(encoding) :]


# ---- one codec


@pytest.mark.parametrize("codec", CODECS)
def test_what_is_spoken_leaves_in_the_codec_and_by_its_clock(codec: str) -> None:
    desk = Desk()
    leg = desk.open(media=settings(codec))
    leg.speak(tone(leg.encoding, UNITS))
    sent = desk.step(50)
    assert {one.packet.payload_type for one in sent} == {NUMBERS[codec]}
    assert {b.packet.timestamp - a.packet.timestamp for a, b in pairwise(sent)} == {clock_rate(codec) // 50}
    heard = played(sent)
    assert duration(heard, "pcm") == UNITS
    assert strongest(heard, "pcm") == pytest.approx(1000, abs=2)
    assert level(heard, "pcm") == pytest.approx(-13, abs=1)


@pytest.mark.parametrize("codec", CODECS)
def test_what_comes_is_heard_in_the_encoding_of_the_leg(codec: str) -> None:
    desk = Desk()
    leg = desk.open(media=settings(codec))
    talk(desk, Telephone(codec), 60)
    assert {block.encoding for block in desk.happened(UplinkBlock)} == {leg.encoding}
    heard = last_second(desk.uplink(), leg.encoding)
    assert strongest(heard, leg.encoding) == pytest.approx(1000, abs=2)
    assert level(heard, leg.encoding) == pytest.approx(-13, abs=1)


@pytest.mark.parametrize("codec", WIDEBAND)
def test_what_was_sent_of_a_wideband_speech_is_known_to_the_eighth_of_a_millisecond(codec: str) -> None:
    desk, ear = Desk(), Ear()
    leg = desk.open(media=settings(codec))
    leg.speak(tone("pcm", 800), marks=((0, "begin"), (400, "middle"), (800, "end")), listener=ear)
    assert leg.position == 800
    desk.step(3)
    leg.drop_speech()
    desk.step()
    assert ear.passed == [("begin", 0), ("middle", 400)]
    assert ear.reports == [(480, 0)]


@pytest.mark.parametrize("codec", WIDEBAND)
def test_a_lost_packet_is_concealed_and_a_broken_one_too(codec: str) -> None:
    desk, peer = Desk(), Telephone(codec)
    leg = desk.open(media=settings(codec))
    talk(desk, peer, 20)
    peer.speak()
    desk.step()
    talk(desk, peer, 20)
    desk.arrive(peer.say(b"\xff\xff\xff", payload_type=NUMBERS["opus"], ticks=960 if codec == "opus" else 160))
    desk.step()
    talk(desk, peer, 20)
    leg.close()
    desk.step()
    heard = desk.uplink()[20 * FRAME * 6 :]
    frames = [heard[at : at + FRAME * 6] for at in range(0, len(heard), FRAME * 6)]
    assert all(level(frame, "pcm") > -20 for frame in frames)
    (closed,) = desk.happened(LegClosed)
    assert closed.statistics.frames_concealed == 2
    assert closed.statistics.rtp.jitter < 0.002, "the clock of the codec is known"


@pytest.mark.parametrize("milliseconds", [10, 20, 30, 40, 60])
def test_packets_of_any_duration_are_gapless(milliseconds: int) -> None:
    desk, peer = Desk(), Peer()
    desk.open(media=settings("g722"))
    encoder, said = Encoder("g722", {}), tone("pcm", 2 * UNITS)
    coded = b"".join(encoder.encode(said[at : at + 960]) for at in range(0, len(said), 960))
    packets = [coded[at : at + milliseconds * 8] for at in range(0, len(coded), milliseconds * 8)]
    for tick in range(95):
        while packets and peer.timestamp - 5000 <= tick * FRAME:
            desk.arrive(peer.say(packets.pop(0), payload_type=9))
        desk.step()
    heard = last_second(desk.uplink(), "pcm")
    frames = [heard[at : at + 960] for at in range(0, len(heard), 960)]
    assert all(level(frame, "pcm") == pytest.approx(-13, abs=1) for frame in frames)
    assert strongest(heard, "pcm") == pytest.approx(1000, abs=2)


def test_a_wideband_leg_with_nothing_to_say_or_to_hear_is_quiet_and_not_dead() -> None:
    desk = Desk()
    desk.open(media=settings("g722"))
    sent = desk.step(50)
    assert desk.uplink() == b"".join(noise(tick, "pcm") for tick in range(1, 51))
    assert -70 < level(last_second(played(sent), "pcm"), "pcm") < -55


# ---- several codecs


@pytest.mark.parametrize(("ours", "theirs"), [("opus", "pcmu"), ("g722", "opus"), ("pcmu", "opus"), ("pcma", "g722")])
def test_the_peer_may_speak_another_codec_than_we_do(ours: str, theirs: str) -> None:
    desk = Desk()
    leg = desk.open(media=settings(ours))
    sent = talk(desk, Telephone(theirs), 60)
    assert {one.packet.payload_type for one in sent} == {NUMBERS[ours]}
    heard = last_second(desk.uplink(), leg.encoding)
    assert strongest(heard, leg.encoding) == pytest.approx(1000, abs=2)
    assert level(heard, leg.encoding) == pytest.approx(-13, abs=1)


@pytest.mark.parametrize(("before", "after"), list(permutations(CODECS, 2)))
def test_the_codec_changes_in_the_midst_of_speech(before: str, after: str) -> None:
    """Both ways, at once: the tone goes on, what waits is not lost, positions and marks are the same as without."""
    desk, peer, ear = Desk(), Telephone(before), Ear()
    leg = desk.open(media=settings(before))
    leg.speak(tone(leg.encoding, 2 * UNITS), marks=((2 * UNITS, "end"),), listener=ear)
    sent = talk(desk, peer, 40)
    leg.set_media(settings(after))
    peer.change(after)
    sent += talk(desk, peer, 60)

    assert ear.passed == [("end", 2 * UNITS)]
    assert leg.position == 2 * UNITS
    assert [PAYLOAD_TYPES[one.packet.payload_type] for one in sent] == [before] * 40 + [after] * 60
    assert [one.packet.sequence for one in sent] == list(range(1, 101))
    said = played(sent)[: 98 * FRAME * 6]
    frames = [said[at : at + 960] for at in range(960, len(said), 960)]
    assert [number for number, frame in enumerate(frames) if level(frame, "pcm") < -18] == []

    blocks = desk.happened(UplinkBlock)
    heard = b"".join(convert(block.audio, block.encoding, "pcm") for block in blocks)
    assert duration(heard, "pcm") >= 98 * FRAME, "the clock of the providers never stands still"
    gaps = [level(heard[at : at + 960], "pcm") < -30 for at in range(5 * 960, len(heard), 960)]
    assert sum(gaps) <= 5, "100 ms at most while a stream begins anew"
    assert not any(gaps[-40:])


def test_of_what_waits_nothing_is_lost_when_speech_of_two_encodings_does() -> None:
    desk, ear = Desk(), Ear()
    leg = desk.open(media=settings("pcmu"))
    leg.speak(tone("pcmu", 1000), marks=((1000, "narrow"),), listener=ear)
    leg.set_media(settings("opus"))
    leg.speak(tone("pcm", 1000), marks=((1000, "wide"),), listener=ear)
    desk.step(14)
    assert ear.passed == [("narrow", 1000), ("wide", 2000)]


@pytest.mark.parametrize(("one", "other"), [("opus", "pcmu"), ("pcma", "g722"), ("g722", "opus")])
def test_two_far_ends_of_different_codecs_hear_each_other(one: str, other: str) -> None:
    desk = Desk()
    legs = [desk.open(1, settings(one)), desk.open(2, settings(other))]
    legs[0].bridge(legs[1])
    legs[1].bridge(legs[0])
    sent = talk(desk, Telephone(one), 100, leg=1)
    heard = played([packet for packet in sent if packet.packet.payload_type == NUMBERS[other]])
    assert strongest(last_second(heard, "pcm"), "pcm") == pytest.approx(1000, abs=2)
    assert level(last_second(heard, "pcm"), "pcm") == pytest.approx(-13, abs=1)


# ---- keys, and the tape


@pytest.mark.parametrize("clock", [8000, 48000])
def test_keys_beside_opus_are_counted_by_the_clock_that_was_agreed(clock: int) -> None:
    desk, peer = Desk(), Peer()
    leg = desk.open(media=settings("opus", event_clock=clock, receive_event_payload_types={101: clock}))
    leg.send_digit("5", duration_ms=100)
    press = [one.packet for one in desk.step(10) if one.packet.payload_type == 101]
    durations = [int.from_bytes(packet.payload[2:]) * 1000 // clock for packet in press]
    assert durations == [20, 40, 60, 80, 100, 100, 100]
    assert {packet.timestamp for packet in press} == {0}
    for number in range(1, 6):
        payload = bytes([7, 0x8A if number == 5 else 0x0A]) + (number * clock // 50).to_bytes(2)
        desk.arrive(peer.say(payload, payload_type=101, ticks=0))
        desk.step()
    assert [(key.digit, key.duration_ms) for key in desk.happened(DigitHeard)] == [("7", 100)]


@pytest.mark.parametrize("codec", CODECS)
def test_a_peer_without_telephone_events_hears_and_sends_keys_as_tones(codec: str) -> None:
    desk = Desk()
    agreed = settings(codec, event_payload_type=None, receive_event_payload_types={})
    leg, far = desk.open(1, agreed), desk.open(2, agreed)
    leg.send_digit("9", duration_ms=120)
    peer = Peer()
    for _ in range(30):
        ours = [one for one in desk.step() if one.destination][:1]
        for one in ours:
            desk.arrive(
                peer.say(one.packet.payload, payload_type=one.packet.payload_type, ticks=clock_rate(codec) // 50), leg=2
            )
    assert far.encoding == leg.encoding
    assert [key.digit for key in desk.happened(DigitHeard)] == ["9"]


def test_the_tape_of_a_wideband_call_is_as_long_as_the_call() -> None:
    desk, peer = Desk(), Telephone("opus")
    leg = desk.open(media=settings("opus"))
    leg.record()
    leg.speak(tone("pcm", UNITS))
    talk(desk, peer, 75)
    leg.close()
    desk.step()
    tapes = desk.happened(Tape)
    assert {tape.encoding for tape in tapes} == {"pcm"}
    received, sent = (b"".join(getattr(tape, side) for tape in tapes) for side in ("received", "sent"))
    assert len(received) == len(sent)
    assert duration(sent, "pcm") in (75 * FRAME, 76 * FRAME)
    assert sent[: 8000 * 6] == tone("pcm", UNITS)
    assert silence("pcm", FRAME) not in received
