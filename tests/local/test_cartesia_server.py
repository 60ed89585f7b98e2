"""The local Cartesia: contexts, pieces of text, timestamps, cancelling, refusals."""

import asyncio
import json
import time

import numpy as np
import pytest
from websockets.exceptions import InvalidStatus

from sipagent.audio import g711
from sipagent.local.servers import LocalServers
from tests.local.wire import Frame, Running, audio_of, kinds, running, speech

ANSWER = "We are open Monday to Friday, from nine in the morning."


def test_a_whole_text_becomes_chunks_faster_than_it_plays_and_one_done(local: Running) -> None:
    async def call() -> tuple[list[Frame], float, float]:
        async with speech(local.servers) as client:
            asked = time.monotonic()
            await client.request("turn-1", ANSWER)
            first = await client.receive()
            waited = time.monotonic() - asked
            frames = [first, *await client.until("done")]
            return frames, waited, time.monotonic() - asked

    frames, waited, taken = local.run(call())
    seconds = len(audio_of(frames)) / 8000
    assert kinds(frames) == ["chunk", "done"]
    assert {frame["context_id"] for frame in frames} == {"turn-1"}
    assert 2 < seconds < 6
    assert waited < 0.5
    assert taken < seconds / 2
    sizes = {len(audio_of([frame])) for frame in frames[:-2]}
    assert len(sizes) > 1
    assert any(size % 160 for size in sizes)
    assert np.abs(g711.decode(audio_of(frames), "pcmu")).max() > 5000


@pytest.mark.parametrize(
    ("encoding", "rate", "width"),
    [("pcm_mulaw", 8000, 1), ("pcm_alaw", 8000, 1), ("pcm_s16le", 16000, 2), ("pcm_f32le", 44100, 4)],
)
def test_every_encoding_has_the_same_duration(local: Running, encoding: str, rate: int, width: int) -> None:
    async def call() -> list[Frame]:
        async with speech(local.servers) as client:
            output = {"container": "raw", "encoding": encoding, "sample_rate": rate}
            await client.request("a", "Hello there.", output_format=output)
            return await client.until("done")

    seconds = len(audio_of(local.run(call()))) / rate / width
    assert seconds == pytest.approx(0.86, abs=0.15)


def test_words_have_their_times_joined_as_in_the_text(local: Running) -> None:
    async def call() -> list[Frame]:
        async with speech(local.servers) as client:
            await client.request("a", ANSWER, add_timestamps=True)
            return await client.until("done")

    frames = local.run(call())
    groups = [frame["word_timestamps"] for frame in frames if frame["type"] == "timestamps"]
    words = [word for group in groups for word in group["words"]]
    starts = [start for group in groups for start in group["start"]]
    ends = [end for group in groups for end in group["end"]]
    assert " ".join(words) == ANSWER
    assert len(groups) > 1
    assert starts == sorted(starts)
    assert all(start <= end for start, end in zip(starts, ends, strict=True))
    assert ends[-1] == pytest.approx(len(audio_of(frames)) / 8000, abs=0.01)


def test_pieces_without_buffering_are_spoken_at_once_and_share_one_clock(local: Running) -> None:
    async def call() -> list[Frame]:
        async with speech(local.servers) as client:
            settings = {"max_buffer_delay_ms": 0, "add_timestamps": True}
            await client.request("a", "We are open. ", **{"continue": True}, **settings)
            first = await client.until("flush_done")
            await client.request("a", "Anything else?", **settings)
            return first + await client.until("done")

    frames = local.run(call())
    assert [frame["flush_id"] for frame in frames if frame["type"] == "flush_done"] == [1]
    flushed = [frame["type"] for frame in frames].index("flush_done")
    first_piece = len(audio_of(frames[:flushed])) / 8000
    later = [frame for frame in frames[flushed:] if frame["type"] == "timestamps"]
    assert later[0]["word_timestamps"]["words"][0] == "Anything"
    assert later[0]["word_timestamps"]["start"][0] >= first_piece


def test_buffered_text_waits_for_the_end_of_its_sentence_or_a_flush(local: Running) -> None:
    async def call() -> tuple[list[str], list[str]]:
        async with speech(local.servers) as client:
            await client.request("a", "We are ", **{"continue": True})
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.receive(), 0.3)
            await client.request("a", "open.", **{"continue": True})
            sentence = [(await client.receive())["type"]]
            await client.request("b", "until five", **{"continue": True})
            await client.request("b", "", flush=True, **{"continue": True})
            return sentence, kinds(await client.until("flush_done"))

    sentence, flushed = local.run(call())
    assert sentence == ["chunk"]
    assert flushed[-1] == "flush_done"


