"""Stories of one call: greeting, answers, interruptions, digits, tools, farewell."""

import asyncio
import contextlib

from sipagent.agent.agent import Agent
from sipagent.audio.encoding import PCMU
from sipagent.events import CallerSaid, DigitReceived, HoldChanged, MediaEnded, MediaStarted, ToolCall
from sipagent.providers.cartesia_tts import CartesiaTTS
from sipagent.providers.openai_realtime import OpenAIRealtime
from sipagent.testing.call import SCRIPTED_KEYS, ScriptedCall, surround
from sipagent.testing.clock import run
from sipagent.testing.providers import Fault, ScriptedCartesia, ScriptedOpenAI, Silence, ToolUse
from tests.agent.stage import CLIPS, MakeStage, Stage, longest_silence

HELLO = "Hello! How can I help today?"


async def nothing(stage: Stage) -> None:
    pass


def test_the_greeting_is_spoken_at_once_without_the_model_and_entered_in_the_history(stage: MakeStage) -> None:
    played = stage(Agent("Be kind.", greeting=HELLO)).play(nothing)

    assert played.cartesia.spoken == [HELLO]
    assert played.openai.sent("response.create") == []
    (item,) = played.openai.sent("conversation.item.create")
    assert item["item"]["content"] == [{"type": "output_text", "text": HELLO}]
    assert played.call.sent[0].time < 0.2
    assert [(said.heard_text, said.interrupted) for said in played.said] == [(HELLO, False)]


def test_a_turn(stage: MakeStage) -> None:
    async def script(stage: Stage) -> None:
        await asyncio.sleep(3)
        stage.openai.caller_says("Where is my parcel?")

    answer = "It left the warehouse this morning, and should be with you tomorrow. Anything else?"
    played = stage(Agent(greeting=HELLO), openai=ScriptedOpenAI(answer)).play(script)

    assert played.cartesia.spoken == [HELLO, answer]
    assert [event.text for event in played.call.of(CallerSaid)] == ["Where is my parcel?"]
    assert [said.heard_text for said in played.said] == [HELLO, answer]
    stopped = 3 + 1.5
    first = next(frame.time for frame in played.call.sent if frame.time > stopped)
    assert first - stopped < 0.3 + 0.2 + 0.1, "the first phrase is spoken while the rest streams"
    assert len(played.call.of(MediaStarted)) == len(played.call.of(MediaEnded)) == 2


def test_barge_in(stage: MakeStage) -> None:
    async def script(stage: Stage) -> None:
        await asyncio.sleep(3)
        stage.openai.caller_says("Tell me a story.")
        await asyncio.sleep(1.5 + 3)
        stage.notes["barge-in"] = stage.now
        stage.openai.caller_says("Stop.")

    story = "Once upon a time there was a fisherman, who lived by the sea. He had a boat, and a cat. " * 3
    played = stage(Agent(greeting=HELLO), openai=ScriptedOpenAI(story, "All right.")).play(script)

    at = played.notes["barge-in"]
    assert played.call.spoken_between(at + 0.04, at + 1.5) == 0, "within a tick, and no late chunk"
    heard = played.said[1]
    assert heard.interrupted
    assert story.startswith(heard.heard_text)
    assert "Once upon a time there was a" in heard.heard_text
    assert len(heard.heard_text) < 50
    assert played.said[2].heard_text == "All right."
    texts = ["".join(part.get("text") or "" for part in item["content"]) for item in played.openai.items]
    assert texts == [HELLO, "", heard.heard_text, "", "All right."], "the history says what was heard, in its place"
    assert len(played.cartesia.cancelled) <= 1


def test_digits(stage: MakeStage) -> None:
    async def script(stage: Stage) -> None:
        await asyncio.sleep(1)
        stage.call.publish(DigitReceived(digit="1"))

    played = stage(Agent(greeting=HELLO), openai=ScriptedOpenAI("You chose sales.")).play(script)

    assert [said.interrupted for said in played.said] == [True, False]
    assert played.said[1].heard_text == "You chose sales."
    texts = [item["content"][0].get("text") for item in played.openai.items]
    assert texts == [played.said[0].heard_text, "The caller pressed 1.", "You chose sales."]


def test_a_digit_during_a_long_answer_ends_it(stage: MakeStage) -> None:
    async def script(stage: Stage) -> None:
        stage.openai.caller_says("What can you do?")
        await asyncio.sleep(3)
        stage.call.publish(DigitReceived(digit="2"))

    menu = "Press one for sales, press two for service, press three to hear this again. " * 3
    played = stage(Agent(), openai=ScriptedOpenAI(menu, "Service it is.")).play(script)

    assert [(said.generated_text, said.interrupted) for said in played.said] == [
        (menu, True),
        ("Service it is.", False),
    ]


