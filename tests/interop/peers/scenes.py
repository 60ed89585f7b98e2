"""Scenarios for `sipagent run scenes.py:NAME`: programs of a user, each of which does one thing to its caller.

They need no provider, and so no model's mood decides what happens on the wire.
"""

import asyncio

from sipagent import Call, InboundCall
from sipagent.audio import g711, tones
from sipagent.events import ProgressHeard

UNTIL_TALKING = 1.0
"""Seconds of talk before anything is done to a call."""


async def echo(incoming: InboundCall) -> None:
    """Answer, and say back what is heard until the caller goes."""
    call = await _answered(incoming)
    await call.disconnected()


async def hold(incoming: InboundCall) -> None:
    """Put the caller on hold for two seconds."""
    call = await _answered(incoming)
    await asyncio.sleep(UNTIL_TALKING)
    assert await call.hold()
    await asyncio.sleep(2)
    assert await call.resume()
    await call.disconnected()


async def hang_up(incoming: InboundCall) -> None:
    """Talk for a second, and end the call."""
    call = await _answered(incoming)
    await asyncio.sleep(UNTIL_TALKING)
    call.hang_up()


async def ring(incoming: InboundCall) -> None:
    """Ring, and never answer."""
    incoming.ring()
    await asyncio.sleep(60)


async def refer(incoming: InboundCall) -> None:
    """Send the caller away by REFER."""
    await _transfer(incoming, "refer")


async def bridge(incoming: InboundCall) -> None:
    """Call the target, and join both."""
    await _transfer(incoming, "bridge")


async def consult_and_refer(incoming: InboundCall) -> None:
    """Talk to the target first, then let the caller take our place (RFC 3891)."""
    await _transfer(incoming, "refer", consult=True)


async def consult_and_bridge(incoming: InboundCall) -> None:
    """Talk to the target first, then join both."""
    await _transfer(incoming, "bridge", consult=True)


async def listen(incoming: InboundCall) -> None:
    """Listen to what the line tells without words; after a beep leave two seconds of 700 Hz, and go."""
    call = await incoming.answer()
    call.listen_for_progress()
    async for event in call.events():
        if isinstance(event, ProgressHeard) and event.sign == "beep":
            call.speak(g711.encode(tones.sine(700.0, 16_000), g711.PCMU))
            await asyncio.sleep(2.5)
            call.hang_up()


async def tone(incoming: InboundCall) -> None:
    """Answer, and let the caller hear 700 Hz for half a minute."""
    incoming.ring()
    call = await incoming.answer()
    call.speak(g711.encode(tones.sine(700.0, 240_000), g711.PCMU))
    await call.disconnected()


async def _answered(incoming: InboundCall) -> Call:
    incoming.ring()
    call = await incoming.answer()
    call.send_media_to(call)
    return call


async def _transfer(incoming: InboundCall, mode: str, *, consult: bool = False) -> None:
    call = await _answered(incoming)
    await asyncio.sleep(UNTIL_TALKING)
    await call.transfer("desk", mode=mode, announce=_ask if consult else None)
    await call.disconnected()


async def _ask(desk: Call) -> bool:
    """A consultation: the person at the desk is asked, and takes the call."""
    await asyncio.sleep(1)
    return True
