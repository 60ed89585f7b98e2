"""The session object: what an update changes, and what is refused whole."""

from typing import Any

import pytest

from sipagent.local.fields import Refused
from sipagent.local.openai_session import check_response, new_session, updated

NEW = new_session("sess_1", "gpt-realtime-1.5", 1_000_000.0)


def refusal(update: Any, *, has_spoken: bool = False) -> tuple[str, str]:
    with pytest.raises(Refused) as refused:
        updated(NEW, update, has_spoken=has_spoken)
    return refused.value.code, refused.value.param


def of(**fields: Any) -> dict[str, Any]:
    return {"type": "realtime", **fields}


def test_a_new_session_speaks_listens_with_server_vad_and_lives_an_hour() -> None:
    assert NEW["output_modalities"] == ["audio"]
    assert NEW["audio"]["input"]["turn_detection"]["type"] == "server_vad"
    assert NEW["audio"]["input"]["transcription"] is None
    assert NEW["expires_at"] == 1_003_600


def test_an_update_changes_what_it_names_and_nothing_else() -> None:
    changed = updated(NEW, of(audio={"input": {"format": {"type": "audio/pcmu"}}}), has_spoken=False)
    assert changed["audio"]["input"]["format"] == {"type": "audio/pcmu"}
    assert changed["audio"]["output"] == NEW["audio"]["output"]
    assert changed["audio"]["input"]["turn_detection"] == NEW["audio"]["input"]["turn_detection"]
    assert NEW["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 24000}


def test_turn_detection_keeps_the_defaults_of_its_own_type() -> None:
    semantic = updated(NEW, of(audio={"input": {"turn_detection": {"type": "semantic_vad"}}}), has_spoken=False)
    assert semantic["audio"]["input"]["turn_detection"] == {
        "type": "semantic_vad",
        "eagerness": "auto",
        "create_response": True,
        "interrupt_response": True,
    }


def test_null_clears() -> None:
    tools = updated(NEW, of(tools=[{"type": "function", "name": "a"}]), has_spoken=False)
    assert updated(tools, of(tools=None), has_spoken=False)["tools"] == []
    manual = updated(NEW, of(audio={"input": {"turn_detection": None}}), has_spoken=False)
    assert manual["audio"]["input"]["turn_detection"] is None


@pytest.mark.parametrize(
    "legacy", ["turn_detection", "input_audio_format", "voice", "modalities", "speed", "max_response_output_tokens"]
)
def test_keys_of_the_beta_are_unknown(legacy: str) -> None:
    assert refusal(of(**{legacy: None})) == ("unknown_parameter", f"session.{legacy}")


@pytest.mark.parametrize(
    ("update", "code", "param"),
    [
        ({}, "missing_required_parameter", "session.type"),
        ("text", "invalid_type", "session"),
        (of(output_modalities=["text", "audio"]), "invalid_value", "session.output_modalities"),
        (of(output_modalities=["video"]), "invalid_value", "session.output_modalities[0]"),
        (of(model="gpt-realtime"), "invalid_value", "session.model"),
        (of(reasoning={"effort": "low"}), "invalid_value", "session.reasoning"),
        (of(max_output_tokens=5000), "invalid_value", "session.max_output_tokens"),
        (of(tools=[{"type": "function"}]), "missing_required_parameter", "session.tools[0].name"),
        (
            of(audio={"input": {"format": {"type": "audio/pcm", "rate": 16000}}}),
            "invalid_value",
            "session.audio.input.format.rate",
        ),
        (
            of(audio={"input": {"format": {"type": "audio/pcmu", "rate": 8000}}}),
            "unknown_parameter",
            "session.audio.input.format.rate",
        ),
        (
            of(audio={"input": {"turn_detection": {"type": "server_vad", "create_response": None}}}),
            "invalid_type",
            "session.audio.input.turn_detection.create_response",
        ),
        (
            of(audio={"input": {"turn_detection": {"type": "semantic_vad", "threshold": 0.5}}}),
            "unknown_parameter",
            "session.audio.input.turn_detection.threshold",
        ),
        (
            of(audio={"input": {"turn_detection": {"type": "server_vad", "threshold": 1.5}}}),
            "invalid_value",
            "session.audio.input.turn_detection.threshold",
        ),
    ],
)
def test_one_bad_field_refuses_the_whole_update(update: Any, code: str, param: str) -> None:
    assert refusal(update) == (code, param)


def test_the_voice_stays_once_it_was_heard() -> None:
    other = of(audio={"output": {"voice": "marin"}})
    assert updated(NEW, other, has_spoken=False)["audio"]["output"]["voice"] == "marin"
    assert refusal(other, has_spoken=True) == ("cannot_update_voice", "session.audio.output.voice")


def test_a_response_has_parameters_of_its_own() -> None:
    check_response({"instructions": "Greet.", "output_modalities": ["text"], "metadata": {"turn": "1"}})
    with pytest.raises(Refused, match=r"Unknown parameter: 'response\.modalities'"):
        check_response({"modalities": ["text"]})
