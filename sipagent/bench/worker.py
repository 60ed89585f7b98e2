"""The worker's process: the phone that is measured. It is `sipagent run`, with a pipe to its parent.

python -m sipagent.bench.worker sip.conf [--append 40]       says {"port": …} when calls can come
"""

import argparse
import json
import os
import signal
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

from sipagent import event_loop
from sipagent.config import load
from sipagent.net.media_thread import MediaThread
from sipagent.phone import Softphone
from sipagent.service import serve
from sipagent.world import media_ports, real_world

_HURRY = 0.5
"""Seconds for calls to end by themselves."""


async def answer(file: Path, append: int | None) -> None:
    """Answer calls until we are told to stop."""
    configuration = load(file, {})
    world = real_world(configuration)
    if append is not None:
        general = configuration.general
        media = MediaThread(
            media_ports(general), rtp_timeout=general.rtp_timeout, uplink_ms=append, quiet_uplink_ms=append
        )
        world = replace(world, media=media)
    await serve(configuration, world=world, started=_tell)


def _tell(phone: Softphone) -> None:
    sys.stdout.write(json.dumps({"port": phone.address.port}) + "\n")
    sys.stdout.flush()
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    """Its end is the first signal to leave, and soon the second: nobody is there to talk to."""
    sys.stdin.buffer.read()
    for _ in range(2):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_HURRY)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("file", type=Path)
    arguments.add_argument("--append", type=int, help="milliseconds of audio in one append; without it, as it is run")
    options = arguments.parse_args()
    event_loop.run(answer(options.file, options.append))


if __name__ == "__main__":
    main()
