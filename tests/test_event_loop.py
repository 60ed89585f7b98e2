"""The loop of a phone that owns its process."""

import asyncio

import uvloop

from sipagent import event_loop


def test_a_phone_of_its_own_lives_on_uvloop() -> None:
    async def which() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    assert isinstance(event_loop.run(which()), uvloop.Loop)
