"""The local OpenAI Realtime: events and their order, interruption, tools, errors, faults."""

import asyncio
import time

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from sipagent.audio import g711
from sipagent.audio.resample import resample
from sipagent.local.servers import LocalServers
from tests.local.wire import SECOND, SILENCE, Frame, Running, kinds, realtime, running, said, text_of, turn

HANG_UP = {"type": "function", "name": "hang_up", "description": "", "parameters": {"type": "object", "properties": {}}}
PCMU = {"format": {"type": "audio/pcmu"}}


def test_a_spoken_turn_is_answered_in_the_services_order(local: Running) -> None:
    async def call() -> list[Frame]:
        async with realtime(local.servers) as client:
            await client.configure()
            await client.hear(turn("What are your opening hours?"))
            return await client.until("rate_limits.updated")

    frames = local.run(call())
    assert kinds(frames) == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
    ]
    by_kind = {frame["type"]: frame for frame in frames}
    spoken = by_kind["input_audio_buffer.committed"]["item_id"]
    assert by_kind["input_audio_buffer.speech_started"]["item_id"] == spoken
    assert by_kind["response.output_item.done"]["item"]["content"][0]["type"] == "output_text"
    assert by_kind["response.done"]["response"]["status"] == "completed"
    assert by_kind["response.done"]["response"]["usage"]["output_tokens"] > 0
    deltas = [frame for frame in frames if frame["type"] == "response.output_text.delta"]
    assert "".join(frame["delta"] for frame in deltas) == text_of(frames)
    assert all(frame["obfuscation"] for frame in deltas)
    assert "nine in the morning" in text_of(frames)


def test_the_audio_clock_counts_samples_and_the_onset_includes_the_padding(local: Running) -> None:
    async def call() -> tuple[int, int]:
        async with realtime(local.servers) as client:
            detection = {"type": "server_vad", "prefix_padding_ms": 200, "silence_duration_ms": 400}
            await client.configure(audio={"input": {**PCMU, "turn_detection": detection}})
            await client.hear(SILENCE * SECOND + turn("What time is it?"))
            frames = await client.until("input_audio_buffer.speech_stopped")
            return frames[-2]["audio_start_ms"], frames[-1]["audio_end_ms"]

    started, stopped = local.run(call())
    speech_begins = 1500
    speech_ends = speech_begins + len(said("What time is it?")) * 1000 // SECOND
    assert started == pytest.approx(speech_begins - 200, abs=120)
    assert stopped == pytest.approx(speech_ends + 400, abs=250)


def test_without_audio_the_clock_stands_still_and_the_turn_does_not_end(local: Running) -> None:
    async def call() -> None:
        async with realtime(local.servers) as client:
            await client.configure()
            await client.hear(SILENCE * SECOND + said("What are your opening hours?"))
            await client.until("input_audio_buffer.speech_started")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.receive(), 1.0)

    local.run(call())


def test_transcription_comes_when_it_was_asked_for(local: Running) -> None:
    async def call() -> Frame:
        async with realtime(local.servers) as client:
            await client.configure(audio={"input": {**PCMU, "transcription": {"model": "gpt-4o-mini-transcribe"}}})
            await client.hear(turn("Where are you located?"))
            return (await client.until("conversation.item.input_audio_transcription.completed"))[-1]

    completed = local.run(call())
    assert completed["transcript"] == "where are you located"
    assert completed["usage"]["type"] == "duration"


def test_all_three_input_formats_are_understood(local: Running) -> None:
    samples = g711.decode(turn("What time is it?"), "pcmu")
    wide = resample(samples, 8000, 24000)

    async def call(audio_format: dict[str, object], audio: bytes) -> str:
        async with realtime(local.servers) as client:
            await client.configure(audio={"input": {"format": audio_format}})
            await client.hear(audio)
            return text_of(await client.until("response.done"))

    assert "It is" in local.run(call({"type": "audio/pcma"}, g711.encode(samples, "pcma")))
    assert "It is" in local.run(call({"type": "audio/pcm", "rate": 24000}, wide.astype("<i2").tobytes()))


