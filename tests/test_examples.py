"""The examples as they are, dialled from a handset: what is said and heard, and what the model is told of it."""

import asyncio
import importlib.util
from pathlib import Path
from typing import Any

import pytest

from sipagent import AgentSaid, CallerSaid, Disconnected, ToolCall
from sipagent.clips import shipped
from sipagent.config import Configuration, General
from sipagent.config.options import Cartesia, OpenAI
from sipagent.events import ProviderFailed
from sipagent.testing.providers import Failure, Fault, ScriptedCartesia, ScriptedOpenAI, Silence, ToolUse
from sipagent.testing.scripted_openai import Reply
from tests.exchange import Exchange
from tests.handset import TICK, TONE, silences, voiced

EXAMPLES = Path(__file__).parents[1] / "examples"
KEYS = Configuration(general=General(), openai=OpenAI(api_key="sk-scripted"), cartesia=Cartesia(api_key="sk_car_s"))
GREETING = "Hello! How can I help today?"
STORY = "Once upon a time there was a fisherman, who lived by the sea. He had a boat, and a cat. " * 3


def load(name: str) -> Any:
    """Import an example from its file."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


hello, half_cascade = load("hello").agent, load("half_cascade").half_cascade
both = pytest.mark.parametrize("example", [hello, half_cascade], ids=["hello", "half_cascade"])


class Bench:
    """An example on a phone, with both providers scripted."""

    def __init__(self, example: Any, openai: ScriptedOpenAI, cartesia: ScriptedCartesia | None = None) -> None:
        self.openai = openai
        self.cartesia = cartesia or ScriptedCartesia()
        sockets = {"openai": self.openai.open_socket, "cartesia": self.cartesia.open_socket}
        self.exchange = Exchange(example, configuration=KEYS, sockets=sockets)

    @property
    def texts(self) -> list[str]:
        """The conversation as the model has it; the caller's audio is left out."""
        parts = [part.get("text") for item in self.openai.items for part in item.get("content", ())]
        return [text for text in parts if text]

    def all_closed(self) -> bool:
        return all(socket.ended for socket in [*self.openai.connections, *self.cartesia.connections])


def model(example: Any, *replies: Reply, **options: Any) -> ScriptedOpenAI:
    """The model; the greeting of `half_cascade` is its own, that of `hello` is read out."""
    return ScriptedOpenAI(*([GREETING] if example is half_cascade else []), *replies, **options)


@both
def test_greeting_question_answer_and_goodbye_of_the_caller(example: Any) -> None:
    bench = Bench(example, model(example, "It left the warehouse this morning."))

    async def story(exchange: Exchange) -> None:
        assert await exchange.handset.calls() == 200
        await asyncio.sleep(4)
        bench.openai.caller_says("Where is my order?")
        await asyncio.sleep(8)
        await exchange.handset.hangs_up()
        assert await exchange.phone.idle(1)

    told = bench.exchange.tell(story)
    assert bench.cartesia.spoken == [GREETING, "It left the warehouse this morning."]
    assert [event.text for event in told.of(CallerSaid)] == ["Where is my order?"]
    assert len(voiced(told.handset)) * TICK == pytest.approx(sum(map(len, bench.cartesia.spoken)) / 14, abs=0.2)
    assert bench.texts == [GREETING, "It left the warehouse this morning."]
    assert bench.all_closed()
    assert [ended.by for ended in told.of(Disconnected)] == ["caller"]


@both
def test_the_greeting_is_heard_soon(example: Any) -> None:
    bench = Bench(example, model(example))

    async def story(exchange: Exchange) -> None:
        await exchange.handset.calls()
        await asyncio.sleep(3)
        await exchange.handset.hangs_up()

    first = voiced(bench.exchange.tell(story).handset)[0]
    assert first.time < (0.2 if example is hello else 0.7)


@both
def test_what_the_caller_says_reaches_the_model_as_it_came(example: Any) -> None:
    bench = Bench(example, model(example))

    async def story(exchange: Exchange) -> None:
        await exchange.handset.calls()
        await asyncio.sleep(1)
        await exchange.handset.says()
        await asyncio.sleep(1)
        await exchange.handset.hangs_up()

    bench.exchange.tell(story)
    assert TONE in bytes(bench.openai.heard)
    session = bench.openai.session
    assert session["output_modalities"] == ["text"]
    assert session["audio"]["input"]["format"]["type"] == "audio/pcmu"
    assert session["audio"]["input"]["turn_detection"]["type"] == "server_vad"


@both
def test_barge_in_stops_the_voice_within_a_tick_and_nothing_of_that_answer_comes_after(example: Any) -> None:
    bench = Bench(example, model(example, STORY, "All right."))
    times: dict[str, float] = {}

    async def story(exchange: Exchange) -> None:
        await exchange.handset.calls()
        await asyncio.sleep(4)
        bench.openai.caller_says("Tell me a story.")
        await asyncio.sleep(5)
        times["barge-in"] = exchange.now
        bench.openai.caller_says("Stop.")
        await asyncio.sleep(5)
        await exchange.handset.hangs_up()

    told = bench.exchange.tell(story)
    frames = [frame.time for frame in voiced(told.handset)]
    before = max(time for time in frames if time < times["barge-in"] + 1.5)
    assert before <= times["barge-in"] + 1.5 * TICK
    assert any(time > times["barge-in"] + 1.5 for time in frames), "and the next answer is spoken"


