"""The wire codecs: the ITU's vectors, the same voice at the other end, any duration, and whatever a peer may send."""

from pathlib import Path

import numpy as np
import pytest
from av import AudioFrame, CodecContext
from av.audio.codeccontext import AudioCodecContext
from hypothesis import given, settings
from hypothesis import strategies as st

from sipagent.audio.codec import Encoder, clock_rate, decoder, units
from sipagent.audio.encoding import ENCODINGS, FRAME, convert, decode, duration, encode, width
from sipagent.audio.level import level
from sipagent.audio.tones import sine
from sipagent.audio.wideband import G722, OPUS, Compressor, Expander
from sipagent.testing.voice import vowel

WIDEBAND = (G722, OPUS)
THREADS = Path("/proc/self/task")


def frames(audio: bytes, encoding: str = "pcm") -> list[bytes]:
    size = FRAME * width(encoding)
    return [audio[at : at + size] for at in range(0, len(audio) - size + 1, size)]


def payloads(codec: str, audio: bytes, **parameters: str) -> list[bytes]:
    encoder = Encoder(codec, parameters)
    return [encoder.encode(frame) for frame in frames(audio)]


def said(seconds: float = 1.0) -> bytes:
    return encode(vowel(110, round(24000 * seconds), glide=0.1, rate=24000), "pcm")


def foreign_opus(milliseconds: float, channels: str) -> list[bytes]:
    """A second of a tone as another telephone may send it: stereo, fullband, packets of any duration."""
    context = CodecContext.create("libopus", "w")
    assert isinstance(context, AudioCodecContext)
    context.sample_rate, context.layout, context.format, context.bit_rate = 48000, channels, "s16", 64000
    context.options = {"frame_duration": f"{milliseconds:g}"}
    context.open()
    size, width = round(48 * milliseconds), {"mono": 1, "stereo": 2}[channels]
    tone = np.repeat(sine(440, 48000, rate=48000), width)
    packets: list[bytes] = []
    for start in range(0, len(tone) - size * width + 1, size * width):
        frame = AudioFrame.from_ndarray(tone[start : start + size * width].reshape(1, -1), "s16", channels)
        frame.sample_rate = 48000
        packets += map(bytes, context.encode(frame))
    return packets


# ---- the same voice at the other end


@pytest.mark.parametrize(("codec", "least"), [(G722, 35.0), (OPUS, 8.0)])
def test_a_voice_comes_through(codec: str, least: float) -> None:
    """In dB; Opus keeps the sound of a voice, and not its wave."""
    audio, back = said(), decoder(codec, "pcm")
    heard = decode(b"".join(back.decode(payload) or b"" for payload in payloads(codec, audio)), "pcm")
    wave = decode(audio, "pcm").astype(np.float64)[2400:19200]
    behind = [heard[2400 + late : 19200 + late].astype(np.float64) - wave for late in range(240)]
    noise = min(float(np.square(difference).sum()) for difference in behind)
    assert 10 * np.log10(np.square(wave).sum() / noise) > least


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("codec", ["pcmu", "pcma", G722, OPUS])
def test_each_codec_is_heard_in_each_encoding(codec: str, encoding: str) -> None:
    tone = encode(sine(700, 24000, rate=24000), "pcm")
    sent = frames(convert(tone, "pcm", codec), codec) if codec in ENCODINGS else payloads(codec, tone)
    back = decoder(codec, encoding)
    heard = [back.decode(payload) for payload in sent]
    assert [audio and duration(audio, encoding) for audio in heard] == [FRAME] * 50
    assert level(heard[25] or b"", encoding) == pytest.approx(-13, abs=1)


@pytest.mark.parametrize("codec", WIDEBAND)
def test_every_20_ms_make_one_payload_that_says_its_duration(codec: str) -> None:
    assert {units(payload, codec) for payload in payloads(codec, said())} == {FRAME}


def test_the_clock_of_opus_is_six_times_that_of_the_others() -> None:
    assert [clock_rate(codec) for codec in ("pcmu", "pcma", G722, OPUS)] == [8000, 8000, 8000, 48000]


# ---- Opus, as the peer asks for it and as it may come


def test_opus_takes_some_24_kilobits_a_second() -> None:
    assert 30 < np.mean([len(payload) for payload in payloads(OPUS, said(2))]) < 75


def test_opus_keeps_to_a_lower_bit_rate_and_to_one_size_where_the_peer_asks() -> None:
    asked = {"maxaveragebitrate": "16000", "cbr": "1"}
    assert {len(payload) for payload in payloads(OPUS, said(), **asked)} == {40}


