"""Run a captured call again, and compare what leaves with its golden file."""

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path

from sipagent.agent.agent import Agent
from sipagent.capture import golden, journal
from sipagent.capture.bundle import Bundle, Capture
from sipagent.capture.configuration import reached_at, restored
from sipagent.capture.golden import Comparison
from sipagent.capture.journal import Record
from sipagent.capture.replay.departures import Departures
from sipagent.capture.replay.stage import Stage
from sipagent.clips import of_note
from sipagent.errors import CaptureError
from sipagent.media import Tape
from sipagent.performance import Scenario
from sipagent.phone import Softphone
from sipagent.testing.clock import VirtualLoop, run

LONGEST_CALL = 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What a run of a captured call gave: all that left and, if it was recorded, both sides' audio."""

    bundle: Bundle
    header: Record
    departures: tuple[Record, ...]
    tapes: tuple[Tape, ...]
    complaint: str
    """The first media tick that found less to do than it did then: a hint at where a difference began."""

    def compare(self) -> Comparison:
        """Compare with the golden file. Raises CaptureError when that is missing or damaged."""
        comparison = golden.compare(journal.read(self.bundle.golden), self.departures)
        if self.complaint and not comparison.equal:
            return replace(comparison, differences={**comparison.differences, "media": self.complaint})
        return comparison

    def rewrite(self) -> None:
        """Make what left in this run the golden file: `replay --update`."""
        lines = (record.line() for record in (self.header, *self.departures))
        self.bundle.golden.write_text("".join(lines), "utf-8", "backslashreplace")


def replay(path: Path, agent: Agent | Scenario | None = None, *, record: bool = False) -> Replay:
    """Run the call of a bundle again, without threads, sockets or waiting; `agent` takes it, or that of its sip.conf.

    `path` names the bundle or one of its files; `record` fills the result's `tapes`. Raises CaptureError when
    something of the bundle is missing or damaged.
    """
    bundle = Bundle.at(path)
    capture = Capture.load(bundle)
    if agent is None and capture.in_code:
        raise CaptureError(
            f"{bundle.base}: an agent made in code took this call, and not that of sip.conf; "
            "give it to sipagent.testing.replay(path, agent=…) in a test"
        )
    departures, stage = run(_perform(capture, agent, record), start=capture.header.time, limit=LONGEST_CALL)
    return Replay(
        bundle=bundle,
        header=capture.header,
        departures=departures,
        tapes=tuple(stage.tapes),
        complaint=stage.complaint,
    )


async def _perform(capture: Capture, agent: Agent | Scenario | None, record: bool) -> tuple[tuple[Record, ...], Stage]:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    stage, kept = Stage(capture, record=record), Departures()
    configuration = restored(capture.header.data["configuration"], capture.account)
    if capture.media_host:
        configuration = reached_at(configuration, capture.media_host)
    loop.play(stage.script())
    async with Softphone(configuration=configuration, world=stage.world, tap=lambda call_id: kept) as phone:
        if capture.clips:
            phone.clips = of_note(capture.clips)
        phone.answer_with(agent)
        stage.stop = phone.end_calls
        await stage.over.wait()
        return tuple(kept.records), stage  # a call that its journal does not end is ended without comparison