def test_speech_interrupts_a_response_that_is_being_generated(local: Running) -> None:
    async def call() -> list[Frame]:
        async with realtime(local.servers) as client:
            await client.configure()
            await client.write("help")
            await client.send("response.create")
            await client.until("response.output_text.delta")
            await client.hear(SILENCE * (SECOND // 4) + said("What time is it?"))
            return await client.until("response.done")

    frames = local.run(call())
    assert kinds(frames[-6:]) == [
        "input_audio_buffer.speech_started",
        "response.output_text.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
    ]
    response = frames[-1]["response"]
    assert (response["status"], response["status_details"]["reason"]) == ("cancelled", "turn_detected")
    assert response["output"][0]["status"] == "incomplete"
    assert response["usage"] is not None


def test_with_interruption_off_a_response_goes_on_and_the_turn_has_to_wait(local: Running) -> None:
    async def call() -> list[Frame]:
        async with realtime(local.servers) as client:
            detection = {"type": "server_vad", "interrupt_response": False, "silence_duration_ms": 200}
            await client.configure(audio={"input": {**PCMU, "turn_detection": detection}})
            await client.write("help")
            await client.send("response.create")
            await client.until("response.created")
            await client.hear(turn("yes"))
            return await client.until("response.done")

    frames = local.run(call())
    assert frames[-1]["response"]["status"] == "completed"
    errors = [frame["error"]["code"] for frame in frames if frame["type"] == "error"]
    assert errors == ["conversation_already_has_active_response"]


def test_the_client_may_cancel_once(local: Running) -> None:
    async def call() -> tuple[Frame, Frame]:
        async with realtime(local.servers) as client:
            await client.configure()
            await client.send("response.create")
            await client.until("response.created")
            await client.send("response.cancel")
            done = (await client.until("response.done"))[-1]
            await client.send("response.cancel", event_id="again")
            return done, (await client.until("error"))[-1]

    done, error = local.run(call())
    assert done["response"]["status_details"]["reason"] == "client_cancelled"
    assert error["error"]["code"] == "response_cancel_not_active"
    assert error["error"]["event_id"] == "again"


def test_keys_are_answered_as_the_menu_says(local: Running) -> None:
    async def call() -> tuple[str, str]:
        async with realtime(local.servers) as client:
            await client.configure()
            return await client.ask("The caller pressed 1."), await client.ask("The caller pressed 9.")

    hours, again = local.run(call())
    assert "Monday to Friday" in hours
    assert again == hours


def test_it_hangs_up_by_tool_after_a_yes_and_only_if_there_is_such_a_tool(local: Running) -> None:
    async def call() -> tuple[str, list[Frame], str]:
        async with realtime(local.servers) as client:
            await client.configure(tools=[HANG_UP])
            question = await client.ask("goodbye")
            await client.write("yes")
            await client.send("response.create")
            farewell = await client.until("rate_limits.updated")
            await client.configure(tools=[])
            return question, farewell, await client.ask("goodbye")

    question, farewell, without_tool = local.run(call())
    assert "Shall I hang up?" in question
    assert "Goodbye" in text_of(farewell)
    (called,) = [frame for frame in farewell if frame["type"] == "response.function_call_arguments.done"]
    assert (called["name"], called["arguments"]) == ("hang_up", "{}")
    assert [item["type"] for item in farewell[-2]["response"]["output"]] == ["message", "function_call"]
    assert "Goodbye" in without_tool


def test_a_tools_result_needs_its_call(local: Running) -> None:
    async def call() -> tuple[Frame, list[Frame]]:
        async with realtime(local.servers) as client:
            await client.configure(tools=[{**HANG_UP, "name": "order_status"}])
            output = {"type": "function_call_output", "call_id": "call_of_nobody", "output": "{}"}
            await client.send("conversation.item.create", item=output)
            refused = (await client.until("error"))[-1]
            await client.write('/call order_status {"number": "5"}')
            await client.send("response.create")
            called = (await client.until("response.done"))[-1]["response"]["output"][0]
            assert called["arguments"] == '{"number": "5"}'
            await client.send("conversation.item.create", item={**output, "call_id": called["call_id"]})
            return refused, await client.until("conversation.item.done")

    refused, accepted = local.run(call())
    assert refused["error"]["code"] == "invalid_tool_call_id"
    assert accepted[-1]["item"]["type"] == "function_call_output"


def test_audio_output_is_the_same_words_spoken(local: Running) -> None:
    async def call() -> list[Frame]:
        async with realtime(local.servers) as client:
            output = {"format": {"type": "audio/pcmu"}}
            await client.configure(output_modalities=["audio"], audio={"input": PCMU, "output": output})
            await client.send("response.create")
            return await client.until("response.done")

    frames = local.run(call())
    assert "response.output_audio.done" in kinds(frames)
    content = frames[-1]["response"]["output"][0]["content"][0]
    assert content["type"] == "output_audio"
    assert "offline demo" in content["transcript"]


def test_audio_can_be_truncated_to_what_was_heard_and_not_to_more(local: Running) -> None:
    async def call() -> tuple[Frame, Frame, Frame]:
        async with realtime(local.servers) as client:
            await client.configure(output_modalities=["audio"])
            await client.send("response.create")
            item = (await client.until("response.done"))[-1]["response"]["output"][0]["id"]
            place = {"item_id": item, "content_index": 0}
            await client.send("conversation.item.truncate", **place, audio_end_ms=10_000_000)
            too_long = (await client.until("error"))[-1]
            await client.send("conversation.item.truncate", **place, audio_end_ms=700)
            truncated = (await client.until("conversation.item.truncated"))[-1]
            await client.send("conversation.item.retrieve", item_id=item)
            return too_long, truncated, (await client.until("conversation.item.retrieved"))[-1]

    too_long, truncated, retrieved = local.run(call())
    assert too_long["error"]["param"] == "audio_end_ms"
    assert truncated["audio_end_ms"] == 700
    assert "transcript" not in retrieved["item"]["content"][0]


def test_text_cannot_be_truncated_but_replaced(local: Running) -> None:
    async def call() -> tuple[Frame, list[str]]:
        async with realtime(local.servers) as client:
            await client.configure()
            await client.send("response.create")
            item = (await client.until("response.done"))[-1]["response"]["output"][0]["id"]
            await client.send("conversation.item.truncate", item_id=item, content_index=0, audio_end_ms=1)
            refused = (await client.until("error"))[-1]
            await client.send("conversation.item.delete", item_id=item)
            heard = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "This is"}]}
            await client.send("conversation.item.create", item=heard)
            return refused, kinds(await client.until("conversation.item.done"))

    refused, replaced = local.run(call())
    assert refused["error"]["code"] == "invalid_value"
    assert replaced == ["conversation.item.deleted", "conversation.item.added", "conversation.item.done"]


