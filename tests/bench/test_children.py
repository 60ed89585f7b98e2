"""Processes that take commands, and what is told when one fails."""

import os
from pathlib import Path

import pytest

from sipagent.bench.children import Child, ChildFailed


def child(code: str, directory: Path, monkeypatch: pytest.MonkeyPatch) -> Child:
    """A process of this code."""
    (directory / "child_of_a_test.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(directory))
    return Child("child", ["child_of_a_test"], cores=os.sched_getaffinity(0))


def test_a_child_answers_each_command_by_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    echo = "import sys\nfor line in sys.stdin:\n    print(line, end='', flush=True)\n"
    with child(echo, tmp_path, monkeypatch) as process:
        large = {"do": "x" * 200_000}
        assert process.ask({"do": "this"}) == {"do": "this"}
        assert process.ask(large) == large


def test_one_that_ends_is_told_with_its_last_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    process = child("raise SystemExit('no port is free')", tmp_path, monkeypatch)
    with process, pytest.raises(ChildFailed, match=r"the child has ended\nno port is free"):
        process.answer()


def test_one_that_is_silent_is_not_waited_for_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    process = child("import sys; sys.stdin.read()", tmp_path, monkeypatch)
    with process, pytest.raises(ChildFailed, match=r"not answered for 0\.1 s"):
        process.answer(0.1)


def test_it_is_ended_when_we_fail_though_it_does_not_want_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stubborn = "import time\nprint('{}', flush=True)\nwhile True:\n    time.sleep(1)\n"
    process = child(stubborn, tmp_path, monkeypatch)
    assert process.answer() == {}
    with pytest.raises(KeyboardInterrupt), process:
        raise KeyboardInterrupt
    assert not Path(f"/proc/{process.pid}").exists()
