"""An account, made by a program or by sip.conf, says the same."""

import pytest

from sipagent.config import Account
from sipagent.errors import ConfigurationError
from sipagent.sip.flow import Transport


def test_an_address_is_all_that_a_program_needs() -> None:
    account = Account("sip:6001@pbx.example.com", password="secret")
    assert account == Account(registrar="sip:pbx.example.com", username="6001", password="secret")
    assert (account.name, account.digest_username, account.transport) == ("6001", "6001", Transport.UDP)


def test_the_address_of_record_has_no_port_and_no_parameters() -> None:
    account = Account("sip:6001@pbx.example.com:5080;transport=tcp")
    assert account.address == "sip:6001@pbx.example.com"
    assert account.registrar == "sip:pbx.example.com:5080;transport=tcp"


def test_a_username_is_escaped_where_a_uri_could_not_hold_it() -> None:
    assert Account(registrar="sip:[2001:db8::1]", username="a b#1").address == "sip:a%20b%231@[2001:db8::1]"
    assert Account("sip:a%20b@pbx.example.com").username == "a b"


def test_a_pbx_may_know_the_password_under_another_name() -> None:
    assert Account("sip:6001@pbx.example.com", auth_username="A6001").digest_username == "A6001"


@pytest.mark.parametrize(
    "address", ["", "6001", "sip:pbx.example.com", "tel:6001", "sip:6001:secret@pbx", "sip:a b@pbx"]
)
def test_what_is_no_address_is_refused_with_an_example(address: str) -> None:
    with pytest.raises(ConfigurationError, match=r'such as "sip:6001@pbx\.example\.com"') as caught:
        Account(address)
    assert "secret" not in str(caught.value)


def test_no_password_is_shown() -> None:
    assert "hunter2" not in repr(Account("sip:6001@pbx.example.com", password="hunter2"))