def test_a_context_without_further_text_ends_after_a_second(local: Running) -> None:
    async def call() -> tuple[list[str], float]:
        async with speech(local.servers) as client:
            await client.request("a", "Hello.", max_buffer_delay_ms=0, **{"continue": True})
            await client.until("flush_done")
            spoken = time.monotonic()
            ended = kinds(await client.until("done"))
            return ended, time.monotonic() - spoken

    ended, after = local.run(call())
    assert ended == ["done"]
    assert after == pytest.approx(1.0, abs=0.4)


def test_a_finished_context_takes_no_more_text(local: Running) -> None:
    async def call() -> None:
        async with speech(local.servers) as client:
            await client.request("a", "Hello.")
            await client.until("done")
            await client.request("a", "Once more.")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.receive(), 0.3)

    local.run(call())


def test_contexts_are_spoken_side_by_side(local: Running) -> None:
    async def call() -> list[str]:
        async with speech(local.servers) as client:
            await client.request("a", ANSWER)
            await client.request("b", ANSWER)
            frames = await client.until("done")
            return [frame["context_id"] for frame in frames[:6]]

    assert set(local.run(call())) == {"a", "b"}


def test_cancel_ends_a_context_with_one_done(local: Running) -> None:
    async def call() -> list[Frame]:
        async with speech(local.servers) as client:
            await client.request("a", ANSWER * 3)
            await client.receive()
            await client.cancel("a")
            return await client.until("done")

    assert len(audio_of(local.run(call()))) < 3 * 8000


def test_chunks_may_come_late_after_a_cancel(local: Running) -> None:
    async def call() -> list[str]:
        async with speech(local.servers, query="?fault=late:3") as client:
            await client.request("a", ANSWER * 3)
            await client.receive()
            await client.cancel("a")
            return [frame["type"] for frame in await client.until("done")]

    late = local.run(call())
    assert late.count("chunk") >= 3
    assert late[-1] == "done"


@pytest.mark.parametrize(
    ("change", "code", "status"),
    [
        ({"model_id": "tenor-1"}, "model_not_found", 404),
        ({"voice": {"mode": "id", "id": "nobody"}}, "voice_not_found", 404),
        ({"output_format": {"container": "wav", "encoding": "pcm_s16le", "sample_rate": 8000}}, "invalid_request", 400),
        ({"output_format": {"container": "raw", "encoding": "pcm_s16le", "sample_rate": 9}}, "invalid_request", 400),
        ({"modle_id": "sonic-3"}, "invalid_request", 400),
        ({"language": "en", "locale": "en-GB"}, "invalid_request", 400),
    ],
)
def test_a_bad_request_is_an_error_of_its_context(local: Running, change: Frame, code: str, status: int) -> None:
    async def call() -> Frame:
        async with speech(local.servers) as client:
            await client.request("a", "Hello.", **change)
            return await client.receive()

    error = local.run(call())
    assert (error["type"], error["error_code"], error["status_code"]) == ("error", code, status)
    assert error["context_id"] == "a"


def test_older_versions_word_errors_in_one_text(local: Running) -> None:
    async def call() -> tuple[Frame, Frame]:
        async with speech(local.servers, version="2025-04-16") as client:
            await client.request("a", "Hello.", model_id="tenor-1")
            known = await client.receive()
            await client.connection.send("{")
            return known, json.loads(await client.connection.recv())

    known, nameless = local.run(call())
    assert known["error"].startswith("Model not found: ")
    assert "context_id" not in nameless


@pytest.mark.parametrize(("version", "key", "status"), [("2026-03-01", "bad", 401), ("yesterday", "test", 400)])
def test_an_upgrade_may_be_refused(local: Running, version: str, key: str, status: int) -> None:
    async def call() -> None:
        async with speech(local.servers, version=version, key=key):
            pass

    with pytest.raises(InvalidStatus) as refusal:
        local.run(call())
    assert refusal.value.response.status_code == status


def test_limits_of_the_service_can_be_switched_on() -> None:
    async def call(servers: LocalServers) -> tuple[Frame, int | None, str]:
        async with speech(servers) as client:
            await client.request("a", ANSWER)
            await client.request("b", ANSWER)
            limited = (await client.until("error"))[-1]
            await client.until("done")
            await client.connection.wait_closed()
            return limited, client.connection.close_code, client.connection.close_reason or ""

    options = ("--max-contexts", "1", "--idle-timeout", "1.5")
    with running(LocalServers(ai=False, tts_options=options)) as local:
        limited, code, reason = local.run(call(local.servers))
    assert (limited["error_code"], limited["context_id"]) == ("concurrency_limited", "b")
    assert (code, reason) == (1000, "connection idle timeout")
