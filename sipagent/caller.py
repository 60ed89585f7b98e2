"""A caller without a person: plays files when the other side has fallen silent, presses keys, records, hangs up."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sipagent.audio.encoding import UNITS, duration
from sipagent.call import Call


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPlan:
    """What to do on a call that we placed.

    `lines` are WAV files, played one after the other, each when the far end has spoken and then been silent for
    `quiet` seconds. `digits` are pressed before them. The call ends `duration` seconds after its answer at the latest.
    """

    lines: Sequence[Path] = ()
    digits: str = ""
    echo: bool = False
    duration: float = 30.0
    quiet: float = 1.0
    patience: float = 8.0
    """Seconds to wait for the far end to say something at all, before a line is played into the silence."""


class Silence:
    """Hears a call, and tells how long the far end has said nothing."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()
        self._heard = 0.0
        self._quiet_since = 0.0
        self._spoken = False

    def hear(self, audio: bytes, encoding: str, *, voiced: bool) -> None:
        """Take a block of audio; time is counted in samples, so that a late block does not count as silence."""
        self._heard += duration(audio, encoding) / UNITS
        if voiced:
            self._spoken = True
            self._quiet_since = self._heard
        self._changed.set()

    async def after_speech(self, quiet: float, patience: float) -> None:
        """Return when the far end has spoken and then been silent for `quiet` seconds, or silent for `patience`."""
        self._spoken = False
        begun = self._heard
        while True:
            if self._spoken and self._heard - self._quiet_since >= quiet:
                return
            if not self._spoken and self._heard - begun >= patience:
                return
            self._changed.clear()
            await self._changed.wait()


async def converse(call: Call, plan: CallPlan) -> None:
    """Carry out `plan` until it is done, the far end hangs up, or its time is over; then hang up.

    Raises WavError or OSError for a line that cannot be played.
    """
    script = asyncio.ensure_future(_follow(call, plan))
    over = asyncio.ensure_future(call.disconnected())
    try:
        await asyncio.wait({script, over}, timeout=plan.duration, return_when=asyncio.FIRST_COMPLETED)
        if script.done():
            script.result()
    finally:
        script.cancel()
        over.cancel()
        call.hang_up()


async def _follow(call: Call, plan: CallPlan) -> None:
    if plan.echo:
        call.send_media_to(call)
    call.send_digits(plan.digits)
    silence = Silence()
    call.send_media_to(silence)
    for line in plan.lines:
        await silence.after_speech(plan.quiet, plan.patience)
        await call.play(line)
    if plan.lines:
        await silence.after_speech(plan.quiet, plan.patience)
    else:
        await call.disconnected()
