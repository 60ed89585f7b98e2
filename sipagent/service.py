"""The phone as a service: what `run(agent)` and `sipagent run` do from the configuration to the last call.

configuration ─► local servers, if asked ─► phone ─► calls ─► a signal ─► drain ─► un-register
"""

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Collection, Coroutine
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from sipagent import event_loop
from sipagent.agent.agent import Agent
from sipagent.call_files import CallFiles
from sipagent.capture.configuration import portable
from sipagent.capture.writer import Captures
from sipagent.config import Account, AgentSection, Configuration, Trunk, load
from sipagent.config.keys import PROVIDERS, require_keys
from sipagent.config.limits import require_available
from sipagent.config.values import Capture, Recording
from sipagent.errors import ConfigurationError, RegistrationError
from sipagent.events import CallMeasured, Disconnected, Registered, RegistrationFailed, Stamped
from sipagent.local.receptionist import Script
from sipagent.local.servers import API_KEY, LocalServers
from sipagent.memory import EndedCalls, spared
from sipagent.performance import Scenario
from sipagent.phone import Softphone
from sipagent.record import CallRecord
from sipagent.tap import Tap
from sipagent.world import World, real_world

log = logging.getLogger("sipagent")

DRAIN = 30.0
"""Seconds that running calls have to end by themselves once we are told to stop."""
REFUSALS = (401, 403, 404, 407)
"""What a registrar says that another attempt will not change."""

Watcher = Callable[[Stamped], None]


def run(agent: Agent | Scenario, *, local: bool = False) -> None:
    """Answer calls with `agent`, as sip.conf and environment say, until Ctrl-C. Blocks; owns loop and signals.

    `local`: engines on this machine take the providers' place. Raises ConfigurationError, which names the cure.
    """
    event_loop.run(serve(load(None, os.environ), agent, local=("ai", "tts") if local else ()))


async def serve(
    configuration: Configuration,
    agent: Agent | Scenario | None = None,
    *,
    local: Collection[str] = (),
    watchers: Collection[Watcher] = (),
    trace: Tap | None = None,
    world: World | None = None,
    require_registration: bool = False,
    started: Callable[[Softphone], object] = lambda phone: None,
) -> signal.Signals:
    """Answer calls until SIGINT or SIGTERM, and return which; before, let calls end, DRAIN seconds at most.

    A second signal ends them at once. Raises RegistrationError with `require_registration`, if a registrar refuses us.
    `started` is called once calls can come. A loop that hangs ends the process, unless somebody sits at its terminal.
    """
    world = world or real_world(configuration, exit_when_stuck=not _is_watched())
    phone_that_answers = answering(configuration, agent, local=local, watchers=watchers, trace=trace, world=world)
    async with phone_that_answers as phone, _signals() as signals:
        started(phone)
        told = asyncio.create_task(signals.get())
        if require_registration:
            await _unless(told, _registered(phone))
        number = await told
        hurry = asyncio.create_task(signals.get())
        await _unless(hurry, phone.drain(DRAIN))
        hurry.cancel()
        return number


@contextlib.asynccontextmanager
async def answering(
    configuration: Configuration,
    agent: Agent | Scenario | None = None,
    *,
    local: Collection[str] = (),
    watchers: Collection[Watcher] = (),
    trace: Tap | None = None,
    world: World | None = None,
) -> AsyncIterator[Softphone]:
    """Run a phone that answers. Raises ConfigurationError for what is missing or not to be had."""
    require_available(configuration)
    require_keys(configuration, _providers(configuration, agent), local)
    async with contextlib.AsyncExitStack() as stack:
        if local:
            servers = await stack.enter_async_context(LocalServers(ai="ai" in local, tts="tts" in local))
            configuration = with_local(configuration, servers.openai_url, servers.cartesia_url)
        keeping = _Keeping.of(configuration, engine="local" if local else "cloud", in_code=agent is not None)
        if keeping.captures is not None:
            stack.callback(keeping.captures.close)
        recording = keeping.recording
        phone = Softphone(
            configuration=configuration, world=world, tap=keeping.captures, trace=trace, recording=recording
        )
        for watcher in (*watchers, *keeping.watchers):
            phone.watch(watcher)
        await stack.enter_async_context(phone)
        phone.answer_with(agent)
        if "cartesia" in _providers(configuration, agent) and "tts" not in local:
            rendering = asyncio.ensure_future(phone.render_clips())
            stack.callback(rendering.cancel)
        ended = EndedCalls()
        phone.watch(ended.take)
        stack.callback(ended.close)
        stack.enter_context(spared())
        yield phone


def with_local(configuration: Configuration, openai_url: str, cartesia_url: str) -> Configuration:
    """Return the configuration with servers of this machine in the providers' place, and a greeting that says so.

    An empty URL leaves its provider as it is.
    """
    openai, cartesia, agents = configuration.openai, configuration.cartesia, dict(configuration.agents)
    if openai_url:
        openai = replace(openai, base_url=openai_url, api_key=API_KEY)
        agents = {name: _with_greeting(section) for name, section in agents.items()}
    if cartesia_url:
        cartesia = replace(cartesia, base_url=cartesia_url, api_key=API_KEY)
    return replace(configuration, openai=openai, cartesia=cartesia, agents=agents)


