"""The conversation kept for repair and for a fresh session."""

from sipagent.providers.openai_history import History, message


def texts(history: History) -> list[str]:
    return [item["content"][0]["text"] for item in history.again()]


def test_items_keep_the_server_s_order() -> None:
    history = History()
    history.put(message("a", "user", "one"), None, done=True)
    history.put(message("c", "user", "three"), "a", done=True)
    history.put(message("b", "user", "two"), "a", done=True)
    assert texts(history) == ["one", "two", "three"]
    assert [history.before(item) for item in ("a", "b", "c")] == ["root", "a", "b"]


def test_an_item_is_given_again_only_when_it_is_complete() -> None:
    history = History()
    history.put({"id": "a", "type": "message", "role": "assistant", "content": []}, None, done=False)
    assert not history.is_done("a")
    assert history.again() == []
    history.put(message("a", "assistant", "Hello."), None, done=True)
    assert texts(history) == ["Hello."]


def test_the_caller_s_audio_is_given_again_as_its_words() -> None:
    history = History()
    audio = {"id": "u", "type": "message", "role": "user", "content": [{"type": "input_audio", "transcript": None}]}
    history.put(audio, None, done=True)
    assert history.again() == []
    history.transcribed("u", "Where is it?")
    history.put(audio, None, done=True)
    assert history.again() == [message("u", "user", "Where is it?")]


def test_a_tool_call_is_given_again_with_its_result_or_not_at_all() -> None:
    history = History()
    call = {
        "id": "f",
        "type": "function_call",
        "call_id": "c",
        "name": "clock",
        "arguments": "{}",
        "status": "completed",
    }
    history.put(call, None, done=True)
    assert history.again() == []
    history.put({"id": "o", "type": "function_call_output", "call_id": "c", "output": "12:00"}, None, done=True)
    assert [item["type"] for item in history.again()] == ["function_call", "function_call_output"]
    assert "status" not in history.again()[0]


def test_what_is_removed_is_gone() -> None:
    history = History()
    history.put(message("a", "user", "one"), None, done=True)
    history.remove("a")
    history.remove("a")
    assert "a" not in history
    assert history.again() == []


def test_items_without_an_id_are_passed_over() -> None:
    history = History()
    history.put({"type": "message"}, None, done=True)
    assert history.again() == []
