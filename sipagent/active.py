"""One call of the switchboard, with all that belongs to it."""

import asyncio
from dataclasses import dataclass

from sipagent.call import Call
from sipagent.call_media import LegMedia
from sipagent.following import Following
from sipagent.line import Line
from sipagent.ringing import OutboundCall


@dataclass(slots=True, kw_only=True)
class Active:
    """One call, from its INVITE until it is over and nothing of it runs any more."""

    call: Call
    line: Line
    media: LegMedia
    outbound: OutboundCall | None = None
    following: Following | None = None
    """While the far end has us call somebody else."""
    life: "asyncio.Task[None] | None" = None
