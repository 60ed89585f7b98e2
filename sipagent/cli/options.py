"""The options that work after every subcommand, and what they say as one value."""

import functools
import logging
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec

import click

from sipagent.cli.report import JsonReport, TextReport
from sipagent.cli.trace import Trace
from sipagent.config import Configuration, load
from sipagent.errors import (
    CallFailed,
    CaptureError,
    ConfigurationError,
    NoPortFree,
    RegistrationError,
    SecretMissing,
    SipagentError,
)

P = ParamSpec("P")

OK, FAILED, USAGE, REGISTRATION, QUALITY, INTERRUPTED = 0, 1, 2, 3, 4, 130
TRACES = ("sip", "rtp", "rtcp", "provider", "agent")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the common options say."""

    config: Path | None
    overrides: tuple[str, ...]
    json: bool
    trace: frozenset[str]
    verbose: int

    def configuration(self) -> Configuration:
        """Load sip.conf, environment and `--set`. Raises ConfigurationError."""
        return load(self.config, os.environ, self.overrides)

    def report(self) -> JsonReport | TextReport:
        """Return what prints the events of a phone."""
        if self.json:
            return JsonReport(sys.stdout, provider="provider" in self.trace)
        return TextReport(click.echo, agent="agent" in self.trace)

    def tap(self) -> Trace | None:
        """Return what prints messages, packets and frames, if any are wanted."""
        wanted = self.trace - {"agent"}
        return Trace(wanted, functools.partial(click.echo, err=True)) if wanted else None


def output_file(ctx: click.Context, param: click.Parameter, value: Path | None) -> Path | None:
    """Look whether a file can be made where an option says, before anything is done that it should keep."""
    if value is not None and not os.access(value.parent, os.W_OK | os.X_OK):
        raise click.BadParameter(f"{value}: no file can be written in {value.parent}")
    return value


def _traces(ctx: click.Context, param: click.Parameter, value: str | None) -> frozenset[str]:
    wanted = frozenset(filter(None, (value or "").split(",")))
    if unknown := wanted - set(TRACES):
        raise click.BadParameter(f"{', '.join(sorted(unknown))}: choose from {', '.join(TRACES)}")
    return wanted


def common(command: Callable[..., int]) -> Callable[..., None]:
    """Give a command the common options as `settings`; make an exit code of its result, and sentences of its errors."""

    @click.option("-c", "--config", type=click.Path(path_type=Path), help="The sip.conf to use.")
    @click.option("--set", "overrides", multiple=True, metavar="'SECTION.KEY=VALUE'", help="Override one option.")
    @click.option("--trace", callback=_traces, metavar="sip,rtp,…", help=f"Show: {', '.join(TRACES)}.")
    @click.option("--json", "as_json", is_flag=True, help="One event a line, as JSON.")
    @click.option("-v", "verbose", count=True, help="Log more; -vv for all.")
    @click.version_option(package_name="sipagent", prog_name="sipagent")
    @click.help_option("-h", "--help")
    @functools.wraps(command)
    def run(
        config: Path | None,
        overrides: tuple[str, ...],
        trace: frozenset[str],
        as_json: bool,
        verbose: int,
        **arguments: Any,
    ) -> None:
        settings = Settings(config=config, overrides=overrides, json=as_json, trace=trace, verbose=verbose)
        logging.basicConfig(level=_level(verbose), format="%(levelname)s %(message)s", stream=sys.stderr)
        sys.exit(_outcome(functools.partial(command, settings=settings, **arguments)))

    return run


def _level(verbose: int) -> int:
    return (logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)]


def _outcome(command: Callable[[], int]) -> int:
    try:
        return command()
    except (CaptureError, ConfigurationError, SecretMissing) as error:
        return _say(error, USAGE)
    except RegistrationError as error:
        return _say(error, REGISTRATION)
    except (CallFailed, NoPortFree, SipagentError) as error:
        return _say(error, FAILED)
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED


def _say(error: SipagentError, code: int) -> int:
    click.echo(f"sipagent: {error}", err=True)
    return code
