"""The wire that stands in for netem, tried with plain datagrams: media is lost and late as its path says, SIP never."""

import contextlib
import socket
import sys
import time
from statistics import median

import pytest

from sipagent.testing.path import Path, at_random
from tests.interop.peers.lossy_wire import FAR, NEAR, LossyWire

ECHO = f"""
import select, socket
sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
for bound, port in zip(sockets, (4000, 5060)):
    bound.bind(("{FAR}", port))
while True:
    for bound in select.select(sockets, [], [])[0]:
        data, source = bound.recvfrom(2048)
        bound.sendto(data, source)
"""
PACKETS = 300


def test_media_is_lost_and_late_and_sip_comes_through() -> None:
    there = Path(delay=0.03, jitter=0.02, losses=at_random(0.2, seed=5), seed=5)
    with LossyWire(there, Path()) as wire, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as near:
        near.bind((NEAR, 0))
        wire.start([sys.executable, "-c", ECHO])
        wait_until_it_answers(near)
        sip, media = (round_trips(near, port) for port in (5060, 4000))
    assert len(sip) == PACKETS
    assert len(media) == pytest.approx(0.8 * PACKETS, abs=0.1 * PACKETS)
    assert wire.lost == PACKETS - len(media)
    assert min(media) >= 0.03
    assert median(media) - median(sip) == pytest.approx(0.04, abs=0.02)


def wait_until_it_answers(near: socket.socket) -> None:
    near.settimeout(0.2)
    for _ in range(50):
        near.sendto(b"there?", (FAR, 5060))
        with contextlib.suppress(TimeoutError):
            near.recv(2048)
            return
    raise TimeoutError("the echo at the far end does not answer")


def round_trips(near: socket.socket, port: int) -> list[float]:
    """How long each datagram took that came back, in seconds."""
    near.settimeout(0.004)
    sent: dict[bytes, float] = {}
    took = []
    until = time.monotonic() + PACKETS * 0.005 + 1
    while time.monotonic() < until:
        if len(sent) < PACKETS:
            data = b"%d %d" % (port, len(sent))
            sent[data] = time.monotonic()
            near.sendto(data, (FAR, port))
        with contextlib.suppress(TimeoutError):
            came = near.recv(2048)
            if came in sent:
                took.append(time.monotonic() - sent[came])
    return took
