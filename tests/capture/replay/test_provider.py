"""A provider played from a journal: what the phone finds when it asks early, late, or for more than there was."""

import asyncio
from collections.abc import Callable

import pytest

from sipagent.agent.interfaces import Close
from sipagent.capture.replay.provider import PlayedProviders
from sipagent.errors import ProviderError
from sipagent.testing.clock import VirtualLoop, run

Step = tuple[str, dict[str, object]]
OPEN: Step = ("open", {"provider": "openai", "url": "wss://api.example.com"})
GONE: Step = ("close", {"provider": "openai", "code": 1012, "reason": "restart", "clean": True})
REFUSED: Step = ("refused", {"provider": "openai", "text": "openai: refused with HTTP 401", "status": 401})


def frame(text: str) -> Step:
    return "frame", {"provider": "openai", "text": text}


def play(providers: PlayedProviders, *steps: Step) -> None:
    """Let each step happen, one second after the other, beginning now."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)

    def step(kind: str, data: dict[str, object]) -> Callable[[], None]:
        return lambda: providers.play(kind, data)

    loop.play((loop.time() + second, step(kind, data)) for second, (kind, data) in enumerate(steps))


def test_the_socket_opens_speaks_and_ends_when_the_journal_says_so() -> None:
    async def main() -> tuple[list[tuple[float, str]], Close | None, float]:
        providers, loop = PlayedProviders(), asyncio.get_running_loop()
        play(providers, OPEN, frame("one"), frame("two"), GONE)
        socket = providers.open_socket("openai")
        await socket.open("wss://elsewhere", {})
        heard = [(loop.time(), text) async for text in socket.frames()]
        return heard, socket.ended, loop.time()

    assert run(main()) == ([(1.0, "one"), (2.0, "two")], Close(code=1012, reason="restart", clean=True), 3.0)


def test_frames_wait_for_a_phone_that_is_late() -> None:
    async def main() -> list[str]:
        providers = PlayedProviders()
        for kind, data in (OPEN, frame("one"), GONE):
            providers.play(kind, data)
        socket = providers.open_socket("openai")
        await socket.open("wss://elsewhere", {})
        return [text async for text in socket.frames()]

    assert run(main()) == ["one"]


def test_what_was_refused_is_refused_again_and_the_next_attempt_is_the_next_of_the_journal() -> None:
    second_try = [(kind, {**data, "provider": "openai#2"}) for kind, data in (OPEN, frame("second socket"), GONE)]

    async def main() -> list[str]:
        providers = PlayedProviders()
        play(providers, REFUSED, *second_try)
        first, second = providers.open_socket("openai"), providers.open_socket("openai")
        with pytest.raises(ProviderError, match=r"^openai: refused with HTTP 401$") as refusal:
            await first.open("wss://elsewhere", {})
        assert refusal.value.status == 401
        await second.open("wss://elsewhere", {})
        return [text async for text in second.frames()]

    assert run(main()) == ["second socket"]


def test_closing_ends_the_frames_at_once() -> None:
    async def main() -> tuple[list[str], Close | None]:
        providers = PlayedProviders()
        providers.play(*OPEN)
        socket = providers.open_socket("openai")
        await socket.open("wss://elsewhere", {})
        await socket.close(1000, "enough")
        return [text async for text in socket.frames()], socket.ended

    assert run(main()) == ([], Close(code=1000, reason="enough", clean=True))


def test_closing_ends_an_attempt_to_connect() -> None:
    async def main() -> None:
        socket = PlayedProviders().open_socket("openai")
        attempt = asyncio.create_task(socket.open("wss://elsewhere", {}))
        await asyncio.sleep(0)
        await socket.close()
        with pytest.raises(ProviderError, match="closed while connecting"):
            await attempt

    run(main())


def test_past_the_end_of_the_journal_nothing_connects_and_nothing_hangs() -> None:
    async def main() -> tuple[list[str], bool]:
        providers = PlayedProviders()
        providers.play(*OPEN)
        standing = providers.open_socket("openai")
        await standing.open("wss://elsewhere", {})
        providers.finish()
        with pytest.raises(ProviderError):
            await providers.open_socket("openai").open("wss://elsewhere", {})
        return [text async for text in standing.frames()], standing.ended is not None

    assert run(main()) == ([], True)
