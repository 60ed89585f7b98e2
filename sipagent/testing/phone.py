"""Dial your own agent in a test: a caller and the phone with the agent on it, over a network in memory.

    async def talk() -> None:
        async with Rehearsal(agent, ScriptedOpenAI("It left this morning.")) as rehearsal:
            caller = await rehearsal.dial()
            assert await caller.hears() == "Hello! How can I help today?"
            caller.says("Where is my parcel?")
            assert await caller.hears() == "It left this morning."

    def test_the_agent_knows_where_the_parcel_is() -> None:
        run(talk())

SIP, SDP, RTP and the provider protocols are the real ones; time is virtual, and every run is the same.
"""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Self

from sipagent.agent.agent import Agent
from sipagent.audio import tones
from sipagent.audio.encoding import PCMU, UNITS, Transcoder, encode, rate
from sipagent.call import Call
from sipagent.capture.bundle import Bundle, header_record
from sipagent.capture.configuration import portable
from sipagent.capture.writer import BundleWriter
from sipagent.config import Configuration
from sipagent.events import AgentSaid, Stamped
from sipagent.performance import Scenario
from sipagent.phone import Softphone
from sipagent.testing.call import SCRIPTED_KEYS
from sipagent.testing.network import Network
from sipagent.testing.scripted_cartesia import ScriptedCartesia
from sipagent.testing.scripted_openai import ScriptedOpenAI
from sipagent.testing.world import world_in_memory

PHONE, CALLER = "10.0.0.1", "10.0.0.2"
PATIENCE = 30.0
"""Seconds to wait for what the agent says, or for the end of a call."""


class Rehearsal:
    """A phone with `agent` (or a scenario) on it, and somebody to ring it. Entered on the loop of `testing.run`.

    `openai` and `cartesia` stand for the providers; `network` can lose, delay and reorder what is sent. With
    `capture`, a path without suffix, the call is captured there, and can be replayed.
    """

    def __init__(
        self,
        agent: Agent | Scenario,
        openai: ScriptedOpenAI | None = None,
        cartesia: ScriptedCartesia | None = None,
        *,
        network: Network | None = None,
        configuration: Configuration | None = None,
        capture: Path | None = None,
    ) -> None:
        self.openai = openai or ScriptedOpenAI()
        self.cartesia = cartesia or ScriptedCartesia()
        self.network = network or Network(delay=0.01)
        self.events: list[Stamped] = []
        """All that happened on the agent's phone."""
        self._configuration = _with_keys(configuration or Configuration())
        self._capture = capture
        sockets = {"openai": self.openai.open_socket, "cartesia": self.cartesia.open_socket}
        self.phone = Softphone(
            configuration=self._configuration,
            world=world_in_memory(self.network, PHONE, sockets=sockets),
            tap=self._tap if capture else None,
        )
        self.phone.watch(self.events.append)
        self._caller = Softphone(world=world_in_memory(self.network, CALLER))
        self._agent = agent

    async def __aenter__(self) -> Self:
        await self.phone.__aenter__()
        await self._caller.__aenter__()
        self.phone.answer_with(self._agent)
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._caller.__aexit__(*exception)
        await self.phone.idle(PATIENCE)
        await self.phone.__aexit__(*exception)

    async def dial(self) -> "Caller":
        """Ring, and wait for the answer. Raises CallFailed if the agent does not take the call."""
        outbound = await self._caller.call_directly(f"sip:agent@{PHONE}")
        call_id = outbound.call_id
        said: asyncio.Queue[str] = asyncio.Queue()

        def listen(stamped: Stamped) -> None:
            if stamped.call_id == call_id and isinstance(stamped.event, AgentSaid):
                said.put_nowait(stamped.event.heard_text)

        self.phone.watch(listen)
        return Caller(await outbound.answered(), self.openai, said)

    def _tap(self, call_id: str) -> BundleWriter:
        now = asyncio.get_running_loop().time()
        header = header_record(call_id, now, epoch=0.0, configuration=portable(self._configuration), in_code=True)
        return BundleWriter(Bundle(self._capture or Path()), header, secrets=SCRIPTED_KEYS.values())


class Caller:
    """Who rang. `call` is the caller's end of the call, `heard` what came out of the receiver (PCMU)."""

    def __init__(self, call: Call, openai: ScriptedOpenAI, said: "asyncio.Queue[str]") -> None:
        self.call = call
        self.heard = bytearray()
        self._narrow = Transcoder()
        self._openai = openai
        self._said = said
        call.send_media_to(self)

    def says(self, text: str, seconds: float = 1.0) -> None:
        """Speak for so long (a tone stands for it), and be understood as `text`."""
        encoding = self.call.encoding
        samples = round(seconds * UNITS) * rate(encoding) // UNITS
        self.call.speak(encode(tones.sine(400, samples, rate=rate(encoding)), encoding))
        if self._openai.session:  # nobody hears a caller whose recogniser never connected
            self._openai.caller_says(text, seconds)

    async def hears(self) -> str:
        """Wait for the agent's next turn to be over, and return what of it the caller was sent."""
        async with asyncio.timeout(PATIENCE):
            return await self._said.get()

    def presses(self, digits: str) -> None:
        """Press keys, after what is being said."""
        self.call.send_digits(digits)

    def hangs_up(self) -> None:
        """End the call."""
        self.call.hang_up()

    async def is_hung_up_on(self) -> None:
        """Wait for the agent to end the call."""
        async with asyncio.timeout(PATIENCE):
            await self.call.disconnected()

    def hear(self, audio: bytes, encoding: str, *, voiced: bool) -> None:
        """Take what the agent sends, as a `Hearer`."""
        self.heard += self._narrow.convert(audio, encoding, PCMU)


def _with_keys(configuration: Configuration) -> Configuration:
    return replace(
        configuration,
        openai=replace(configuration.openai, api_key=SCRIPTED_KEYS["openai"]),
        cartesia=replace(configuration.cartesia, api_key=SCRIPTED_KEYS["cartesia"]),
    )
