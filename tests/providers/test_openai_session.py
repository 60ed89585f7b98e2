"""The session object: old shapes moved, formats left to the telephone, updates merged."""

from typing import Any

import pytest

from sipagent.providers.openai_session import complete_detection, detection, merge, modernise

VAD = {"type": "server_vad"}


@pytest.mark.parametrize(
    ("given", "session"),
    [
        ({"turn_detection": None}, {"audio": {"input": {"turn_detection": None}}}),
        ({"input_audio_transcription": {"model": "w"}}, {"audio": {"input": {"transcription": {"model": "w"}}}}),
        ({"input_audio_noise_reduction": None}, {"audio": {"input": {"noise_reduction": None}}}),
        ({"voice": "ash", "speed": 1.2}, {"audio": {"output": {"voice": "ash", "speed": 1.2}}}),
        ({"max_response_output_tokens": 9}, {"max_output_tokens": 9}),
        ({"modalities": ["text"]}, {"output_modalities": ["text"]}),
    ],
)
def test_keys_of_the_old_shape_are_moved(given: dict[str, Any], session: dict[str, Any]) -> None:
    moved, notices = modernise(given)
    assert moved == session
    assert len(notices) == len(given)
    assert all("was moved there" in notice for notice in notices)


def test_old_and_new_keys_lie_side_by_side() -> None:
    given = {"audio": {"input": {"noise_reduction": {"type": "near_field"}}}, "turn_detection": VAD, "tracing": "auto"}
    session, _ = modernise(given)
    assert session == {
        "audio": {"input": {"noise_reduction": {"type": "near_field"}, "turn_detection": VAD}},
        "tracing": "auto",
    }


@pytest.mark.parametrize(
    ("given", "left"),
    [
        ({"audio": {"input": {"format": {"type": "audio/pcm", "rate": 24000}}}}, {"audio": {"input": {}}}),
        ({"output_audio_format": "pcm16"}, {"audio": {"output": {}}}),
        ({"modalities": ["text", "audio"]}, {}),
        ({"model": "gpt-realtime"}, {}),
    ],
)
def test_what_the_telephone_decides_is_left_out(given: dict[str, Any], left: dict[str, Any]) -> None:
    session, notices = modernise(given)
    assert session == left
    assert "is left out" in notices[-1]


def test_given_values_are_not_changed() -> None:
    given = {"audio": {"input": {"format": {"type": "audio/pcmu"}}}}
    modernise(given)
    assert given == {"audio": {"input": {"format": {"type": "audio/pcmu"}}}}


def test_merging_lays_object_over_object() -> None:
    known = {"a": {"b": 1, "c": {"d": 2}}, "e": [1]}
    assert merge(known, {"a": {"c": {"f": 3}}, "e": [2]}) == {"a": {"b": 1, "c": {"d": 2, "f": 3}}, "e": [2]}


def test_an_object_of_another_type_takes_the_place_of_the_old_one() -> None:
    known = {"format": {"type": "audio/pcm", "rate": 24000}, "turn": {"type": "server_vad", "threshold": 0.5}}
    later = {"format": {"type": "audio/pcmu"}, "turn": {"threshold": 0.7}}
    assert merge(known, later) == {
        "format": {"type": "audio/pcmu"},
        "turn": {"type": "server_vad", "threshold": 0.7},
    }


@pytest.mark.parametrize("kind", ["server_vad", "semantic_vad"])
def test_booleans_are_always_said(kind: str) -> None:
    described = detection(kind, 700)
    assert described is not None
    assert (described["create_response"], described["interrupt_response"]) == (True, True)
    assert described.get("silence_duration_ms") == (700 if kind == "server_vad" else None)


def test_turn_detection_given_in_part_is_completed() -> None:
    session = {"audio": {"input": {"turn_detection": {"type": "server_vad", "interrupt_response": False}}}}
    completed = complete_detection(session, 500)["audio"]["input"]["turn_detection"]
    assert completed["interrupt_response"] is False
    assert completed["silence_duration_ms"] == 500


def test_no_turn_detection_stays_none() -> None:
    assert detection(None, 500) is None
    session = {"audio": {"input": {"turn_detection": None}}}
    assert complete_detection(session, 500) == session
