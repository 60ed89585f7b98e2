"""Faults that the local servers can be told to have: the test kit for whoever talks to them.

A plan is a text: `stall:5`, or several, `delay:200,close:9:1011`. It comes from `--fault`, for every connection, or
from the query `?fault=` of one. `@N` keeps a fault to the N-th connection of the server: `refuse:503@1`.

    refuse:STATUS      answer the upgrade with this HTTP status
    slow:MS            hold the upgrade back
    delay:MS           hold every frame back
    stall:N            send N frames, then nothing more; the connection stays
    close:N:CODE       close with this code after N frames (1011)
    reset:N            abort the TCP connection after N frames
    garbage:N          a frame that is no JSON after N frames
    unknown:N          an event of an unknown type after N frames
    big:N              a frame over 1 MiB after N frames
    late:N             send N chunks more of a cancelled context (Cartesia)
    twice              repeat every terminal event
"""

import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

TERMINAL = frozenset({"response.done", "done"})
KINDS = frozenset({"refuse", "slow", "delay", "stall", "close", "reset", "garbage", "unknown", "big", "late", "twice"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One line of the table above, with its numbers."""

    kind: str
    numbers: tuple[int, ...] = ()
    connection: int | None = None

    def number(self, index: int, default: int = 0) -> int:
        """The fault's number at this place."""
        return self.numbers[index] if index < len(self.numbers) else default


Plan = tuple[Fault, ...]


def parse(text: str) -> Plan:
    """Read a plan. Raises ValueError for an unknown fault."""
    return tuple(_parse_one(each.strip()) for each in text.split(",") if each.strip())


def plan_of(path: str, standing: Plan, connection: int) -> Plan:
    """The faults of one connection: those of its URL, and the server's standing ones that concern it."""
    asked = parse(",".join(parse_qs(urlsplit(path).query).get("fault", ())))
    return tuple(fault for fault in (*asked, *standing) if fault.connection in (None, connection))


def find(plan: Plan, kind: str) -> Fault | None:
    """The first fault of this kind."""
    return next((fault for fault in plan if fault.kind == kind), None)


async def deliver(connection: ServerConnection, frames: asyncio.Queue[str], plan: Plan) -> None:
    """Send `frames` over the connection as they come, with all the faults of the plan, until it is closed."""
    delay, twice = find(plan, "delay"), find(plan, "twice")
    for sent in itertools.count():
        frame = await frames.get()
        if delay is not None:
            await asyncio.sleep(delay.number(0) / 1000)
        try:
            for fault in plan:
                if fault.kind in _AFTER_FRAMES and fault.number(0) == sent:
                    await _AFTER_FRAMES[fault.kind](connection, fault)
            await connection.send(frame)
            if twice and json.loads(frame)["type"] in TERMINAL:
                await connection.send(frame)
        except ConnectionClosed:
            return
        finally:
            frames.task_done()


async def _stall(connection: ServerConnection, fault: Fault) -> None:
    await connection.wait_closed()


async def _close(connection: ServerConnection, fault: Fault) -> None:
    await connection.close(fault.number(1, 1011), "fault")


async def _reset(connection: ServerConnection, fault: Fault) -> None:
    connection.transport.abort()
    await connection.wait_closed()


async def _garbage(connection: ServerConnection, fault: Fault) -> None:
    await connection.send('{"type": "respon')


async def _unknown(connection: ServerConnection, fault: Fault) -> None:
    await connection.send(json.dumps({"type": "model.daydreamed", "event_id": "event_fault", "dream": {"sheep": 3}}))


async def _big(connection: ServerConnection, fault: Fault) -> None:
    await connection.send(json.dumps({"type": "model.rambled", "event_id": "event_fault", "text": "a" * 2**20}))


_AFTER_FRAMES: Mapping[str, Callable[[ServerConnection, Fault], Awaitable[None]]] = {
    "stall": _stall,
    "close": _close,
    "reset": _reset,
    "garbage": _garbage,
    "unknown": _unknown,
    "big": _big,
}


def _parse_one(text: str) -> Fault:
    fault, _, connection = text.partition("@")
    kind, *numbers = fault.split(":")
    if kind not in KINDS:
        raise ValueError(f"no fault {kind!r}; there are {', '.join(sorted(KINDS))}")
    return Fault(
        kind=kind,
        numbers=tuple(int(each) for each in numbers),
        connection=int(connection) if connection else None,
    )