@pytest.mark.parametrize(
    ("event", "code", "param"),
    [
        ({"type": "input_audio_buffer.append", "audio": "***"}, "invalid_value", "audio"),
        ({"type": "input_audio_buffer.append"}, "missing_required_parameter", "audio"),
        ({"type": "input_audio_buffer.commit"}, "input_audio_buffer_commit_empty", None),
        ({"type": "response.create", "response": {"modalities": ["text"]}}, "unknown_parameter", "response.modalities"),
        ({"type": "response.text.delta"}, "invalid_value", "type"),
        ({"type": "conversation.item.retrieve", "item_id": "x"}, "item_retrieve_invalid_item_id", "item_id"),
        ({"type": "conversation.item.delete", "item_id": "x"}, "item_delete_invalid_item_id", "item_id"),
        ({"type": "session.update", "session": {"voice": "ash"}}, "missing_required_parameter", "session.type"),
    ],
)
def test_a_bad_event_is_an_error_and_the_session_goes_on(
    local: Running, event: Frame, code: str, param: str | None
) -> None:
    async def call() -> Frame:
        async with realtime(local.servers) as client:
            await client.send(
                **{"kind": event["type"], **{k: v for k, v in event.items() if k != "type"}}, event_id="e1"
            )
            error: Frame = (await client.receive())["error"]
            await client.configure()
            return error

    error = local.run(call())
    assert (error["code"], error["param"], error["event_id"]) == (code, param, "e1")


def test_a_frame_that_is_no_json_is_an_error(local: Running) -> None:
    async def call() -> Frame:
        async with realtime(local.servers) as client:
            await client.connection.send('{"type": ')
            return await client.receive()

    assert local.run(call())["error"]["code"] == "invalid_json"


def test_manual_turns_are_committed_and_answered_on_request(local: Running) -> None:
    async def call() -> str:
        async with realtime(local.servers) as client:
            await client.configure(audio={"input": {**PCMU, "turn_detection": None}})
            await client.hear(turn("What time is it?"))
            await client.send("input_audio_buffer.commit")
            assert kinds(await client.until("conversation.item.done"))[0] == "input_audio_buffer.committed"
            await client.send("response.create")
            return text_of(await client.until("response.done"))

    assert "It is" in local.run(call())


def test_without_create_response_a_turn_ends_with_its_item(local: Running) -> None:
    async def call() -> list[str]:
        async with realtime(local.servers) as client:
            detection = {"type": "server_vad", "create_response": False}
            await client.configure(audio={"input": {**PCMU, "turn_detection": detection}})
            await client.hear(turn("What time is it?"))
            frames = await client.until("conversation.item.done")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.receive(), 0.5)
            return kinds(frames)

    assert local.run(call())[-1] == "conversation.item.done"


