"""The pipelines of sip.conf: when a call is answered, how long it may last, and what an agent leaves to its section."""

import asyncio
from dataclasses import replace

import pytest

from sipagent import Agent, Disconnected
from sipagent.clips import shipped
from sipagent.config import Account, AgentSection, Configuration
from sipagent.config.options import Cartesia, OpenAI
from sipagent.config.values import Answer, Pipeline, TurnDetection
from sipagent.pipelines import INSTRUCTIONS, completed
from sipagent.testing.providers import Fault, ScriptedCartesia, ScriptedOpenAI
from tests.exchange import Exchange
from tests.handset import HANDSET, TONE, Registrar, voiced

KEYS = Configuration(openai=OpenAI(api_key="sk-scripted"), cartesia=Cartesia(api_key="sk_car_scripted"))


def phone_with(section: AgentSection, openai: ScriptedOpenAI | None = None, agent: Agent | None = None) -> Exchange:
    """A phone whose [agent] is `section`, with scripted providers."""
    ai, tts = openai or ScriptedOpenAI(), ScriptedCartesia()
    sockets = {"openai": ai.open_socket, "cartesia": tts.open_socket}
    return Exchange(agent, configuration=replace(KEYS, agents={"": section}), sockets=sockets, serves=True)


def test_providers_that_are_ready_answer_at_once() -> None:
    async def story(exchange: Exchange) -> None:
        assert await exchange.handset.calls() == 200
        assert exchange.now < 0.05
        assert exchange.handset.codes() == [100, 180, 200]
        await exchange.handset.hangs_up()

    phone_with(AgentSection()).tell(story)


def test_answer_now_waits_for_nobody() -> None:
    async def story(exchange: Exchange) -> None:
        assert await exchange.handset.calls() == 200
        assert exchange.now == 0
        assert exchange.handset.codes() == [100, 200]
        await exchange.handset.hangs_up()

    phone_with(AgentSection(answer=Answer.NOW), ScriptedOpenAI(faults=[Fault(never_opens=True)])).tell(story)


def test_the_caller_who_gives_up_while_providers_connect() -> None:
    openai = ScriptedOpenAI(faults=[Fault(never_opens=True)])

    async def story(exchange: Exchange) -> None:
        exchange.handset.ring()
        await asyncio.sleep(1)
        exchange.handset.cancel()
        assert await exchange.handset.final() == 487
        assert await exchange.phone.idle(3)

    told = phone_with(AgentSection(), openai).tell(story)
    assert len(told.of(Disconnected)) == 1


def test_a_call_that_has_lasted_long_enough_is_brought_to_a_polite_end() -> None:
    async def story(exchange: Exchange) -> None:
        await exchange.handset.calls()
        await exchange.handset.is_hung_up_on()
        assert await exchange.phone.idle(1)

    told = phone_with(AgentSection(greeting="Hello!", max_duration=10)).tell(story)
    heard = b"".join(heard.packet.payload for heard in told.handset.heard)
    assert shipped().goodbye in heard
    assert told.handset.hung_up_at == pytest.approx(10 + len(shipped().goodbye) / 8000, abs=0.1)
    assert told.of(Disconnected)[0].reason == "the longest duration of a call is over"


def test_the_echo_says_back_what_it_hears() -> None:
    async def story(exchange: Exchange) -> None:
        await exchange.handset.calls()
        await exchange.handset.says(TONE)
        await asyncio.sleep(0.5)
        await exchange.handset.hangs_up()

    told = phone_with(AgentSection(pipeline=Pipeline.ECHO)).tell(story)
    assert TONE[800:-800] in b"".join(heard.packet.payload for heard in told.handset.heard)


def test_an_agent_in_code_answers_whatever_the_section_says() -> None:
    async def story(exchange: Exchange) -> None:
        await exchange.handset.calls()
        await asyncio.sleep(3)
        await exchange.handset.hangs_up()

    told = phone_with(AgentSection(pipeline=Pipeline.ECHO), agent=Agent(greeting="Good morning!")).tell(story)
    assert voiced(told.handset)


def test_an_account_has_the_agent_that_it_names() -> None:
    account = Account(f"sip:6001@{HANDSET}", agent="office")
    agents = {"": AgentSection(), "office": AgentSection(name="office", pipeline=Pipeline.ECHO)}
    configuration = Configuration(accounts={account.name: account}, agents=agents)

    async def story(exchange: Exchange) -> None:
        await asyncio.sleep(1)
        assert await exchange.handset.calls() == 200
        await exchange.handset.says(TONE)
        await asyncio.sleep(0.5)
        await exchange.handset.hangs_up()

    told = Exchange(None, configuration=configuration, handset_type=Registrar, serves=True).tell(story)
    assert TONE[800:-800] in b"".join(heard.packet.payload for heard in told.handset.heard)


# ---- what code says comes before the file, and the file before the default


def test_an_agent_that_leaves_everything_open() -> None:
    agent = completed(Agent(), AgentSection())
    assert agent.instructions == INSTRUCTIONS
    assert agent.greeting == ""
    assert agent.turn_detection == "server_vad"


def test_the_section_fills_what_the_agent_leaves_open() -> None:
    section = AgentSection(
        instructions="Be brief.",
        greeting="Hello!",
        language="de",
        silence_ms=300,
        turn_detection=TurnDetection.SEMANTIC_VAD,
    )
    agent = completed(Agent(), section)
    assert (agent.instructions, agent.greeting, agent.language) == ("Be brief.", "Hello!", "de")
    assert (agent.silence_ms, agent.turn_detection) == (300, "semantic_vad")


def test_the_agent_s_own_words_come_first() -> None:
    section = AgentSection(instructions="Be brief.", greeting="Hello!", language="de", silence_ms=300)
    own = Agent("Be kind.", greeting="Good morning!", language="en", silence_ms=700)
    agent = completed(own, section)
    assert (agent.instructions, agent.greeting, agent.language, agent.silence_ms) == (
        "Be kind.",
        "Good morning!",
        "en",
        700,
    )


def test_an_agent_that_words_its_greeting_is_not_given_another() -> None:
    agent = completed(Agent(greeting_instructions="Greet by name."), AgentSection(greeting="Hello!"))
    assert (agent.greeting, agent.greeting_instructions) == ("", "Greet by name.")


def test_an_echo_ends_when_its_longest_duration_is_over() -> None:
    async def story(exchange: Exchange) -> None:
        assert await exchange.handset.calls() == 200
        await exchange.handset.is_hung_up_on()
        assert 3 <= exchange.now < 6

    phone_with(AgentSection(pipeline=Pipeline.ECHO, max_duration=3)).tell(story)
