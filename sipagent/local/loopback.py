"""The common frame of both local servers: a WebSocket server on loopback, in a process that leaves with its parent.

python -m sipagent.local.openai_server --port 0      prints `ready PORT`, serves, ends when its standard input ends
"""

import argparse
import asyncio
import itertools
import sys
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from weakref import WeakKeyDictionary

from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from sipagent.local.faults import Plan, find, parse, plan_of

HOST = "127.0.0.1"
MAX_FRAME = 2**25

Handler = Callable[[ServerConnection, Plan], Awaitable[None]]
Door = Callable[[ServerConnection, Request], Response | None]


def arguments(description: str) -> argparse.ArgumentParser:
    """The options that both servers have."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--port", type=int, default=0, help="0 takes any free port")
    parser.add_argument("--fault", default="", help="misbehave on every connection; see sipagent.local.faults")
    return parser


async def serve_until_parent_leaves(handler: Handler, door: Door, options: argparse.Namespace) -> None:
    """Serve on loopback; say `ready PORT` on standard output; return when standard input ends.

    `door` sees the HTTP request before the upgrade and may answer it instead.
    """
    standing, numbers = parse(options.fault), itertools.count(1)
    plans: WeakKeyDictionary[ServerConnection, Plan] = WeakKeyDictionary()  # the refused ones are never handled

    async def enter(connection: ServerConnection, request: Request) -> Response | None:
        plan = plans[connection] = plan_of(request.path, standing, next(numbers))
        if (slow := find(plan, "slow")) is not None:
            await asyncio.sleep(slow.number(0) / 1000)
        if (refuse := find(plan, "refuse")) is not None:
            return connection.respond(HTTPStatus(refuse.number(0, 503)), "fault\n")
        return door(connection, request)

    async def handle(connection: ServerConnection) -> None:
        await handler(connection, plans.pop(connection))

    async with serve(handle, HOST, options.port, process_request=enter, compression=None, max_size=MAX_FRAME) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        sys.stdout.write(f"ready {port}\n")
        sys.stdout.flush()
        await _end_of_input()


async def _end_of_input() -> None:
    """Wait until our parent closes its end of our standard input, on purpose or by dying."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer)
    while await reader.read(1024):
        pass
