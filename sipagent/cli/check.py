"""`sipagent check`: is the configuration right, and, with `--online`, do the registrars take us?"""

import asyncio
from dataclasses import replace

import click

from sipagent.cli.options import OK, REGISTRATION, Settings, common
from sipagent.config import Configuration
from sipagent.config.keys import PROVIDERS
from sipagent.config.limits import require_available, unavailable
from sipagent.errors import ConfigurationError
from sipagent.events import Registered, RegistrationFailed, Stamped
from sipagent.net.tls import client_context, server_context
from sipagent.phone import Softphone
from sipagent.sip.flow import Address, Transport
from sipagent.world import certificates_of

PATIENCE = 40.0
"""Seconds to wait for a registrar: a little more than SIP itself waits (RFC 3261, timer F)."""


@click.command()
@click.option("--online", is_flag=True, help="Register once with every account, and say what the server said.")
@common
def check(settings: Settings, online: bool) -> int:
    """Check the configuration; with --online, register once."""
    configuration = settings.configuration()
    require_available(configuration)
    for context in (client_context, server_context):
        context(certificates_of(configuration))  # raises where its files cannot be used
    for line in description(configuration):
        click.echo(line)
    return asyncio.run(_register_once(configuration)) if online else OK


def description(configuration: Configuration) -> list[str]:
    """Say in lines what the configuration amounts to."""
    general = configuration.general
    calls = min(general.rtp_ports.calls, general.max_calls)
    lines = [
        f"configuration  {configuration.file or 'none found; defaults'}",
        f"listens        {listeners(configuration)}",
        f"calls          {calls} at the same time: rtp_ports = {general.rtp_ports} carries {general.rtp_ports.calls},"
        f" max_calls = {general.max_calls}",
    ]
    for name, account in configuration.accounts.items():
        lines.append(f"account        {name}: {account.address} at {account.registrar}")
    for name, trunk in configuration.trunks.items():
        lines.append(f"trunk          {name}: {', '.join(map(str, trunk.peers)) or 'no peers'}")
    for name, agent in configuration.agents.items():
        needs = ", ".join(PROVIDERS[agent.pipeline]) or "nothing"
        lines.append(f"agent          {name or '(default)'}: {agent.pipeline.value}, needs {needs}")
    return [*lines, *(f"note           {sentence}" for sentence in unavailable(configuration))]


def listeners(configuration: Configuration) -> str:
    """Say where SIP is bound: TLS one port above the others, and only with a certificate."""
    general = configuration.general
    plain = [transport.value.lower() for transport in general.transports if transport is not Transport.TLS]
    bound = [f"{general.bind} ({', '.join(plain)})"] if plain else []
    if Transport.TLS in general.transports and configuration.tls.certificate is not None:
        bound.append(f"{Address(general.bind.host, general.bind.port + 1)} (tls)")
    return ", ".join(bound) or "nowhere"


async def _register_once(configuration: Configuration) -> int:
    """Register every account, say what came of it, and un-register."""
    if not configuration.accounts:
        raise ConfigurationError("there is no [account NAME] to register: see sip.conf.example")
    answers: asyncio.Queue[Registered | RegistrationFailed] = asyncio.Queue()

    def take(stamped: Stamped) -> None:
        if isinstance(stamped.event, Registered | RegistrationFailed):
            answers.put_nowait(stamped.event)

    # A port of its own: the phone itself may be running with this configuration.
    general = replace(configuration.general, bind=Address(configuration.general.bind.host, 0))
    phone = Softphone(configuration=replace(configuration, general=general))
    phone.watch(take)
    outcome = OK
    async with phone:
        for _ in configuration.accounts:
            try:
                answer = await asyncio.wait_for(answers.get(), PATIENCE)
            except TimeoutError:
                click.echo(f"no answer within {PATIENCE:g} s", err=True)
                return REGISTRATION
            if isinstance(answer, Registered):
                click.echo(f"registered     {answer.account} at {answer.registrar} for {answer.expires} s")
            else:
                hint = f": {answer.hint}" if answer.hint else ""
                said = f"{answer.code} {answer.reason}" if answer.code else answer.reason
                click.echo(f"{'refused' if answer.code else 'unreachable':14} {answer.account}: {said}{hint}", err=True)
                outcome = REGISTRATION
    return outcome
