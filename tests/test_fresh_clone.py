"""What a stranger does first: clone, `make demo ARGS=--once`, no keys, and three minutes."""

import json
import os
import subprocess
import time
import wave
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.interop
def test_a_fresh_clone_makes_a_call_that_was_heard_on_both_sides(tmp_path: Path) -> None:
    """Needs a package index, so it runs only in CI."""
    clone, out = tmp_path / "sipagent", tmp_path / "out"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    foreign = ("OPENAI_", "CARTESIA_", "SIPAGENT_", "VIRTUAL_ENV", "PYTHON")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    begun = time.monotonic()
    demo = subprocess.run(
        ["make", "--silent", "demo", f"ARGS=--once --out {out}"],
        cwd=clone,
        env=environment,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    print(f"{time.monotonic() - begun:.0f} s\n{demo.stdout}\n{demo.stderr}")
    assert demo.returncode == 0
    (recording,) = out.glob("*.wav")
    assert min(_voiced_seconds(recording)) > 1.0, "one side is silent"
    turns = json.loads(recording.with_suffix(".json").read_text())["turns"]
    assert "what are your opening hours" in [turn["text"] for turn in turns if turn["who"] == "caller"]
    assert any("nine in the morning" in turn["heard"] for turn in turns if turn["who"] == "agent")


def _voiced_seconds(recording: Path) -> tuple[float, float]:
    """How long each side is louder than -45 dBFS."""
    with wave.open(str(recording)) as file:
        assert file.getnchannels() == 2
        frames = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2) / 32768
        block = file.getframerate() // 50
    blocks = frames[: len(frames) // block * block].reshape(-1, block, 2)
    voiced = np.sum(np.mean(blocks**2, axis=1) > 10**-4.5, axis=0) / 50
    return float(voiced[0]), float(voiced[1])
