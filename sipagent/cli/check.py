"""`sipagent check`: is the configuration right, and, with `--online`, do the registrars take us?"""

import asyncio
import time
from dataclasses import replace

import click

from sipagent import event_loop
from sipagent.cli.options import OK, REGISTRATION, Settings, common
from sipagent.cli.report import json_line
from sipagent.config import Account, Configuration, Trunk
from sipagent.config.keys import PROVIDERS, is_usable
from sipagent.config.limits import require_available, unavailable
from sipagent.config.options import General, Record
from sipagent.config.values import Capture, Dtmf, Recording, RtpPorts, Srtp
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
    for what, text in description(configuration):
        _tell(settings, what, text)
    return event_loop.run(_register_once(settings, configuration)) if online else OK


def _tell(settings: Settings, what: str, text: str, *, err: bool = False) -> None:
    if settings.json:
        click.echo(json_line("Check", time.time(), {"what": what, "text": text}))
    else:
        click.echo(f"{what:14} {text}", err=err)


def description(configuration: Configuration) -> list[tuple[str, str]]:
    """Say what the configuration amounts to: of what, and what."""
    general = configuration.general
    said = [
        ("configuration", str(configuration.file or "none found; defaults")),
        ("listens", listeners(configuration)),
        ("calls", _carried(general)),
    ]
    for name, account in configuration.accounts.items():
        said.append(("account", f"{name}: {account.address} at {account.registrar}{_served(account)}"))
    for name, trunk in configuration.trunks.items():
        said.append(("trunk", f"{name}: {', '.join(map(str, trunk.peers)) or 'no peers'}{_served(trunk)}"))
    for name, agent in configuration.agents.items():
        needs = [_need(configuration, provider) for provider in PROVIDERS[agent.pipeline]]
        said.append(("agent", f"{name or '(default)'}: {agent.pipeline.value}, needs {', '.join(needs) or 'nothing'}"))
    if kept := _kept(configuration.record):
        said.append(("records", f"{kept} in {configuration.record.directory.absolute()}"))
    return [*said, *(("note", sentence) for sentence in unavailable(configuration))]


def _carried(general: General) -> str:
    """Say how many calls there can be, and what sets the limit."""
    ports, most = general.rtp_ports, general.max_calls
    if general.rtp is RtpPorts.SHARED:
        return f"{most} at the same time: one RTP port for all, max_calls = {most}"
    return f"{min(ports.calls, most)} at the same time: rtp_ports = {ports} carries {ports.calls}, max_calls = {most}"


def _served(line: Account | Trunk) -> str:
    """Say how a line is reached, what is its own in the media, and who answers on it."""
    numbers = f", numbers {', '.join(line.called)}" if isinstance(line, Trunk) and line.called else ""
    agent = f", agent {line.agent}" if line.agent else ""
    srtp = f", srtp {line.srtp.value}" if line.srtp is not Srtp.OFF else ""
    codecs = f", codecs {' '.join(codec.value for codec in line.codecs)}" if line.codecs else ""
    keys = f", keys by {line.dtmf.value}" if isinstance(line, Account) and line.dtmf is not Dtmf.RFC4733 else ""
    return f" ({line.transport.value.lower()}{srtp}{codecs}{keys}{numbers}{agent})"


def _kept(record: Record) -> str:
    """Say what stays of a call; nothing where nothing does."""
    forms = [form.value for form in (record.calls, record.capture) if form not in (Recording.OFF, Capture.OFF)]
    return " and ".join(forms)


def _need(configuration: Configuration, provider: str) -> str:
    return provider if is_usable(configuration, provider) else f"{provider} (no key yet; or run --local)"


def listeners(configuration: Configuration) -> str:
    """Say where SIP is bound: TLS one port above the others, and only with a certificate."""
    general = configuration.general
    plain = [transport.value.lower() for transport in general.transports if transport is not Transport.TLS]
    bound = [f"{general.bind} ({', '.join(plain)})"] if plain else []
    if Transport.TLS in general.transports and configuration.tls.certificate is not None:
        bound.append(f"{Address(general.bind.host, general.bind.port + 1)} (tls)")
    return ", ".join(bound) or "nowhere"


async def _register_once(settings: Settings, configuration: Configuration) -> int:
    """Register every account, say what came of it, and un-register."""
    if not configuration.accounts:
        raise ConfigurationError("there is no [account NAME] to register: see sip.conf.example")
    answers: asyncio.Queue[Registered | RegistrationFailed] = asyncio.Queue()

    def take(stamped: Stamped) -> None:
        if isinstance(stamped.event, Registered | RegistrationFailed):
            answers.put_nowait(stamped.event)

    # A port of its own: the phone itself may be running with this configuration.
    general = replace(configuration.general, bind=Address(configuration.general.bind.host, 0))
    phone = Softphone(configuration=replace(configuration, general=general), trace=settings.tap())
    phone.watch(take)
    outcome, waiting = OK, set(configuration.accounts)
    async with phone:
        while waiting:
            try:
                answer = await asyncio.wait_for(answers.get(), PATIENCE)
            except TimeoutError:
                _tell(
                    settings, "unreachable", f"{', '.join(sorted(waiting))}: no answer within {PATIENCE:g} s", err=True
                )
                return REGISTRATION
            if answer.account not in waiting:  # it was tried again while another one is waited for
                continue
            waiting.remove(answer.account)
            if isinstance(answer, Registered):
                _tell(settings, "registered", f"{answer.account} at {answer.registrar} for {answer.expires} s")
            else:
                _tell(settings, "refused" if answer.code else "unreachable", _refusal(answer), err=True)
                outcome = REGISTRATION
    return outcome


def _refusal(failed: RegistrationFailed) -> str:
    """The registrar's words if it said any, and the likely cause."""
    words = f"{failed.code} {failed.reason}" if failed.code else failed.reason
    return f"{failed.account}: {words}" + (f": {failed.hint}" if failed.hint else "")
