"""What tells the media thread that sockets are ready, and that its time has come."""

import select
import socket
import time

import pytest

from sipagent.net.kernel import Grid, Readiness
from sipagent.net.port_pair import PortPair


def test_only_sockets_with_something_to_read_are_ready(pair: PortPair, far: socket.socket) -> None:
    readiness = Readiness()
    readiness.add(pair.rtp.fileno())
    readiness.add(pair.rtcp.fileno())
    assert readiness.ready() == []
    far.sendto(b"x", ("127.0.0.1", pair.port + 1))
    assert select.select([pair.rtcp], [], [], 2)[0]
    assert readiness.ready() == [pair.rtcp.fileno()]
    readiness.remove(pair.rtcp.fileno())
    assert readiness.ready() == []


def test_the_grid_is_absolute() -> None:
    before = time.monotonic()
    grid = Grid(0.005)
    begin = time.monotonic()
    for point in (1, 2, 4):
        assert grid.wait(point) >= point
        assert time.monotonic() - before >= point * 0.005
    time.sleep(0.022)  # a real clock is what is tested: the grid must not move by it
    point = grid.wait(5)
    assert point >= 8
    assert grid.lateness(begin + 0.04) == pytest.approx(0.015, abs=0.001), "late for the point that was waited for"
    assert grid.wait(point + 1) > point
    elapsed = time.monotonic() - begin
    assert (point + 1) * 0.005 - 0.001 <= elapsed < (point + 1) * 0.005 + 0.05
    grid.close()
