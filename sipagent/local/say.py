"""Text to a WAV file in the synthetic voice: `python -m sipagent.local.say TEXT OUT.wav [--voice en-us+f3]`.

A process of its own, since espeak-ng is loaded only in processes that exist for it; `render` starts one.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from sipagent.audio import g711, wav
from sipagent.local.voice import DEFAULT_VOICE, Voice


def render(text: str, *, voice: str = DEFAULT_VOICE) -> g711.Samples:
    """Speak `text` in a child process; returns 8000 Hz mono. Raises CalledProcessError where espeak-ng is missing."""
    command = [sys.executable, "-m", "sipagent.local.say", text, "-", "--voice", voice]
    return wav.read(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout).mono()


def main() -> None:
    """Speak one text into a file, or to standard output for `-`."""
    options = argparse.ArgumentParser(description="Speak a text into a WAV file: 8000 Hz, mono, 16 bits.")
    options.add_argument("text")
    options.add_argument("out")
    options.add_argument("--voice", default=DEFAULT_VOICE, help="a voice of espeak-ng, such as en-gb+m3")
    chosen = options.parse_args()
    file = wav.write(Voice().speak(chosen.text, voice=chosen.voice).at(g711.RATE).samples)
    if chosen.out == "-":
        sys.stdout.buffer.write(file)
    else:
        Path(chosen.out).write_bytes(file)


if __name__ == "__main__":
    main()
