"""`sipagent dial`: place a call from the command line."""

import asyncio
import contextlib
from dataclasses import replace
from pathlib import Path

import click

from sipagent import event_loop
from sipagent.audio import wav
from sipagent.call import Call
from sipagent.caller import CallPlan, converse
from sipagent.cli.options import OK, Settings, common, output_file
from sipagent.config import Account, Configuration, Trunk
from sipagent.config.keys import PROVIDERS, require_keys
from sipagent.config.limits import require_available
from sipagent.errors import CallFailed, ConfigurationError
from sipagent.events import Registered, RegistrationFailed, Stamped
from sipagent.keys import KEYS
from sipagent.phone import Softphone
from sipagent.sip.flow import Address

REGISTERED_WITHIN = 10.0


def playable(ctx: click.Context, param: click.Parameter, value: tuple[Path, ...]) -> tuple[Path, ...]:
    """Look into the files of `--play` before anybody is rung."""
    for path in value:
        try:
            wav.read(path.read_bytes())
        except wav.WavError as error:
            raise click.BadParameter(f"{path}: {error}") from error
    return value


def keys(ctx: click.Context, param: click.Parameter, value: str) -> str:
    """Read `--dtmf`."""
    if wrong := set(value) - set(KEYS):
        raise click.BadParameter(f"{', '.join(sorted(wrong))}: the keys are {KEYS}")
    return value


@click.command()
@click.argument("target")
@click.option("--from", "account", default="", metavar="ACCOUNT", help="Call as this account, or over this trunk.")
@click.option(
    "--play",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    callback=playable,
    metavar="WAV",
    help="Play a file when the far end falls silent; may be given more than once.",
)
@click.option("--echo", is_flag=True, help="Say back what is heard.")
@click.option("--agent", is_flag=True, help="Let the agent of sip.conf talk, in place of --play, --echo and --dtmf.")
@click.option(
    "--record",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    callback=output_file,
    metavar="WAV",
    help="Record, stereo; a file called .ogg is Ogg Opus.",
)
@click.option("--dtmf", default="", callback=keys, metavar="1#", help="Press keys once the call stands.")
@click.option(
    "--duration",
    type=click.FloatRange(min=0, min_open=True),
    default=30.0,
    show_default=True,
    help="Seconds after which to hang up.",
)
@common
def dial(
    settings: Settings,
    target: str,
    account: str,
    play: tuple[Path, ...],
    echo: bool,
    agent: bool,
    record: Path | None,
    dtmf: str,
    duration: float,
) -> int:
    """Call TARGET: sip:6001@192.0.2.1:5060, or a number at the PBX of an account."""
    if agent and (play or echo or dtmf):
        raise ConfigurationError("--agent talks by itself: leave --play, --echo and --dtmf out")
    plan = None if agent else CallPlan(lines=play, digits=dtmf, echo=echo, duration=duration)
    return event_loop.run(_dial(settings, target, account, plan, record, duration))


async def _dial(
    settings: Settings, target: str, account: str, plan: CallPlan | None, record: Path | None, duration: float
) -> int:
    """Call, and carry out the plan, or without one let the agent talk."""
    configuration = _only(settings.configuration(), account, target)
    if plan is None:
        _require_agent(configuration)
    phone = Softphone(
        configuration=configuration,
        trace=settings.tap(),
        recording=(lambda call_id: record) if record is not None else None,
    )
    phone.watch(settings.report().take)
    registered = _registration(phone)
    async with phone:
        if configuration.accounts:
            await _in_time(registered)
            outbound = phone.call(target)
        elif configuration.trunks:
            with contextlib.suppress(TimeoutError):  # then the call says what is missing
                await asyncio.wait_for(phone.trunk_found(*configuration.trunks), REGISTERED_WITHIN)
            outbound = phone.call(target)
        else:
            outbound = await phone.call_directly(target)
        call = await outbound.answered()
        if plan is not None:
            await converse(call, plan)
        else:
            await _let_agent_talk(phone, call, duration)
    return OK


async def _let_agent_talk(phone: Softphone, call: Call, duration: float) -> None:
    """Give the call to the agent of the line that it was placed on, for so many seconds at most."""
    lines = [*phone.configuration.accounts, *phone.configuration.trunks]
    end = asyncio.get_running_loop().call_later(duration, call.hang_up)
    try:
        await phone.converse(call, account=lines[0] if lines else "")
    finally:
        end.cancel()


def _require_agent(configuration: Configuration) -> None:
    """Raise ConfigurationError if the agent cannot talk."""
    require_available(configuration)
    lines: list[Account | Trunk] = [*configuration.accounts.values(), *configuration.trunks.values()]
    section = configuration.agents[lines[0].agent if lines else ""]
    require_keys(configuration, PROVIDERS[section.pipeline])


def _only(configuration: Configuration, account: str, target: str) -> Configuration:
    """Return the configuration with the one line that calls, on a port of its own: `run` may be using ours."""
    general = replace(configuration.general, bind=Address(configuration.general.bind.host, 0))
    if account in configuration.trunks:
        return replace(configuration, general=general, accounts={}, trunks={account: configuration.trunks[account]})
    if account and account not in configuration.accounts:
        raise ConfigurationError(f"there is no [account {account}] and no [trunk {account}]")
    name = account or ("" if target.startswith(("sip:", "sips:")) else next(iter(configuration.accounts), ""))
    if not name and not target.startswith(("sip:", "sips:")):
        raise ConfigurationError(f"{target}: without an account the target is an address, such as sip:6001@192.0.2.1")
    accounts = {name: configuration.accounts[name]} if name else {}
    return replace(configuration, general=general, accounts=accounts, trunks={})


def _registration(phone: Softphone) -> "asyncio.Future[None]":
    """Return what is done when the account is registered, and raises CallFailed when it is refused."""
    outcome: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def take(stamped: Stamped) -> None:
        if outcome.done():
            return
        match stamped.event:
            case Registered():
                outcome.set_result(None)
            case RegistrationFailed(code=code, reason=reason, hint=hint):
                words = f"{reason} to our registration" if code else f"not registered: {reason}"
                outcome.set_exception(CallFailed(code, f"{words}: {hint}" if hint else words))

    phone.watch(take)
    return outcome


async def _in_time(registered: "asyncio.Future[None]") -> None:
    try:
        await asyncio.wait_for(registered, REGISTERED_WITHIN)
    except TimeoutError:
        raise CallFailed(408, f"the registrar did not answer within {REGISTERED_WITHIN:g} s") from None
