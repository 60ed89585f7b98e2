"""A process that is killed in the middle of a call leaves recordings that play, up to the last second."""

import random
import subprocess
import sys
from pathlib import Path

import av
import pytest

from tests.media.desk import TICK

ROOT = Path(__file__).parents[2]
LAST = 1.0
"""Seconds that may be missing."""


def seconds(path: Path) -> float:
    """Play a recording to its end, with a player that knows nothing of us."""
    with av.open(str(path)) as file:
        return sum(frame.samples / frame.sample_rate for frame in file.decode(audio=0))


def test_both_formats_hold_all_but_the_last_second_whenever_we_are_killed(tmp_path: Path) -> None:
    moments = random.Random(20261120).sample(range(20, 180), 3)
    calls = []
    for moment in moments:
        files = [tmp_path / f"{moment}.wav", tmp_path / f"{moment}.ogg"]
        command = [sys.executable, "-m", "tests.recorder.recorded_call", *map(str, files)]
        calls.append((moment, files, subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)))
    for moment, _, process in sorted(calls, key=lambda call: call[0]):
        assert process.stdout is not None
        with process:
            while int(process.stdout.readline()) < moment:
                pass
            process.kill()
            *_, last = f"{moment}\n{process.stdout.read()}".split()
        for file in (tmp_path / f"{moment}.wav", tmp_path / f"{moment}.ogg"):
            assert int(last) * TICK - LAST <= seconds(file) <= int(last) * TICK + TICK, file.name


@pytest.mark.parametrize("name", ["call.wav", "call.ogg"])
def test_a_call_killed_before_its_first_word_leaves_a_file_that_can_be_opened(tmp_path: Path, name: str) -> None:
    program = f"""
import os, pathlib, signal
from sipagent.recorder import Recorder
recorder = Recorder(pathlib.Path({name!r}))
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, check=False)
    with av.open(str(tmp_path / name)) as file:
        assert file.streams.audio[0].channels == 2