@pytest.mark.parametrize("bitrate", ["", "many", "-1", "0", "9" * 20, "9" * 5000])
def test_a_bit_rate_that_makes_no_sense_does_no_harm(bitrate: str) -> None:
    assert len(payloads(OPUS, said(0.2), maxaveragebitrate=bitrate)) == 10


def test_opus_repeats_speech_for_a_peer_that_can_use_it() -> None:
    plain, repeated = (sum(map(len, payloads(OPUS, said(), useinbandfec=asked))) for asked in ("0", "1"))
    assert repeated > plain


@pytest.mark.parametrize("channels", ["mono", "stereo"])
@pytest.mark.parametrize("milliseconds", [2.5, 5, 10, 20, 40, 60])
def test_opus_of_any_duration_and_of_two_channels_is_understood(milliseconds: float, channels: str) -> None:
    back, heard = decoder(OPUS, "pcm"), b""
    for payload in foreign_opus(milliseconds, channels):
        audio = back.decode(payload)
        assert audio is not None
        assert duration(audio, "pcm") == units(payload, OPUS) == milliseconds * 8
        heard += audio
    assert level(heard[len(heard) // 2 :], "pcm") == pytest.approx(-13, abs=1)


@pytest.mark.parametrize(
    ("payload", "lasts"),
    [
        (b"", 0),
        (b"\x00", 80),
        (b"\x08\xff", 160),
        (b"\x09\xff\xff", 320),
        (b"\x80", 20),
        (b"\x0b", 0),
        (b"\x0b\x02\xff\xff", 320),
        (b"\x0b\x3f", 0),
        (b"\x1b\x02", 960),
        (b"\x1b\x03", 0),
    ],
)
def test_how_long_an_opus_packet_lasts_is_in_its_first_bytes(payload: bytes, lasts: int) -> None:
    assert units(payload, OPUS) == lasts


# ---- whatever comes


@given(st.lists(st.binary(max_size=200), max_size=8), st.sampled_from(WIDEBAND), st.sampled_from(ENCODINGS))
@settings(deadline=None)
def test_a_payload_is_as_long_as_it_says_or_is_refused(sent: list[bytes], codec: str, encoding: str) -> None:
    back = decoder(codec, encoding)
    for payload in sent:
        audio = back.decode(payload)
        assert audio is None or len(audio) == units(payload, codec) * width(encoding)


@pytest.mark.parametrize("broken", [b"", b"\xff\xff\xff", b"\x0b\x00"])
def test_after_a_broken_payload_the_voice_goes_on(broken: bytes) -> None:
    back = decoder(OPUS, "pcm")
    *earlier, last = payloads(OPUS, said())
    for payload in earlier:
        back.decode(payload)
    assert back.decode(broken) is None
    assert level(back.decode(last) or b"", "pcm") > -30


def test_no_codec_and_no_resampler_starts_a_thread() -> None:
    before = len(list(THREADS.iterdir()))
    encoders = [Encoder(codec, {}) for codec in WIDEBAND]
    heard = [
        decoder(codec, "pcm").decode(encoder.encode(said(0.02)))
        for codec, encoder in zip(WIDEBAND, encoders, strict=True)
    ]
    assert None not in heard
    assert len(list(THREADS.iterdir())) == before


# ---- the ITU's own


@pytest.mark.corpora
def test_g722_is_the_itu_s_bit_by_bit(corpora: Path) -> None:
    """Speech of the Software Tool Library, at 64 kbit/s, which is all that RTP has (RFC 3551 section 4.5.2).

    The lower modes (outsp2, outsp3) never come. The sequences of Appendix II go into the coders of the two bands, past
    the filters; av has no door there.
    """
    folder = corpora / "codec-vectors" / "g722-stl"
    code = np.fromfile(folder / "codsp.cod", ">u2").astype("<u2").tobytes()
    speech = np.fromfile(folder / "inpsp.bin", "<i2").astype(np.int16)
    heard = np.fromfile(folder / "outsp1.bin", "<i2").astype(np.int16)

    compressor, expander = Compressor(G722, {}), Expander(G722)
    whole = len(speech) // 320 * 320
    made = b"".join(compressor.encode(speech[start : start + 320]) for start in range(0, whole, 320))
    assert made == code[: whole // 2]
    decoded = [expander.decode(code[start : start + 160]) for start in range(0, len(code), 160)]
    assert b"".join(samples.tobytes() for samples in decoded if samples is not None) == heard.tobytes()
