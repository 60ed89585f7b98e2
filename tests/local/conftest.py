"""The local servers, once for all tests of a module."""

from collections.abc import Iterator

import pytest

from sipagent.local.servers import LocalServers
from tests.local.wire import Running, running


@pytest.fixture(scope="module")
def local() -> Iterator[Running]:
    """Both servers, without faults."""
    with running(LocalServers()) as servers:
        yield servers
