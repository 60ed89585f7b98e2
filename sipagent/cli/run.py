"""`sipagent run`: the phone as a service, from sip.conf, a Python file or an account on the command line."""

import importlib
import importlib.util
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import click

from sipagent import event_loop
from sipagent.agent.agent import Agent
from sipagent.cli.options import INTERRUPTED, OK, Settings, common
from sipagent.config import Account, Configuration
from sipagent.config.limits import unavailable
from sipagent.config.save import save
from sipagent.errors import ConfigurationError
from sipagent.performance import Scenario
from sipagent.service import serve

LEGS = ("ai", "tts")


def local_legs(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[str, ...]:
    """Read `--local`, `--local=ai`, `--local=tts`."""
    wanted = tuple(filter(None, (value or "").split(",")))
    if unknown := set(wanted) - set(LEGS):
        raise click.BadParameter(f"{', '.join(sorted(unknown))}: choose from ai, tts")
    return wanted


@click.command()
@click.argument("target", required=False, metavar="[TARGET]")
@click.option(
    "--local",
    is_flag=False,
    flag_value="ai,tts",
    callback=local_legs,
    metavar="[=ai,tts]",
    help="Engines on this machine in the providers' place: no keys, no cloud.",
)
@click.option("--require-registration", is_flag=True, help="End with 3 if the registrar refuses us.")
@click.option("--save", "save_account", is_flag=True, help="Write the account given as TARGET to sip.conf.")
@common
def run(
    settings: Settings, target: str | None, local: tuple[str, ...], require_registration: bool, save_account: bool
) -> int:
    """Answer calls.

    TARGET is an agent or scenario (app.py:agent, package.module:scenario) or an account (sip:6001@pbx.example.com,
    its password from a prompt or SIPAGENT_PASSWORD); without it sip.conf says all.
    """
    configuration = settings.configuration()
    agent: Agent | Scenario | None = None
    if target is not None and target.startswith(("sip:", "sips:")):
        configuration = _with_account(configuration, target, save_account)
    elif save_account:
        raise ConfigurationError("--save goes with an account as TARGET: sipagent run sip:6001@pbx.example.com --save")
    elif target is not None:
        agent = load_agent(target)
    for sentence in unavailable(configuration):
        click.echo(f"note: {sentence}", err=True)
    told = event_loop.run(
        serve(
            configuration,
            agent,
            local=local,
            watchers=[settings.report().take],
            trace=settings.tap(),
            require_registration=require_registration,
            started=lambda phone: click.echo(f"listening on {phone.address}; Ctrl-C ends", err=True),
        )
    )
    return INTERRUPTED if told is signal.SIGINT else OK


def load_agent(target: str) -> Agent | Scenario:
    """Import `app.py:name` or `package.module:name`. Raises ConfigurationError where there is no such thing."""
    place, colon, name = target.rpartition(":")
    if not colon or not place or not name:
        raise ConfigurationError(f"{target}: name a file or module and what is in it, such as app.py:agent")
    try:
        module = _module_of(place)
    except ImportError as error:
        raise ConfigurationError(f"{place}: cannot be imported: {error}") from error
    except SyntaxError as error:
        raise ConfigurationError(f"{error.filename}:{error.lineno}: {error.msg}") from error
    found = getattr(module, name, None)
    if not isinstance(found, Agent) and not callable(found):
        raise ConfigurationError(f"{target}: there is no agent or scenario called {name}")
    return found


def _module_of(place: str) -> object:
    if not place.endswith(".py"):
        sys.path.insert(0, os.getcwd())
        return importlib.import_module(place)
    path = Path(place)
    if not path.is_file():
        raise ConfigurationError(f"{place}: no such file")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ConfigurationError(f"{place}: not a Python file")
    sys.path.insert(0, str(path.parent.resolve()))
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(spec.name, module)  # dataclasses and pickle look there for what a module has
    spec.loader.exec_module(module)
    return module


def _with_account(configuration: Configuration, address: str, save_it: bool) -> Configuration:
    account = Account(address)  # before the question: an address that is none needs no password
    password = os.environ.get("SIPAGENT_PASSWORD") or click.prompt("Password", hide_input=True, err=True)
    account = replace(account, password=password)
    if save_it:
        path = configuration.file or Path("sip.conf")
        save(account, path)
        click.echo(f"saved {path}", err=True)
    return replace(configuration, accounts={account.name: account})
