"""The RTP of one call as its Line sees it: a media leg, what SDP says of it, and a recorder beside it."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path

from sipagent.agent.interfaces import Listener
from sipagent.audio import wav
from sipagent.audio.encoding import Transcoder, encode, rate
from sipagent.errors import LocalProtocolError
from sipagent.media import Leg, LegClosed, MediaEvent, SrtpKeys, StreamSettings, Tape
from sipagent.recorder import MakeRecorder, Recorder
from sipagent.sdp.crypto import MediaKeys
from sipagent.sdp.offer_answer import Negotiated


class LegMedia:
    """Joins a leg, the SDP that describes it, and a recorder. `leg` is set as soon as it is open."""

    leg: Leg

    def __init__(self, make_recorder: MakeRecorder) -> None:
        self.watch: Callable[[MediaEvent], None] = _nobody
        """Who is told what happens on the leg until its end, tape and what its `ear` hears excepted."""
        self._relayed = Transcoder()
        self._make_recorder = make_recorder
        self._recorder: Recorder | None = None
        self._negotiated: Negotiated | None = None
        self._suppresses_silence = False
        self._end: asyncio.Future[Future[None] | None] = asyncio.get_running_loop().create_future()

    def take(self, event: MediaEvent) -> None:
        """An event of the leg: tape is the recorder's, and the end of the leg its end."""
        if isinstance(event, Tape) and self._recorder is not None:
            self._recorder.write(event)
            return
        if isinstance(event, LegClosed):
            self._end.set_result(self._recorder.close() if self._recorder is not None else None)
        self.watch(event)
        if isinstance(event, LegClosed):
            self.watch = _nobody  # it knows us

    async def ended(self) -> None:
        """Wait until the leg is closed, and what was recorded is on disk."""
        if (written := await asyncio.shield(self._end)) is not None:
            await asyncio.get_running_loop().run_in_executor(None, written.result)

    @property
    def encoding(self) -> str:
        return self.leg.encoding

    def agree(self, negotiated: Negotiated) -> None:
        """Send to, and take from, what offer and answer settled."""
        self._negotiated = negotiated
        comfort_noise = negotiated.comfort_noise_payload_type if self._suppresses_silence else None
        self.leg.set_media(
            StreamSettings(
                remote_host=negotiated.remote_host,
                remote_port=negotiated.remote_port,
                remote_rtcp_host=negotiated.remote_rtcp_host,
                remote_rtcp_port=negotiated.remote_rtcp_port,
                rtcp_mux=negotiated.rtcp_mux,
                codec=negotiated.codec,
                codec_parameters=negotiated.codec_parameters,
                payload_type=negotiated.payload_type,
                receive_payload_types=negotiated.receive_payload_types,
                event_payload_type=negotiated.event_payload_type,
                event_clock=negotiated.event_clock,
                receive_event_payload_types=negotiated.receive_event_payload_types,
                comfort_noise_payload_type=comfort_noise,
                keys=_srtp_keys(negotiated.keys),
                sends=negotiated.direction.sends,
                receives=negotiated.direction.receives,
                held=negotiated.held,
            )
        )

    def suppress_silence(self) -> None:
        """Send comfort noise now and then while nothing is said, from now on, where the far end has agreed to it."""
        self._suppresses_silence = True
        if self._negotiated is not None:
            self.agree(self._negotiated)

    def speak(self, audio: bytes, *, marks: Sequence[tuple[int, str]] = (), listener: Listener | None = None) -> int:
        """Queue speech; returns the position of its first sample."""
        return self.leg.speak(audio, marks=marks, listener=listener)

    def relay(self, audio: bytes, encoding: str) -> None:
        """Queue what another call hears, which may be of another encoding than ours."""
        self.leg.speak(self._relayed.convert(audio, encoding, self.encoding))

    def echo(self, is_on: bool) -> None:
        """Send the far end what it says, in place of comfort noise, and tell nobody of it; or no longer."""
        self.leg.bridge(self.leg if is_on else None)

    def drop_speech(self) -> None:
        """Drop all speech not yet sent."""
        self.leg.drop_speech()

    @property
    def position(self) -> int:
        """The position that the next speech will have."""
        return self.leg.position

    def bridge(self, other: "LegMedia") -> None:
        """Let this far end and that of `other` hear each other, and nobody else."""
        self.leg.bridge(other.leg)
        other.leg.bridge(self.leg)

    def send_digit(self, digit: str, duration_ms: int = 160) -> None:
        """Press one key, after the speech queued so far."""
        self.leg.send_digit(digit, duration_ms)

    def load(self, path: Path) -> bytes:
        """Read a WAV file as audio of `encoding`. Raises WavError, or OSError."""
        return encode(wav.read(path.read_bytes()).mono(rate(self.encoding)), self.encoding)

    def record(self, path: Path, *, stereo: bool, hd_audio: bool) -> None:
        """Record from now on; a recording that runs already goes on, and this one is refused."""
        if self._recorder is not None:
            raise LocalProtocolError("this call is being recorded already, by sip.conf or an earlier record()")
        if self._end.done():
            raise LocalProtocolError("this call is over: there is nothing to record")
        self._recorder = self._make_recorder(path, stereo=stereo, hd_audio=hd_audio)
        self.leg.record()

    def mask_recording(self, masked: bool) -> None:
        """Record silence in place of both sides, or both sides again. Nothing is recorded: nothing is done."""
        if self._recorder is not None:
            self.leg.record(masked=masked)

    def close(self) -> None:
        """Stop sending and give the port back."""
        self.leg.close()


def _srtp_keys(keys: MediaKeys | None) -> SrtpKeys | None:
    """What SDP settled, for the media plane."""
    if keys is None:
        return None
    return SrtpKeys(suite=keys.suite, sending=keys.sending, receiving=keys.receiving, mki_length=keys.mki_length)


def _nobody(event: MediaEvent) -> None:
    """Who watches a leg that is not a call's yet, or no more."""
