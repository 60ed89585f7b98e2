"""A call at its own pace that is recorded to every file named; says how many ticks old it is. Goes on until killed."""

import sys
import time
from pathlib import Path

from sipagent.audio import g711, tones
from sipagent.media import Tape
from sipagent.recorder import Recorder
from tests.media.desk import TICK, Desk, Peer

SPEECH = g711.encode(tones.sine(440, 8000), g711.PCMU)


def main() -> None:
    """Record until the end of us."""
    recorders = [Recorder(Path(name)) for name in sys.argv[1:]]
    desk, peer = Desk(), Peer()
    leg = desk.open()
    leg.record()
    began = time.monotonic()
    for tick in range(1, 3000):
        time.sleep(max(0.0, began + tick * TICK - time.monotonic()))
        if tick % 50 == 1:
            leg.speak(SPEECH)
        start = tick % 50 * 160
        desk.arrive(peer.say(SPEECH[start : start + 160]))
        desk.step()
        for event in desk.delivered:
            if isinstance(event, Tape):
                for recorder in recorders:
                    recorder.write(event)
        desk.delivered.clear()
        print(tick, flush=True)


if __name__ == "__main__":
    main()
