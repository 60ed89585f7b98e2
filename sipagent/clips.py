"""The sentences that are heard even when a provider is dead: shipped ones, or rendered beforehand in its voice."""

import asyncio
import logging
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import cache

from sipagent.agent.clips import Clips
from sipagent.agent.interfaces import Listener, Mouth, Source, SpeechState
from sipagent.audio import g711
from sipagent.errors import SipagentError
from sipagent.local.clips import AGENT, load

log = logging.getLogger("sipagent")

PATIENCE = 15.0
"""Seconds that a voice has to render all of them."""


@cache
def shipped() -> Clips:
    """Return the clips that come with the package, in a synthetic voice."""
    return Clips(**{name: g711.encode(load(name), g711.PCMU) for name in AGENT})


async def rendered(make_voice: Callable[[], Mouth]) -> Clips:
    """Let a voice say the sentences; where it cannot, the shipped ones stand in, with a line in the log."""
    try:
        async with asyncio.timeout(PATIENCE), make_voice() as voice:
            return Clips(**{name: await _render(voice, text) for name, text in AGENT.items()})
    except (SipagentError, TimeoutError) as error:
        log.warning("the apology is kept in a synthetic voice, as the agent's own could not say it: %s", error)
        return shipped()


def as_note(clips: Clips) -> Mapping[str, str]:
    """Return clips as JSON values, for a journal."""
    return {name: b64encode(audio).decode() for name, audio in asdict(clips).items()}


def of_note(data: Mapping[str, str]) -> Clips:
    """Return the clips that `as_note` was given."""
    return Clips(**{name: b64decode(audio) for name, audio in data.items()})


async def _render(voice: Mouth, text: str) -> bytes:
    tape = _Tape()
    voice.send_media_to(tape)
    speech = voice.say(text)
    await speech
    if speech.state is not SpeechState.FINISHED or not tape.audio:
        raise SipagentError(f"the voice did not say {text!r} to its end")
    return bytes(tape.audio)


class _Tape:
    """A speaker that keeps what is said, and has played it at once."""

    encoding = g711.PCMU

    def __init__(self) -> None:
        self.audio = bytearray()

    def connect_source(self, source: Source) -> None:
        """Every source is welcome."""

    def disconnect_source(self, source: Source) -> None:
        """None is kept."""

    def speak(self, audio: bytes, *, marks: Sequence[tuple[int, str]] = (), listener: Listener | None = None) -> int:
        """Keep the audio, and let its marks pass."""
        start = len(self.audio)
        self.audio += audio
        if listener is not None:
            for offset, name in marks:
                asyncio.get_running_loop().call_soon(listener.mark_passed, name, start + offset)
        return start

    def drop_speech(self) -> None:
        """What was kept is kept."""
