"""The local servers as processes: they come up, and go when we go."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sipagent.errors import ProviderError
from sipagent.local.servers import LocalServers

PARENT = """
import asyncio, os
from sipagent.local.servers import LocalServers

async def main():
    async with LocalServers() as servers:
        print(servers.openai_url, servers.cartesia_url, flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


def answers(url: str) -> bool:
    """Whether somebody listens there."""
    host, port = url.removeprefix("http://").removesuffix("/v1").split(":")

    async def knock() -> None:
        _, writer = await asyncio.open_connection(host, int(port))
        writer.close()

    try:
        asyncio.run(knock())
    except ConnectionError:
        return False
    return True


def children() -> set[int]:
    """The processes that this one has started, and that run."""
    return {int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()}


def is_back(url: str, *, instead_of: set[int]) -> bool:
    """Whether a new child serves there within ten seconds."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if children() - instead_of and answers(url):
            return True
        time.sleep(0.1)
    return False


def test_both_come_up_on_loopback_and_end_with_the_context() -> None:
    async def up_and_down() -> tuple[str, str]:
        async with LocalServers() as servers:
            return servers.openai_url, servers.cartesia_url

    urls = asyncio.run(up_and_down())
    assert urls[0].startswith("http://127.0.0.1:")
    assert urls[0].endswith("/v1")
    assert not any(map(answers, urls))


def test_one_leg_alone() -> None:
    async def legs() -> list[tuple[str, str]]:
        found = []
        for ai, tts in ((True, False), (False, True)):
            async with LocalServers(ai=ai, tts=tts) as servers:
                found.append((servers.openai_url, servers.cartesia_url))
        return found

    (openai, no_cartesia), (no_openai, cartesia) = asyncio.run(legs())
    assert openai
    assert cartesia
    assert no_cartesia == no_openai == ""


def test_one_that_is_killed_is_back_on_its_port(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        before = children()
        async with LocalServers(tts=False) as servers:
            (killed,) = children() - before
            os.kill(killed, signal.SIGKILL)
            assert await asyncio.to_thread(is_back, servers.openai_url, instead_of={*before, killed})

    asyncio.run(story())
    assert [record.getMessage() for record in caplog.records] == [
        "the local openai server ended with -9 and is started again"
    ]


def test_they_end_when_the_parent_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        urls = parent.stdout.readline().split()
        assert all(map(answers, urls))
        os.kill(parent.pid, signal.SIGKILL)
    deadline = time.monotonic() + 5
    while any(map(answers, urls)) and time.monotonic() < deadline:
        pass
    assert not any(map(answers, urls))


def test_a_server_that_does_not_start_is_an_error_and_takes_the_other_with_it() -> None:
    async def start() -> None:
        async with LocalServers(ai_options=("--fault", "explode")):
            pass

    with pytest.raises(ProviderError, match="openai_server did not start"):
        asyncio.run(start())