def _with_greeting(section: AgentSection) -> AgentSection:
    """Callers must hear that they talk to a demonstration."""
    greets = section.greeting or section.greeting_instructions
    return section if greets else replace(section, greeting=Script.load().greeting)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Keeping:
    """What is kept of calls, as [record] says."""

    captures: Captures | None = None
    recording: Callable[[str], Path] | None = None
    watchers: tuple[Watcher, ...] = ()

    @classmethod
    def of(cls, configuration: Configuration, *, engine: str, in_code: bool) -> Self:
        record = configuration.record
        if record.calls is Recording.OFF and record.capture is Capture.OFF:
            return cls()
        files = CallFiles(record.directory)
        return cls(
            captures=_captures(files, configuration, in_code) if record.capture is Capture.PCAP else None,
            recording=_recordings(files, record.calls),
            watchers=(RecordWriter(files, engine=engine).take,),
        )


def _recordings(files: CallFiles, form: Recording) -> Callable[[str], Path] | None:
    """Return what names the recording of a call, by its Call-ID."""
    if form is Recording.OFF:
        return None
    return lambda call_id: files.base(call_id).with_suffix(f".{form.value}")


def _captures(files: CallFiles, configuration: Configuration, in_code: bool) -> Captures:
    return Captures(
        files.base,
        clock=asyncio.get_running_loop().time,
        configuration=portable(configuration),
        in_code=in_code,
        secrets=_secrets(configuration),
    )


class RecordWriter:
    """Writes the record of each call beside its other files, once the call is over, and again when it is measured."""

    def __init__(self, files: CallFiles, *, engine: str) -> None:
        self._files = files
        self._engine = engine
        self._records: dict[str, CallRecord] = {}

    def take(self, stamped: Stamped) -> None:
        """Take an event of any call."""
        if not stamped.call_id:
            return
        if stamped.call_id not in self._records:
            self._records[stamped.call_id] = CallRecord(call_id=stamped.call_id, engine=self._engine)
        record = self._records[stamped.call_id]
        record.take(stamped)
        if isinstance(stamped.event, Disconnected | CallMeasured):
            self._write(record)
        if record.is_complete:
            del self._records[stamped.call_id]
            self._files.forget(stamped.call_id)

    def _write(self, record: CallRecord) -> None:
        """Put it on disk; a disk that fails is told, and ends no call."""
        path = self._files.base(record.call_id).with_suffix(".json")
        try:
            path.write_text(json.dumps(record.as_json(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        except OSError as error:
            log.error("the record of call %s is not kept: %s: %s", record.call_id, path, error.strerror)


def _providers(configuration: Configuration, agent: Agent | Scenario | None) -> list[str]:
    """Return the providers that will be called, as far as we can know: a scenario opens what it likes."""
    if agent is not None and not isinstance(agent, Agent):
        return []
    needed = (PROVIDERS[section.pipeline] for section in configuration.agents.values())
    return sorted({name for names in needed for name in names})


def _secrets(configuration: Configuration) -> list[str]:
    """Return what must be in no file; the key of the local servers is no secret."""
    lines: list[Account | Trunk] = [*configuration.accounts.values(), *configuration.trunks.values()]
    passwords = [line.password for line in lines]
    secrets = {configuration.openai.api_key, configuration.cartesia.api_key, *passwords}
    return sorted(secrets - {"", API_KEY})


async def _registered(phone: Softphone) -> None:
    """Return when an account is registered; raise RegistrationError when a registrar refuses one."""
    if not phone.configuration.accounts:
        raise ConfigurationError("there is no [account NAME] to register: see sip.conf.example")
    outcome: asyncio.Future[Registered] = asyncio.get_running_loop().create_future()

    def take(stamped: Stamped) -> None:
        if outcome.done():
            return
        match stamped.event:
            case Registered() as registered:
                outcome.set_result(registered)
            case RegistrationFailed(code=code, reason=reason, hint=hint) if code in REFUSALS:
                outcome.set_exception(RegistrationError(code, reason, hint))

    phone.watch(take)
    await outcome


def _is_watched() -> bool:
    """Whether somebody sits at a terminal, who sees the log, and may be at a breakpoint. Else there is a supervisor."""
    return sys.stdin is not None and sys.stdin.isatty()


@contextlib.asynccontextmanager
async def _signals() -> AsyncIterator["asyncio.Queue[signal.Signals]"]:
    """Collect SIGINT and SIGTERM, in place of what they do otherwise."""
    told: asyncio.Queue[signal.Signals] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.put_nowait, number)
    try:
        yield told
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


async def _unless(told: "asyncio.Task[signal.Signals]", work: Coroutine[Any, Any, object]) -> None:
    """Do `work`, unless we are told to stop before it is done. What it raises is raised."""
    task = asyncio.create_task(work)
    await asyncio.wait({task, told}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
    task.cancel()
