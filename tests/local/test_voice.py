"""The synthetic voice: in a process of its own, and with the time of every word."""

import subprocess
import sys
from pathlib import Path

import numpy as np

from sipagent.audio import wav
from sipagent.local import clips
from sipagent.local.say import render
from sipagent.local.voice import Word, place_words


def test_a_text_is_spoken_at_telephone_rate() -> None:
    samples = render("What are your opening hours?")
    assert 0.9 < len(samples) / 8000 < 2.0
    assert np.abs(samples).max() > 8000


def test_it_is_a_command_too(tmp_path: Path) -> None:
    out = tmp_path / "hello.wav"
    subprocess.run([sys.executable, "-m", "sipagent.local.say", "Hello.", str(out), "--voice", "en-gb"], check=True)
    recording = wav.read(out.read_bytes())
    assert recording.rate == 8000
    assert recording.samples.shape[0] == 1


def test_the_library_stays_out_of_our_process() -> None:
    render("Hello.")
    assert "espeak" not in Path("/proc/self/maps").read_text("utf-8")


def test_a_word_takes_the_time_of_its_first_event_and_lasts_until_the_next() -> None:
    events = [(0, 0.0), (3, 0.2), (7, 0.5), (8, 0.9)]
    assert place_words("We are 24 - open", events, 2.0) == (
        Word(text="We", start=0.0, end=0.2),
        Word(text="are", start=0.2, end=0.5),
        Word(text="24", start=0.5, end=0.5),
        Word(text="-", start=0.5, end=0.5),
        Word(text="open", start=0.5, end=2.0),
    )


def test_every_clip_that_ships_is_short_telephone_audio() -> None:
    for name in (*clips.AGENT, *clips.CALLER):
        samples = clips.load(name)
        assert 0.2 < len(samples) / 8000 < 8
        assert np.abs(samples).max() > 8000
