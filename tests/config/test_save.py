"""An account that was typed on the command line, written as a sip.conf."""

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipagent.config import Account, load, load_text
from sipagent.config.save import account_text, save
from sipagent.errors import ConfigurationError


def test_a_saved_account_is_what_a_person_would_have_written() -> None:
    account = Account("sip:6001@pbx.example.com", password="a ;b", expires=120)
    assert account_text(account).splitlines() == [
        "; The configuration of sipagent, not of Asterisk.",
        "[account 6001]",
        "registrar = sip:pbx.example.com",
        "username = 6001",
        'password = "a ;b"',
        "expires = 120",
    ]


@given(password=st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Zl", "Zp"))))
def test_a_saved_account_loads_as_it_was(password: str) -> None:
    account = Account("sip:6001@pbx.example.com", password=password)
    assert load_text(account_text(account), {}).accounts == {"6001": account}


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "sip.conf"
    account = Account("sip:6001@pbx.example.com", password="secret")
    save(account, file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert load(file, {}).accounts == {"6001": account}


def test_a_file_that_is_there_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "sip.conf"
    file.write_text("; mine\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="this file exists and is left as it is"):
        save(Account("sip:6001@pbx.example.com"), file)
    assert file.read_text(encoding="utf-8") == "; mine\n"
