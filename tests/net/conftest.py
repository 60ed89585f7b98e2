"""A port pair of ours on the loopback, and somebody's socket at the far end."""

import socket
from collections.abc import Iterator

import pytest

from sipagent.net.port_pair import PortPair
from sipagent.net.ports import PortPool


@pytest.fixture
def pair() -> Iterator[PortPair]:
    ports = PortPool(27100, 27189, "127.0.0.1")
    pair = ports.lease(0.0)
    yield pair
    ports.release(pair, 0.0)


@pytest.fixture
def far() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        bound.settimeout(2)
        yield bound
