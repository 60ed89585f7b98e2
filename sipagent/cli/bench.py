"""`sipagent bench`: how many calls this machine carries, and what one costs."""

import functools
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import click

from sipagent.bench.figures import Bar, Figures, Verdict, Window, bars
from sipagent.bench.host import Calibration, alone, machine
from sipagent.bench.measure import Bench
from sipagent.bench.site import Setting, built
from sipagent.cli.options import FAILED, OK, QUALITY, Settings, common
from sipagent.cli.report import json_line

FEW = 100
"""Calls among which what the phone costs by itself still tells."""
APPENDS = ("20", "40", "60", "80", "100", "grow")


@click.command()
@click.option("--calls", type=click.IntRange(1, 5000), help="So many calls. Without it: the most that are carried.")
@click.option("--seconds", type=click.FloatRange(2, 600), default=10.0, show_default=True, help="How long to listen.")
@click.option("--append", type=click.Choice(APPENDS), default="grow", show_default=True,
              help="Milliseconds of audio that go to the model at a time; `grow` as the phone does it.")  # fmt: skip
@click.option("--plain", is_flag=True, help="Providers without TLS.")
@click.option("--shared", is_flag=True, help="One RTP port for all calls.")
@click.option("--pipeline", type=click.Choice(["half-cascade", "echo"]), default="half-cascade", show_default=True)
@common
def bench(
    settings: Settings, calls: int | None, seconds: float, append: str, plain: bool, shared: bool, pipeline: str
) -> int:
    """Measure how many calls this machine carries.

    Starts a phone on a core of its own, providers that cost nothing, and callers, each in a process of its own on
    loopback; no key is used and nothing leaves the machine. Ends with 4 if something is worse than promised.
    """
    setting = Setting(pipeline=pipeline, append=None if append == "grow" else int(append), shared=shared, tls=not plain)
    told = functools.partial(click.echo, err=True)
    with alone(told), tempfile.TemporaryDirectory() as directory:
        calibration = Calibration.measure()
        if not settings.json:
            click.echo(f"{setting}\n{machine()}\n{calibration}\n")
        with built(setting, Path(directory)) as site:
            process = Bench(site, told)
            figures = process.search(seconds) if calls is None else process.measure(calls, seconds)
    judged = bars(figures, is_echo=setting.is_echo, append=setting.append)
    if settings.json:
        click.echo(_as_json(setting, calibration, figures, judged))
    else:
        click.echo("\n".join(["", *_table(judged, figures.window), *_remarks(figures, calibration)]))
    verdicts = {bar.verdict(figures.window) for bar in judged}
    return QUALITY if Verdict.MISSED in verdicts else FAILED if Verdict.UNKNOWN in verdicts else OK


def _table(judged: list[Bar], window: Window) -> list[str]:
    lines = [f"{'milliseconds, where no unit is said':52}{'':>9}{'must':>10}{'aim':>9}"]
    for bar in judged:
        verdict = bar.verdict(window)
        if bar.value is not None:
            asked = (_limit(bar.must, bar), _limit(bar.aim, bar), verdict.value if verdict else "")
            lines.append(f"{bar.name:52}{bar.value:9g}{asked[0]:>10}{asked[1]:>9}   {asked[2]}".rstrip())
    return lines


def _limit(limit: float | None, bar: Bar) -> str:
    return "" if limit is None else f"{'≥' if bar.is_least else '≤'} {limit:g}"


def _remarks(figures: Figures, calibration: Calibration) -> list[str]:
    window = figures.window
    remarks = [
        "",
        f"A call costs {window.processor_ms / calibration.call_second:.1f} times what 50 packets and 50 short loops a"
        f" second cost on this machine; generator and stand-ins took {window.load_percent:g} % of a core.",
        f"The worker waited {window.waiting_percent:g} % of the time for its core, of which others had"
        f" {window.others_percent:g} % and the hypervisor {window.stolen_percent:g} %.",
    ]
    if window.calls < FEW:
        remarks.append("The bars are for hundreds of calls: what a phone costs by itself weighs much among so few.")
    if window.is_disturbed:
        remarks.append("That is too much: every window was disturbed, and none can tell how steady the calls are.")
    if window.lost_by_kernel or window.sent_late:
        remarks.append(
            f"Not the phone's doing: {window.sent_late} packets sent late by the load generator,"
            f" {window.lost_by_kernel} without room in a socket of this machine."
        )
    return remarks


def _as_json(setting: Setting, calibration: Calibration, figures: Figures, judged: list[Bar]) -> str:
    verdicts = [(bar, bar.verdict(figures.window)) for bar in judged]
    shown = [{**asdict(bar), "verdict": verdict.name.lower() if verdict else None} for bar, verdict in verdicts]
    fields = {
        "setting": asdict(setting),
        "machine": machine(),
        "calibration": asdict(calibration),
        "processor_by_calibration": round(figures.window.processor_ms / calibration.call_second, 3),
        "figures": asdict(figures),
        "bars": shown,
    }
    return json_line("Bench", time.time(), fields)
