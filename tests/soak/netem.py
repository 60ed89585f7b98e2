"""Loss and jitter by the kernel, where it has netem: of UDP from and to one address. TLS and probes are spared."""

import subprocess

from tests.soak.wire import DELAY, JITTER, LOSS


def spoil(host: str) -> bool:
    """Spoil the loopback of this network namespace for `host`; false, and nothing done, where there is no netem."""
    half = JITTER / 2
    commands = [
        "qdisc add dev lo root handle 1: prio bands 4 priomap " + " ".join("0" * 16),
        "qdisc add dev lo parent 1:4 handle 40: netem limit 100000"
        f" delay {(DELAY + half) * 1000:g}ms {half * 1000:g}ms loss {LOSS:.1%}",
        *(
            f"filter add dev lo parent 1: protocol ip prio 1 u32 match ip protocol 17 0xff match ip {way} {host}/32"
            " flowid 1:4"
            for way in ("src", "dst")
        ),
    ]
    if all(_tc(command) for command in commands):
        return True
    _tc("qdisc del dev lo root")
    return False


def _tc(command: str) -> bool:
    try:
        return subprocess.run(["tc", *command.split()], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False
