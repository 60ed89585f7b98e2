"""`sipagent replay`: run a captured call again, and compare what leaves with its golden file."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click
import numpy as np

from sipagent.audio import wav
from sipagent.audio.encoding import PCM, UNITS, Transcoder, decode, rate
from sipagent.audio.g711 import Samples
from sipagent.capture.replay.run import replay as run_again
from sipagent.cli.options import FAILED, OK, Settings, common, output_file
from sipagent.cli.report import json_line
from sipagent.media import Tape


@click.command()
@click.argument("capture", type=click.Path(path_type=Path))
@click.option("--update", is_flag=True, help="Make what leaves now the golden file.")
@click.option(
    "--wav",
    "wav_file",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    callback=output_file,
    help="Write both sides' audio, stereo.",
)
@common
def replay(settings: Settings, capture: Path, update: bool, wav_file: Path | None) -> int:
    """Run a captured call again, and compare what leaves with its golden file.

    CAPTURE is one of its files: NAME.pcap, NAME.journal.jsonl or NAME.golden.jsonl.
    """
    result = run_again(capture, record=wav_file is not None)
    if wav_file is not None:
        wav_file.write_bytes(_stereo(result.tapes))
    if update:
        result.rewrite()
        click.echo(f"updated {result.bundle.golden}")
        return OK
    comparison = result.compare()
    if settings.json:
        call_id = str(result.header.data["call_id"])
        click.echo(json_line("Replay", time.time(), {"equal": comparison.equal, **asdict(comparison)}, call_id=call_id))
    else:
        click.echo(str(comparison))
    return OK if comparison.equal else FAILED


def _stereo(tapes: tuple[Tape, ...]) -> bytes:
    """Return a WAV file: the caller left, what was sent right; as wide as the widest of the call's codecs."""
    hertz = max((rate(tape.encoding) for tape in tapes), default=UNITS)
    heard = _joined([(tape.received, tape.encoding) for tape in tapes], hertz)
    said = _joined([(tape.sent, tape.encoding) for tape in tapes], hertz)
    return wav.write(np.stack([heard, said]), hertz)


def _joined(pieces: Sequence[tuple[bytes, str]], hertz: int) -> Samples:
    """Lay pieces of any encoding end to end, at one rate."""
    transcoder, joined = Transcoder(), [np.zeros(0, np.int16)]
    for audio, encoding in pieces:
        wide = hertz != rate(encoding)
        joined.append(decode(transcoder.convert(audio, encoding, PCM), PCM) if wide else decode(audio, encoding))
    return np.concatenate(joined)
