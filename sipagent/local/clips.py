"""The short recordings that ship with us, in a synthetic voice: `python -m sipagent.local.clips` makes them anew.

The agent's are heard when its provider is dead, in place of the configured voice; the caller's are played by
`sipagent demo`. Made by espeak-ng: nobody's voice, nobody's recording.
"""

from importlib.resources import files
from pathlib import Path

from sipagent.audio import g711, wav
from sipagent.local.say import render
from sipagent.local.voice import DEFAULT_VOICE

CALLER_VOICE = "en-us+adam"
"""Not the agent's, so that both can be told apart in a recording; and one that the recogniser understands well."""

AGENT = {
    "apology": "I am sorry, something went wrong on our side. Please call again later. Goodbye.",
    "one_moment": "One moment, please.",
    "goodbye": "Goodbye.",
}
CALLER = {
    "caller_opening_hours": "What are your opening hours?",
    "caller_time": "What time is it?",
    "caller_goodbye": "Goodbye.",
    "caller_yes": "Yes.",
}


def load(name: str) -> g711.Samples:
    """Return a clip: 8000 Hz, mono."""
    return wav.read(files("sipagent.local").joinpath("clips", f"{name}.wav").read_bytes()).mono()


def main() -> None:
    """Write all clips into the package."""
    directory = Path(__file__).with_suffix("")
    directory.mkdir(exist_ok=True)
    for clips, voice in ((AGENT, DEFAULT_VOICE), (CALLER, CALLER_VOICE)):
        for name, text in clips.items():
            (directory / f"{name}.wav").write_bytes(wav.write(render(text, voice=voice)))


if __name__ == "__main__":
    main()