def test_the_model_words_the_greeting(stage: MakeStage) -> None:
    agent = Agent("You are Voxi.", greeting_instructions="Greet the caller by name.")
    played = stage(agent, openai=ScriptedOpenAI("Good morning, Ms Park.")).play(nothing)

    (asked,) = played.openai.sent("response.create")
    assert asked["response"]["instructions"] == "You are Voxi.\n\nGreet the caller by name."
    assert played.said[0].heard_text == "Good morning, Ms Park."


def test_an_a_law_call(stage: MakeStage) -> None:
    played = stage(Agent(greeting=HELLO), encoding="pcma").play(nothing)

    assert played.cartesia.received[0]["output_format"]["encoding"] == "pcm_alaw"
    assert played.said[0].heard_text == HELLO


def test_interrupted_before_a_word_was_heard(stage: MakeStage) -> None:
    async def script(stage: Stage) -> None:
        stage.openai.caller_says("Hm,")
        await asyncio.sleep(1.5 + 0.33)
        stage.openai.caller_says("I mean, what time is it?")

    played = stage(Agent(), openai=ScriptedOpenAI("Yes, how can I help you?", "It is noon.")).play(script)

    assert [said.heard_text for said in played.said] == ["", "It is noon."]
    assert [item["role"] for item in played.openai.items] == ["user", "user", "assistant"]


def test_the_caller_hangs_up_in_the_middle_of_an_answer(stage: MakeStage) -> None:
    async def script(stage: Stage) -> None:
        await asyncio.sleep(1)
        stage.call.caller_hangs_up()

    played = stage(Agent(greeting=HELLO)).play(script)

    assert all(connection.ended for connection in [*played.openai.connections, *played.cartesia.connections])
    assert played.call.hung_up_at is None
    assert [(said.heard_text, said.interrupted) for said in played.said] == [("Hello! How can", True)]
    assert played.call.of(MediaEnded)[0].duration > 0.7


def test_an_agent_that_is_stopped_in_the_middle_of_an_answer_does_nothing_any_more() -> None:
    openai = ScriptedOpenAI("It left the warehouse this morning. " * 9, faults=[Fault(silent_after=30)])
    cartesia = ScriptedCartesia()

    async def story() -> None:
        call = ScriptedCall(PCMU)
        surround(call, {"openai": openai.open_socket, "cartesia": cartesia.open_socket}, SCRIPTED_KEYS)
        async with Agent(greeting_instructions="Tell all.").prepare(OpenAIRealtime, CartesiaTTS, clips=CLIPS) as talk:
            await talk.ready()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(talk.converse(call), 1)
        await asyncio.sleep(30)

    run(story())
    (session,), (voice,) = openai.connections, cartesia.connections
    assert session.ended
    assert voice.ended


def test_two_answers_are_spoken_in_their_order(stage: MakeStage) -> None:
    """An answer with a tool call, and the one that follows it, while the first is still being heard."""

    def lookup(number: str) -> str:
        """Look an order up."""
        return f"{number} left"

    replies = ScriptedOpenAI(ToolUse("lookup", '{"number": "7"}', text="Let me look that up for you."), "It has left.")
    agent = Agent(tools=[lookup])

    async def script(stage: Stage) -> None:
        stage.openai.caller_says("Where is order seven?")

    played = stage(agent, openai=replies).play(script)

    assert [said.heard_text for said in played.said] == ["Let me look that up for you.", "It has left."]
    (output,) = (item for item in played.openai.items if item["type"] == "function_call_output")
    assert output["output"] == "7 left"
    assert len(played.openai.sent("response.create")) == 1
    assert played.clip_times(CLIPS.one_moment) == []


def test_a_tool_takes_long(stage: MakeStage) -> None:
    """The caller is asked for patience, again and again, and the provider is not blamed."""

    async def think() -> str:
        """Think."""
        await asyncio.sleep(11)
        return "forty-two"

    async def script(stage: Stage) -> None:
        stage.openai.caller_says("What is the answer?")

    replies = ScriptedOpenAI(ToolUse("think", text="Let me think."), "Forty-two.")
    played = stage(Agent(tools=[think]), openai=replies).play(script, seconds=30)

    assert [said.heard_text for said in played.said] == ["Let me think.", "Forty-two."]
    assert len(played.openai.connections) == 1
    assert longest_silence(played, since=1.5) < 5


