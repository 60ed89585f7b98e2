"""The phone as a service: what `run(agent)` and `sipagent run` do from the configuration to the last call.

configuration ─► local servers, if asked ─► phone ─► calls ─► a signal ─► drain ─► un-register
"""

import asyncio
import contextlib
import gc
import json
import os
import signal
from collections.abc import AsyncIterator, Callable, Collection, Coroutine
from dataclasses import replace
from typing import Any

from sipagent.agent.agent import Agent
from sipagent.call_files import CallFiles
from sipagent.capture.configuration import portable
from sipagent.capture.writer import Captures
from sipagent.config import AgentSection, Configuration, load
from sipagent.config.keys import PROVIDERS, require_keys
from sipagent.config.limits import require_available
from sipagent.config.values import Capture, Recording
from sipagent.errors import ConfigurationError, RegistrationError
from sipagent.events import Disconnected, Registered, RegistrationFailed, Stamped
from sipagent.local.receptionist import Script
from sipagent.local.servers import API_KEY, LocalServers
from sipagent.performance import Scenario
from sipagent.phone import Softphone
from sipagent.record import CallRecord
from sipagent.tap import Tap

DRAIN = 30.0
"""Seconds that running calls have to end by themselves once we are told to stop."""
REFUSALS = (401, 403, 404, 407)
"""What a registrar says that another attempt will not change."""

Watcher = Callable[[Stamped], None]


def run(agent: Agent | Scenario, *, local: bool = False) -> None:
    """Answer calls with `agent`, as sip.conf and environment say, until Ctrl-C. Blocks; owns loop and signals.

    `local`: engines on this machine take the providers' place. Raises ConfigurationError, which names the cure.
    """
    asyncio.run(serve(load(None, os.environ), agent, local=("ai", "tts") if local else ()))


async def serve(
    configuration: Configuration,
    agent: Agent | Scenario | None = None,
    *,
    local: Collection[str] = (),
    watchers: Collection[Watcher] = (),
    trace: Tap | None = None,
    require_registration: bool = False,
) -> signal.Signals:
    """Answer calls until SIGINT or SIGTERM, and return which; before, let calls end, DRAIN seconds at most.

    A second signal ends them at once. Raises RegistrationError with `require_registration`, if a registrar refuses us.
    """
    phone_that_answers = answering(configuration, agent, local=local, watchers=watchers, trace=trace)
    async with phone_that_answers as phone, _signals() as signals:
        told = asyncio.create_task(signals.get())
        if require_registration:
            await _unless(told, _registered(phone))
        number = await told
        phone.stop_answering()
        hurry = asyncio.create_task(signals.get())
        await _unless(hurry, phone.idle(DRAIN))
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
) -> AsyncIterator[Softphone]:
    """Run a phone that answers. Raises ConfigurationError for what is missing or not to be had."""
    require_available(configuration)
    require_keys(configuration, _providers(configuration, agent), local)
    secrets = _secrets(configuration)  # the local servers' key is none
    async with contextlib.AsyncExitStack() as stack:
        if local:
            servers = await stack.enter_async_context(LocalServers(ai="ai" in local, tts="tts" in local))
            configuration = with_local(configuration, servers)
        record = configuration.record
        files = CallFiles(record.directory) if _keeps_files(configuration) else None
        captures = None
        if files and record.capture is Capture.PCAP:
            captures = Captures(
                files.base,
                clock=asyncio.get_running_loop().time,
                configuration=portable(configuration),
                in_code=agent is not None,
                secrets=secrets,
            )
            stack.callback(captures.close)
        phone = Softphone(
            configuration=configuration,
            tap=captures,
            trace=trace,
            recording=files.wav if files and record.calls is not Recording.OFF else None,
        )
        for watcher in watchers:
            phone.watch(watcher)
        if files:
            phone.watch(RecordWriter(files, engine="local" if local else "cloud").take)
        await stack.enter_async_context(phone)
        phone.answer_with(agent)
        if "cartesia" in _providers(configuration, agent) and "tts" not in local:
            rendering = asyncio.ensure_future(phone.render_clips())
            stack.callback(rendering.cancel)
        gc.collect()
        gc.freeze()  # what stands now stays: no collection need look at it again
        yield phone


def with_local(configuration: Configuration, servers: LocalServers) -> Configuration:
    """Return the configuration with servers of this machine in the providers' place, and a greeting that says so."""
    openai, cartesia, agents = configuration.openai, configuration.cartesia, dict(configuration.agents)
    if servers.openai_url:
        openai = replace(openai, base_url=servers.openai_url, api_key=API_KEY)
        agents = {name: _with_greeting(section) for name, section in agents.items()}
    if servers.cartesia_url:
        cartesia = replace(cartesia, base_url=servers.cartesia_url, api_key=API_KEY)
    return replace(configuration, openai=openai, cartesia=cartesia, agents=agents)


def _with_greeting(section: AgentSection) -> AgentSection:
    """Callers must hear that they talk to a demonstration."""
    greets = section.greeting or section.greeting_instructions
    return section if greets else replace(section, greeting=Script.load().greeting)


class RecordWriter:
    """Writes the record of each call beside its other files, once the call is over."""

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
        self._records[stamped.call_id].take(stamped)
        if isinstance(stamped.event, Disconnected):
            record = self._records.pop(stamped.call_id)
            path = self._files.base(stamped.call_id).with_suffix(".json")
            path.write_text(json.dumps(record.as_json(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
            self._files.forget(stamped.call_id)


def _providers(configuration: Configuration, agent: Agent | Scenario | None) -> list[str]:
    """Return the providers that will be called, as far as we can know: a scenario opens what it likes."""
    if agent is not None and not isinstance(agent, Agent):
        return []
    needed = (PROVIDERS[section.pipeline] for section in configuration.agents.values())
    return sorted({name for names in needed for name in names})


def _keeps_files(configuration: Configuration) -> bool:
    return configuration.record.calls is not Recording.OFF or configuration.record.capture is not Capture.OFF


def _secrets(configuration: Configuration) -> list[str]:
    passwords = [account.password for account in configuration.accounts.values()]
    return [*filter(None, (configuration.openai.api_key, configuration.cartesia.api_key, *passwords))]


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
