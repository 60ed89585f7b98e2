"""Where a secret is found."""

from pathlib import Path

import pytest

from sipagent.config import secret
from sipagent.errors import SecretMissing


def test_the_environment_comes_first(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("file", encoding="utf-8")
    assert secret("API_KEY", {"API_KEY": "environment", "API_KEY_FILE": str(file)}) == "environment"


def test_a_file_may_hold_it_and_end_with_a_newline(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("line one\nline two\n", encoding="utf-8")
    assert secret("API_KEY", {"API_KEY": "", "API_KEY_FILE": str(file)}) == "line one\nline two"


def test_the_real_environment_is_asked_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIPAGENT_TEST_SECRET", "found")
    assert secret("SIPAGENT_TEST_SECRET") == "found"


@pytest.mark.parametrize("environ", [{}, {"API_KEY_FILE": "/nowhere/key"}])
def test_a_missing_secret_is_told_with_the_three_places(environ: dict[str, str]) -> None:
    with pytest.raises(SecretMissing) as caught:
        secret("API_KEY", environ)
    for place in ("environment variable API_KEY", "API_KEY_FILE", "/run/secrets/API_KEY"):
        assert place in str(caught.value)
