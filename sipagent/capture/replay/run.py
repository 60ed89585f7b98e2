"""Run a captured call again, and compare what leaves with its golden file."""

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path

from sipagent.capture import golden, journal
from sipagent.capture.bundle import Bundle, Capture, Departures
from sipagent.capture.golden import Comparison
from sipagent.capture.journal import Record
from sipagent.capture.replay.stage import Stage
from sipagent.config import Configuration
from sipagent.media import Tape
from sipagent.performance import Scenario
from sipagent.phone import Softphone
from sipagent.testing.clock import VirtualLoop, run

LONGEST_CALL = 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What a run of a captured call gave: all that left, both sides' audio, and whether it was as before."""

    departures: tuple[Record, ...]
    tapes: tuple[Tape, ...]
    comparison: Comparison


def replay(path: Path, scenario: Scenario, configuration: Configuration) -> Replay:
    """Run the call of a bundle again, with `scenario` answering it, without threads, sockets or waiting.

    `path` names the bundle or one of its files. Raises CaptureError when something of it is missing or damaged.
    """
    bundle = Bundle.at(path)
    capture = Capture.load(bundle)
    departures, stage = run(_perform(capture, scenario, configuration), start=capture.header.time, limit=LONGEST_CALL)
    comparison = golden.compare(journal.read(bundle.golden), departures)
    if stage.complaint:
        comparison = replace(comparison, differences={**comparison.differences, "media": stage.complaint})
    return Replay(departures=departures, tapes=tuple(stage.tapes), comparison=comparison)


def rewrite(path: Path, result: Replay) -> None:
    """Make what left in this run the golden file of the bundle."""
    bundle = Bundle.at(path)
    header = Capture.load(bundle).header
    bundle.golden.write_text("".join(record.line() for record in (header, *result.departures)), "utf-8")


async def _perform(
    capture: Capture, scenario: Scenario, configuration: Configuration
) -> tuple[tuple[Record, ...], Stage]:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    stage, kept = Stage(capture), Departures()
    loop.play(stage.script())
    async with Softphone(configuration=configuration, world=stage.world, tap=lambda call_id: kept) as phone:
        phone.answer_with(scenario)
        await stage.over.wait()
        return tuple(kept.records), stage  # a call that its journal does not end is ended without comparison