def test_a_long_silence_after_an_answer_is_a_turn_if_the_session_wants_it(local: Running) -> None:
    async def call() -> list[Frame]:
        async with realtime(local.servers) as client:
            detection = {"type": "server_vad", "idle_timeout_ms": 5000}
            await client.configure(audio={"input": {**PCMU, "turn_detection": detection}})
            await client.send("response.create")
            await client.until("rate_limits.updated")
            await client.hear(SILENCE * (SECOND * 6))
            return await client.until("response.done")

    frames = local.run(call())
    assert kinds(frames)[:2] == ["input_audio_buffer.timeout_triggered", "input_audio_buffer.committed"]
    assert frames[0]["audio_end_ms"] - frames[0]["audio_start_ms"] == pytest.approx(5000, abs=100)


def test_an_answer_longer_than_its_tokens_is_incomplete(local: Running) -> None:
    async def call() -> Frame:
        async with realtime(local.servers) as client:
            await client.configure(max_output_tokens=3)
            await client.send("response.create")
            response: Frame = (await client.until("response.done"))[-1]["response"]
            return response

    response = local.run(call())
    assert (response["status"], response["status_details"]["reason"]) == ("incomplete", "max_output_tokens")
    assert response["usage"]["output_tokens"] == 3


def test_a_response_outside_the_conversation_leaves_no_item(local: Running) -> None:
    async def call() -> tuple[Frame, list[str]]:
        async with realtime(local.servers) as client:
            await client.configure()
            await client.send("response.create", response={"conversation": "none", "metadata": {"for": "test"}})
            frames = await client.until("response.done")
            return frames[-1]["response"], kinds(frames)

    response, seen = local.run(call())
    assert response["conversation_id"] is None
    assert response["metadata"] == {"for": "test"}
    assert "conversation.item.added" not in seen


def test_five_callers_at_once_are_all_answered_soon(local: Running) -> None:
    async def call() -> float:
        async with realtime(local.servers) as client:
            await client.configure()
            await client.hear(turn("What time is it?"), pause=0.03)
            await client.until("input_audio_buffer.speech_stopped")
            stopped = time.monotonic()
            assert "It is" in text_of(await client.until("response.done"))
            return time.monotonic() - stopped

    async def five() -> list[float]:
        return await asyncio.gather(*(call() for _ in range(5)))

    assert sorted(local.run(five()))[2] < 1.5


@pytest.mark.parametrize(
    ("query", "headers", "close"),
    [
        ("?model=gpt-realtime", {"Authorization": "Bearer bad"}, 3000),
        ("", {"Authorization": "Bearer test"}, 4000),
        ("?model=gpt-realtime", {"Authorization": "Bearer test", "OpenAI-Beta": "realtime=v1"}, 4000),
    ],
)
def test_whom_it_does_not_serve_it_closes_on(local: Running, query: str, headers: dict[str, str], close: int) -> None:
    async def call() -> int:
        async with realtime(local.servers, query, headers) as client:
            await client.rest()
            return client.connection.close_code or 0

    assert local.run(call()) == close


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ("?model=gpt-realtime", {"User-Agent": "no key"}, 401),
        ("?model=gpt-realtime&fault=refuse:429", {"Authorization": "Bearer test"}, 429),
    ],
)
def test_an_upgrade_may_be_refused(local: Running, query: str, headers: dict[str, str], status: int) -> None:
    async def call() -> None:
        async with realtime(local.servers, query, headers):
            pass

    with pytest.raises(InvalidStatus) as refusal:
        local.run(call())
    assert refusal.value.response.status_code == status


def test_an_old_session_expires_with_an_error_and_a_close() -> None:
    async def call(servers: LocalServers) -> tuple[Frame, int | None]:
        async with realtime(servers) as client:
            expired = await client.receive()
            with pytest.raises(ConnectionClosed):
                await client.receive()
            return expired, client.connection.close_code

    with running(LocalServers(tts=False, ai_options=("--max-age", "0.5"))) as local:
        expired, code = local.run(call(local.servers))
    assert expired["error"]["code"] == "session_expired"
    assert code == 1001


def test_faults_break_the_connection_as_told(local: Running) -> None:
    async def frames_until_the_end(fault: str) -> tuple[int, int | None]:
        async with realtime(local.servers, f"?model=gpt-realtime&fault={fault}") as client:
            await client.configure()
            await client.send("response.create")
            frames = 2 + len(await client.rest())
            return frames, client.connection.close_code

    assert local.run(frames_until_the_end("close:6:1013")) == (6, 1013)
    assert local.run(frames_until_the_end("reset:6")) == (6, 1006)


def test_a_stalled_server_says_nothing_more(local: Running) -> None:
    async def call() -> None:
        async with realtime(local.servers, "?model=gpt-realtime&fault=stall:2") as client:
            await client.configure()
            await client.send("response.create")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.receive(), 0.5)

    local.run(call())
