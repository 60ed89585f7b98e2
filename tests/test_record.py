"""The record of a call: built from its events, written as JSON beside its other files."""

import json
from pathlib import Path

import pytest

from sipagent import AgentSaid, CallerSaid, DigitReceived, Disconnected, Event, ProviderFailed, SpeechEnded
from sipagent.call_files import CallFiles
from sipagent.events import CallAnswered, CallMeasured, CallReceived, MediaStarted, Stamped
from sipagent.record import CallRecord, Turn
from sipagent.service import RecordWriter

BEGAN = 1000.0
CALL: tuple[tuple[float, Event], ...] = (
    (0.0, CallReceived(caller="sip:alice@pbx", called="sip:6001@pbx")),
    (0.25, CallAnswered(codec="pcmu")),
    (0.4, MediaStarted(source="cartesia")),
    (2.0, AgentSaid(heard_text="Hello!", generated_text="Hello!")),
    (4.0, SpeechEnded()),
    (4.6, MediaStarted(source="cartesia")),
    (4.7, CallerSaid(text="Where is my order?")),
    (6.0, AgentSaid(heard_text="It left", generated_text="It left today.", interrupted=True)),
    (6.5, DigitReceived(digit="1")),
    (6.6, DigitReceived(digit="#")),
    (7.0, ProviderFailed(provider="openai", reason="openai: it broke")),
    (8.1234, Disconnected(by="caller", reason="BYE")),
)


def stamped(call_id: str = "call-1") -> list[Stamped]:
    return [Stamped(time=BEGAN + time, call_id=call_id, event=event) for time, event in CALL]


def recorded() -> CallRecord:
    record = CallRecord(call_id="call-1", engine="local")
    for event in stamped():
        record.take(event)
    return record


def test_a_whole_call() -> None:
    record = recorded()
    assert (record.caller, record.called, record.codec) == ("sip:alice@pbx", "sip:6001@pbx", "pcmu")
    assert (record.answered_ms, record.duration) == (250, 8.123)
    assert (record.ended_by, record.reason, record.digits) == ("caller", "BYE", "1#")
    assert record.failures == ["openai: it broke"]
    assert record.turns == [
        Turn(who="agent", text="Hello!", at=2.0, heard="Hello!"),
        Turn(who="caller", text="Where is my order?", at=4.7),
        Turn(who="agent", text="It left today.", at=6.0, heard="It left", interrupted=True, latency_ms=600),
    ]


def test_a_record_is_complete_once_the_call_is_over_and_measured() -> None:
    record = recorded()
    assert not record.is_complete
    record.take(Stamped(time=BEGAN + 8.2, call_id="call-1", event=CallMeasured(score=4.4, packets_received=400)))
    assert record.is_complete
    assert (record.media["score"], record.media["packets_received"], record.duration) == (4.4, 400, 8.123)


def test_json_has_the_public_fields_only() -> None:
    data = json.loads(json.dumps(recorded().as_json()))
    assert data["engine"] == "local"
    assert data["turns"][2]["latency_ms"] == 600
    assert not [key for key in data if key.startswith("_")]


def test_each_call_has_its_file_once_it_is_over(tmp_path: Path) -> None:
    writer = RecordWriter(CallFiles(tmp_path, wall=lambda: 0.0), engine="cloud")
    first, second = stamped("first"), stamped("second")
    for one, other in zip(first[:-1], second[:-1], strict=True):
        writer.take(one)
        writer.take(other)
    writer.take(Stamped(time=BEGAN, call_id="", event=DigitReceived(digit="9")))
    assert list(tmp_path.iterdir()) == []
    writer.take(second[-1])
    (file,) = tmp_path.iterdir()
    assert file.name.endswith("-second.json")
    data = json.loads(file.read_text(encoding="utf-8"))
    assert (data["call_id"], data["engine"], data["ended_by"]) == ("second", "cloud", "caller")
    writer.take(Stamped(time=BEGAN + 8.2, call_id="second", event=CallMeasured(score=4.2)))
    assert list(tmp_path.iterdir()) == [file]
    assert json.loads(file.read_text(encoding="utf-8"))["media"]["score"] == 4.2
    writer.take(first[-1])
    assert len(list(tmp_path.iterdir())) == 2


def test_a_record_that_cannot_be_written_is_told_and_forgotten(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = CallFiles(tmp_path / "calls", wall=lambda: 0.0)
    writer = RecordWriter(files, engine="cloud")
    (tmp_path / "calls").rmdir()
    for one in (*stamped("first"), Stamped(time=BEGAN + 8.2, call_id="first", event=CallMeasured(score=4.2))):
        writer.take(one)
    assert caplog.text.count("the record of call first is not kept") == 2
    (tmp_path / "calls").mkdir()
    for one in (*stamped("first"), Stamped(time=BEGAN + 8.2, call_id="first", event=CallMeasured(score=4.2))):
        writer.take(one)
    (file,) = (tmp_path / "calls").iterdir()
    turns = json.loads(file.read_text(encoding="utf-8"))["turns"]
    assert turns == json.loads(json.dumps(recorded().as_json()["turns"])), "nothing is left of a call that was over"


def test_the_files_of_a_call_share_a_name_that_says_when_and_which(tmp_path: Path) -> None:
    files = CallFiles(tmp_path / "calls", wall=lambda: 1_763_640_000.0)
    base = files.base("a84b4c76-e66710@pc33.example.com")
    assert base.parent == tmp_path / "calls"
    assert base.name.startswith("20251120-")
    assert base.name.endswith("-a84b4c76e667")
    assert files.base("../../etc/passwd").parent == tmp_path / "calls"
    assert files.base("@@@").name.endswith("-call")


def test_two_calls_of_one_moment_never_share_a_file(tmp_path: Path) -> None:
    files = CallFiles(tmp_path, wall=lambda: 0.0)
    first, second = files.base("1234567890ab-1@pbx"), files.base("1234567890ab-2@pbx")
    assert first != second
    assert files.base("1234567890ab-1@pbx") == first


def test_the_name_is_kept_until_it_is_forgotten(tmp_path: Path) -> None:
    moments = iter([0.0, 60.0])
    files = CallFiles(tmp_path, wall=lambda: next(moments))
    first = files.base("call")
    assert files.base("call") == first
    files.forget("call")
    assert files.base("call") != first