def test_a_tool_that_the_caller_no_longer_waits_for(stage: MakeStage) -> None:
    """It runs on behind the next answer: no patience is asked for, no provider blamed, and its result not said."""

    async def think() -> str:
        """Think."""
        await asyncio.sleep(15)
        return "forty-two"

    async def script(stage: Stage) -> None:
        stage.openai.caller_says("What is the answer?")
        await asyncio.sleep(4)
        stage.openai.caller_says("Never mind. What time is it?")

    replies = ScriptedOpenAI(ToolUse("think", text="Let me think."), "Noon.")
    played = stage(Agent(tools=[think]), openai=replies).play(script, seconds=40)

    assert [said.heard_text for said in played.said] == ["Let me think.", "Noon."]
    assert [time for time in played.clip_times(CLIPS.one_moment) if time > 6] == []
    assert len(played.openai.connections) == 1


def test_a_tool_that_does_not_exist(stage: MakeStage) -> None:
    async def script(stage: Stage) -> None:
        stage.openai.caller_says("Do it.")

    played = stage(Agent(), openai=ScriptedOpenAI(ToolUse("fly"), "I cannot.")).play(script)

    (output,) = (item for item in played.openai.items if item["type"] == "function_call_output")
    assert output["output"] == "Error: there is no tool called fly."
    assert played.said[0].heard_text == "I cannot."


def test_arguments_that_are_no_json(stage: MakeStage) -> None:
    async def script(stage: Stage) -> None:
        stage.openai.caller_says("Do it.")

    played = stage(Agent(), openai=ScriptedOpenAI(ToolUse("fly", "{"), "Sorry?")).play(script)

    assert played.call.of(ToolCall) == []
    assert played.said[0].heard_text == "Sorry?"


def test_hanging_up_after_the_farewell_was_heard(stage: MakeStage) -> None:
    async def script(stage: Stage) -> None:
        stage.openai.caller_says("That was all, thank you.")

    farewell = "You are welcome. Have a nice day, and goodbye!"
    played = stage(Agent(), openai=ScriptedOpenAI(ToolUse("hang_up", text=farewell))).play(script)

    assert played.said[0].heard_text == farewell
    assert not played.said[0].interrupted
    assert played.hung_up_at - played.call.sent[-1].time < 0.05


def test_hanging_up_without_a_word_says_goodbye_first(stage: MakeStage) -> None:
    async def script(stage: Stage) -> None:
        stage.openai.caller_says("Bye.")

    played = stage(Agent(), openai=ScriptedOpenAI(ToolUse("hang_up"))).play(script)

    assert len(played.clip_times(CLIPS.goodbye)) == 50
    assert played.hung_up_at - played.clip_times(CLIPS.goodbye)[-1] < 0.05


def test_a_farewell_is_not_interrupted_by_the_caller_s_own(stage: MakeStage) -> None:
    async def script(stage: Stage) -> None:
        stage.openai.caller_says("Bye.")
        await asyncio.sleep(1.5 + 1)
        stage.openai.caller_says("Bye bye!", seconds=0.5)

    farewell = "Thank you for calling, and goodbye from all of us!"
    played = stage(Agent(), openai=ScriptedOpenAI(ToolUse("hang_up", text=farewell))).play(script)

    assert played.said[0].heard_text == farewell
    assert played.hung_up_at - played.call.sent[-1].time < 0.05


def test_the_caller_takes_the_farewell_back_in_time(stage: MakeStage) -> None:
    """He speaks while the model is still wording it: that answer is dead, and so is its hang_up."""

    async def script(stage: Stage) -> None:
        stage.openai.caller_says("Bye.")
        await asyncio.sleep(1.5 + 0.34)
        stage.openai.caller_says("No, wait!")

    farewell = "Thank you for calling, and goodbye from all of us!"
    played = stage(Agent(), openai=ScriptedOpenAI(ToolUse("hang_up", text=farewell), "Yes?")).play(script)

    assert played.said[-1].heard_text == "Yes?"
    assert played.call.hung_up_at is None


def test_on_hold_nobody_loses_patience(stage: MakeStage) -> None:
    """The caller puts us on hold while we think, and hears the answer when he is back."""

    async def script(stage: Stage) -> None:
        stage.openai.caller_says("What is the answer?")
        await asyncio.sleep(2)
        stage.call.publish(HoldChanged(held=True))
        await asyncio.sleep(20)
        assert len(stage.openai.connections) == 1
        stage.call.publish(HoldChanged(held=False))

    played = stage(Agent(), openai=ScriptedOpenAI(Silence(), "Forty-two.")).play(script, seconds=60)

    assert played.clip_times(CLIPS.one_moment)[0] > 25
    assert [said.heard_text for said in played.said] == ["Forty-two."]