def test_after_barge_in_the_model_knows_what_was_heard() -> None:
    bench = Bench(hello, model(hello, STORY, "All right."))

    async def story(exchange: Exchange) -> None:
        await exchange.handset.calls()
        await asyncio.sleep(4)
        bench.openai.caller_says("Tell me a story.")
        await asyncio.sleep(5)
        bench.openai.caller_says("Stop.")
        await asyncio.sleep(5)
        await exchange.handset.hangs_up()

    told = bench.exchange.tell(story)
    greeting, interrupted, last = told.of(AgentSaid)
    assert not greeting.interrupted
    assert interrupted.interrupted
    assert STORY.startswith(interrupted.heard_text)
    assert 20 < len(interrupted.heard_text) < 60
    assert last.heard_text == "All right."
    assert bench.texts == [GREETING, interrupted.heard_text, "All right."]


def test_the_caller_who_hangs_up_in_the_middle_leaves_what_they_heard() -> None:
    bench = Bench(hello, model(hello, STORY))

    async def story(exchange: Exchange) -> None:
        await exchange.handset.calls()
        await asyncio.sleep(4)
        bench.openai.caller_says("Tell me a story.")
        await asyncio.sleep(5)
        await exchange.handset.hangs_up()

    told = bench.exchange.tell(story)
    _, interrupted = told.of(AgentSaid)
    assert interrupted.interrupted
    assert STORY.startswith(interrupted.heard_text)
    assert told.of(Disconnected) == [told.events[-2].event], (
        "behind the end of the call there is its quality, and no more"
    )


def test_a_tool_is_called_and_its_answer_spoken() -> None:
    answer = "Order 17 left this morning."
    bench = Bench(hello, model(hello, ToolUse("order_status", '{"number": "17"}', text="Let me see."), answer))

    async def story(exchange: Exchange) -> None:
        await exchange.handset.calls()
        await asyncio.sleep(4)
        bench.openai.caller_says("Where is order seventeen?")
        await asyncio.sleep(8)
        await exchange.handset.hangs_up()

    told = bench.exchange.tell(story)
    assert [(call.name, dict(call.arguments)) for call in told.of(ToolCall)] == [("order_status", {"number": "17"})]
    outputs = [item["output"] for item in bench.openai.items if item["type"] == "function_call_output"]
    assert outputs == ["Order 17 left the warehouse this morning."]
    assert bench.cartesia.spoken == [GREETING, "Let me see.", answer]


def test_the_agent_hangs_up_when_its_farewell_was_heard() -> None:
    farewell = "You are welcome. Goodbye!"
    bench = Bench(hello, model(hello, ToolUse("hang_up", text=farewell)))

    async def story(exchange: Exchange) -> None:
        await exchange.handset.calls()
        await asyncio.sleep(4)
        bench.openai.caller_says("Thank you, that was all.")
        await exchange.handset.is_hung_up_on()
        assert await exchange.phone.idle(1)

    told = bench.exchange.tell(story)
    assert told.of(AgentSaid)[-1].heard_text == farewell
    assert told.handset.hung_up_at is not None
    assert told.handset.hung_up_at - voiced(told.handset)[-1].time < 0.1
    assert bench.all_closed()


# ---- providers that fail


REFUSED, NEVER_OPENS = [Fault(refuse=401)] * 4, [Fault(never_opens=True)] * 4


@pytest.mark.parametrize(
    ("openai", "cartesia"),
    [(REFUSED, []), ([], REFUSED), (REFUSED, REFUSED)],
    ids=["openai", "cartesia", "both"],
)
@both
def test_a_wrong_key_ends_the_call_within_five_seconds_and_not_in_silence(
    example: Any, openai: list[Fault], cartesia: list[Fault]
) -> None:
    bench = Bench(example, model(example, faults=openai), ScriptedCartesia(faults=cartesia))

    async def story(exchange: Exchange) -> None:
        assert await exchange.handset.calls() == 200
        await exchange.handset.is_hung_up_on()
        assert await exchange.phone.idle(1)

    told = bench.exchange.tell(story)
    assert told.of(ProviderFailed)
    assert all("sk" not in failed.reason for failed in told.of(ProviderFailed))
    assert told.handset.hung_up_at is not None
    if example is hello:
        heard = b"".join(heard.packet.payload for heard in told.handset.heard)
        assert shipped().apology in heard
    assert told.handset.hung_up_at < 5 + len(shipped().apology) / 8000
    assert max(silences(told.handset)) < 5


@pytest.mark.parametrize(("openai", "cartesia"), [(NEVER_OPENS, []), ([], NEVER_OPENS)], ids=["openai", "cartesia"])
def test_a_provider_that_never_answers_is_not_waited_for(openai: list[Fault], cartesia: list[Fault]) -> None:
    bench = Bench(hello, model(hello, faults=openai), ScriptedCartesia(faults=cartesia))

    async def story(exchange: Exchange) -> None:
        assert await exchange.handset.calls() == 200
        assert exchange.handset.codes() == [100, 180, 200]
        assert exchange.now == pytest.approx(1.5, abs=0.1)
        await exchange.handset.is_hung_up_on()

    told = bench.exchange.tell(story)
    heard = b"".join(heard.packet.payload for heard in told.handset.heard)
    assert shipped().apology in heard
    assert max(silences(told.handset, since=1.5)) < 5


@pytest.mark.parametrize("reply", [Failure(), Silence()], ids=["failed response", "no response"])
def test_an_answer_that_fails_is_asked_for_again_or_apologised_for(reply: Reply) -> None:
    bench = Bench(hello, model(hello, reply, reply, reply))

    async def story(exchange: Exchange) -> None:
        await exchange.handset.calls()
        await asyncio.sleep(4)
        bench.openai.caller_says("Where is my order?")
        await exchange.handset.is_hung_up_on()

    told = bench.exchange.tell(story)
    assert max(silences(told.handset, since=5.5)) < 5, "from the end of the caller's turn"
