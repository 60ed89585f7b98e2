"""Stories of one call: greeting, answers, interruptions, digits, tools, farewell."""

import asyncio

from sipagent.agent.agent import Agent
from sipagent.events import CallerSaid, DigitReceived, MediaEnded, MediaStarted
from sipagent.testing.providers import ScriptedOpenAI

HELLO = "Hello! How can I help today?"


async def nothing(stage):
    pass


def test_the_greeting_is_spoken_at_once_without_the_model_and_entered_in_the_history(stage):
    played = stage(Agent("Be kind.", greeting=HELLO)).play(nothing)

    assert played.cartesia.spoken == [HELLO]
    assert played.openai.sent("response.create") == []
    (item,) = played.openai.sent("conversation.item.create")
    assert item["item"]["content"] == [{"type": "output_text", "text": HELLO}]
    assert played.call.sent[0].time < 0.2
    assert [(said.heard_text, said.interrupted) for said in played.said] == [(HELLO, False)]


def test_a_turn(stage):
    async def script(stage):
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


def test_barge_in(stage):
    async def script(stage):
        await asyncio.sleep(3)
        stage.openai.caller_says("Tell me a story.")
        await asyncio.sleep(1.5 + 3)
        stage.barged_in = stage.now
        stage.openai.caller_says("Stop.")

    story = "Once upon a time there was a fisherman, who lived by the sea. He had a boat, and a cat. " * 3
    played = stage(Agent(greeting=HELLO), openai=ScriptedOpenAI(story, "All right.")).play(script)

    at = played.barged_in
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


def test_digits(stage):
    async def script(stage):
        await asyncio.sleep(1)
        stage.call.publish(DigitReceived(digit="1"))

    played = stage(Agent(greeting=HELLO), openai=ScriptedOpenAI("You chose sales.")).play(script)

    assert [said.interrupted for said in played.said] == [True, False]
    assert played.said[1].heard_text == "You chose sales."
    asked = played.openai.sent("conversation.item.create")[-1]
    assert asked["item"]["content"][0]["text"] == "The caller pressed 1."
