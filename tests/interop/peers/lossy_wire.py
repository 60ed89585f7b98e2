"""A bad network between two namespaces, for any program: a wire of ours that loses and delays what runs over it.

with LossyWire(Path(losses=at_random(0.03, seed=1), jitter=0.04), Path(delay=0.02)) as wire:
    wire.start(["baresip", "-f", …])        # lives at FAR; we, in a private network, are NEAR

It is for kernels without netem: two TUN devices, and a thread that carries IP packets between them. SIP, on port 5060
at either end, is carried as it is: what is to be tried is the media.
"""

import contextlib
import fcntl
import heapq
import itertools
import os
import select
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import IO, Self

from sipagent.testing.path import Path
from tests.interop.peers.namespace import enter_private_network

NEAR, FAR = "10.77.0.1", "10.77.0.2"
_SIP = 5060
_TUNSETIFF = 0x400454CA
_TUN, _NO_PACKET_INFORMATION = 0x0001, 0x1000
_LARGEST = 2048
_UDP = 17


class LossyWire:
    """The wire, from `with` on: `there` is the path of what goes to FAR, `back` of what comes from it."""

    def __init__(self, there: Path, back: Path) -> None:
        self.carried = 0
        self.lost = 0
        self._paths = (there, back)
        self._devices: list[int] = []
        self._holder: subprocess.Popen[bytes] | None = None
        self._started: list[subprocess.Popen[bytes]] = []
        self._ends = False
        self._thread = threading.Thread(target=self._carry, daemon=True)

    def start(self, command: Sequence[str], output: IO[bytes] | None = None) -> subprocess.Popen[bytes]:
        """Run a program at the far end; it ends with the wire."""
        assert self._holder is not None
        argv = ["nsenter", f"--net=/proc/{self._holder.pid}/ns/net", *command]
        started = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        self._started.append(started)
        return started

    def __enter__(self) -> Self:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            command = [sys.executable, "-m", "tests.interop.peers.lossy_wire", str(theirs.fileno())]
            self._holder = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[theirs.fileno()])
            ours.settimeout(10)
            _, far, _, _ = socket.recv_fds(ours, 1, 1)
        self._devices = [open_device("near", NEAR, FAR), *far]
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for started in self._started:
            started.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                started.wait(3)
            started.kill()
            started.wait()
        self._ends = True
        self._thread.join()
        for device in self._devices:
            os.close(device)
        if self._holder is not None:
            self._holder.communicate()

    def _carry(self) -> None:
        """Read packets at either end, and write each at the other when its path has brought it there."""
        under_way: list[tuple[float, int, int, bytes]] = []
        order = itertools.count()
        near, far = self._devices
        other, path = {near: far, far: near}, dict(zip(self._devices, self._paths, strict=True))
        while not self._ends:
            wait = under_way[0][0] - time.monotonic() if under_way else 0.1
            for device in select.select(self._devices, [], [], max(0.0, min(wait, 0.1)))[0]:
                packet = os.read(device, _LARGEST)
                now = time.monotonic()
                due = path[device].carry(now) if is_media(packet) else now
                self.carried += 1
                self.lost += due is None
                if due is not None:
                    heapq.heappush(under_way, (due, next(order), other[device], packet))
            while under_way and under_way[0][0] <= time.monotonic():
                _, _, device, packet = heapq.heappop(under_way)
                os.write(device, packet)


def is_media(packet: bytes) -> bool:
    """Whether an IPv4 packet is UDP, and not SIP."""
    header = (packet[0] & 0x0F) * 4
    if packet[0] >> 4 != 4 or packet[9] != _UDP or len(packet) < header + 4:
        return False
    return _SIP not in struct.unpack_from("!HH", packet, header)


def open_device(name: str, address: str, peer: str) -> int:
    """Make a TUN device in the namespace of this process, give it an address, and return its descriptor."""
    device = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH", name.encode(), _TUN | _NO_PACKET_INFORMATION))
    subprocess.run(["ip", "address", "add", address, "peer", peer, "dev", name], check=True)
    subprocess.run(["ip", "link", "set", name, "up"], check=True)
    return device


def main() -> None:
    """Be the far end: make a namespace with a device, hand the device over, and keep both until the input ends."""
    enter_private_network()
    with socket.socket(fileno=int(sys.argv[1])) as near:
        device = open_device("far", FAR, NEAR)
        socket.send_fds(near, [b"!"], [device])
    os.close(device)
    sys.stdin.buffer.read()


if __name__ == "__main__":
    main()
