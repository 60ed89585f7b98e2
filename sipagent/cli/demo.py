"""`sipagent demo`: no keys, no PBX. Local engines, the agent on a port of this machine, and one real call to it."""

import asyncio
import contextlib
import socket
from dataclasses import replace
from importlib.resources import as_file, files
from pathlib import Path

import click

from sipagent import event_loop
from sipagent.caller import CallPlan, converse
from sipagent.cli.options import FAILED, OK, Settings, common
from sipagent.config import Configuration
from sipagent.config.values import Capture, PortRange, Recording
from sipagent.errors import ConfigurationError
from sipagent.events import Disconnected, Stamped
from sipagent.net.nat import local_address_towards
from sipagent.phone import Softphone
from sipagent.record import CallRecord, Turn
from sipagent.service import answering
from sipagent.sip.flow import Address

LINES = ("caller_opening_hours", "caller_goodbye", "caller_yes")
"""What the demo's caller says, each as a WAV of `local/clips`."""
NOTICE = "Offline demo: the engines are pocketsphinx, Silero and espeak-ng, here. They know a few phrases only."
LONGEST = 60.0
FIRST_PORT = 5060
CALLER = "sip:demo-caller@127.0.0.1"
CALLER_PORTS = PortRange(42000, 42099)
ELSEWHERE = "192.0.2.1"
"""An address that is on no network (RFC 5737): the way to it shows which address of ours the network sees."""


@click.command()
@click.option("--once", is_flag=True, help="End after the call that the demo places itself.")
@click.option("--lan", is_flag=True, help="Let phones on your network ring, not only this machine.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("calls"), show_default=True,
              help="Where recording, capture, journal and record of each call go.")  # fmt: skip
@common
def demo(settings: Settings, once: bool, lan: bool, out: Path) -> int:
    """Show it working: no keys, no PBX.

    Starts local engines in the providers' place, the agent on port 5060 or the next free one, and places a real call
    to it, which you can watch. Then it waits for your softphone.
    """
    return event_loop.run(_demo(settings, once=once, lan=lan, out=out))


async def _demo(settings: Settings, *, once: bool, lan: bool, out: Path) -> int:
    host = "0.0.0.0" if lan else "127.0.0.1"
    configuration = _configured(settings.configuration(), Address(host, _free_port(host)), out)
    reached = (local_address_towards(ELSEWHERE) if lan else None) or "127.0.0.1"
    address = f"sip:agent@{Address(reached, configuration.general.bind.port)}"
    say = (lambda text: None) if settings.json else click.echo
    judge = Judge()
    say(NOTICE)
    watchers = [settings.report().take, judge.take]
    async with answering(configuration, local=("ai", "tts"), watchers=watchers, trace=settings.tap()) as phone:
        say(f"The agent answers at {address}\n")
        await _place_call(configuration.general.bind.port)
        await asyncio.wait_for(judge.over.wait(), LONGEST)
        await phone.idle(2.0)
        say(f"\n{judge.verdict}\nKept in {out}: {', '.join(_matching(out, judge.pattern))}")
        if once:
            return OK if judge.is_right else FAILED
        say(f"\nNow you: dial {address} from a softphone (no registration). Ctrl-C ends.")
        await asyncio.get_running_loop().create_future()
    return OK


def _matching(directory: Path, pattern: str) -> list[str]:
    return sorted(path.name for path in directory.glob(pattern))


async def _place_call(port: int) -> None:
    """Ring the agent over UDP, as any other phone would."""
    general = replace(Configuration().general, bind=Address("127.0.0.1", 0), rtp_ports=CALLER_PORTS)
    with contextlib.ExitStack() as stack:
        clips = files("sipagent.local").joinpath("clips")
        lines = [stack.enter_context(as_file(clips.joinpath(f"{name}.wav"))) for name in LINES]
        async with Softphone(configuration=Configuration(general=general)) as caller:
            outbound = await caller.call_directly(f"sip:agent@127.0.0.1:{port}", sender=CALLER)
            await converse(await outbound.answered(), CallPlan(lines=lines, duration=LONGEST))


class Judge:
    """Watches the demo's own call, and says whether it went as it should."""

    def __init__(self) -> None:
        self.over = asyncio.Event()
        self._record: CallRecord | None = None

    def take(self, stamped: Stamped) -> None:
        """Take an event; only the first call counts."""
        if not stamped.call_id:
            return
        if self._record is None:
            self._record = CallRecord(call_id=stamped.call_id, engine="local")
        if stamped.call_id == self._record.call_id:
            self._record.take(stamped)
            if isinstance(stamped.event, Disconnected):
                self.over.set()

    @property
    def is_right(self) -> bool:
        """The caller was understood, and answered."""
        return self._understood and bool(self._answer)

    @property
    def pattern(self) -> str:
        """Matches the files of the call."""
        letters = "".join(filter(str.isalnum, self._record.call_id))[:12] if self._record else ""
        return f"*-{letters}.*"

    @property
    def verdict(self) -> str:
        """One line about the call."""
        if not self.is_right:
            return "Something is wrong: the call has no understood phrase with an answer. Run it with --trace agent."
        latencies = [turn.latency_ms for turn in self._turns if turn.latency_ms is not None]
        typical = f", {sorted(latencies)[len(latencies) // 2]} ms from turn to answer" if latencies else ""
        return f"It works: the caller was understood and answered{typical}."

    @property
    def _understood(self) -> bool:
        return any(turn.who == "caller" and "hours" in turn.text for turn in self._turns)

    @property
    def _answer(self) -> str:
        """What the caller heard after the first thing that they said."""
        after = iter(self._turns)
        for turn in after:
            if turn.who == "caller":
                break
        return next((turn.heard for turn in after if turn.who == "agent"), "")

    @property
    def _turns(self) -> list[Turn]:
        return self._record.turns if self._record else []


def _configured(configuration: Configuration, bind: Address, out: Path) -> Configuration:
    """Return the demo's configuration: this port, no account, everything of a call kept in `out`."""
    return replace(
        configuration,
        general=replace(configuration.general, bind=bind),
        accounts={},
        trunks={},
        record=replace(configuration.record, calls=Recording.WAV, capture=Capture.PCAP, directory=out),
    )


def _free_port(host: str) -> int:
    """Return 5060, or the next port above that nobody has."""
    for port in range(FIRST_PORT, FIRST_PORT + 100, 2):
        with socket.socket(type=socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as asyncio does when it listens
            try:
                udp.bind((host, port))
                tcp.bind((host, port))
            except OSError:
                continue
            return port
    raise ConfigurationError(f"no port from {FIRST_PORT} to {FIRST_PORT + 98} is free")
