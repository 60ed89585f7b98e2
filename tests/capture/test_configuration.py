"""What of a configuration goes with a capture: all that decides how the phone behaves, and nothing that is secret."""

import json

from sipagent.capture.configuration import portable, reached_at, restored
from sipagent.config import load_text
from sipagent.config.values import Codec, UnknownCallers

TEXT = """
[general]
codecs = alaw
user_agent = My Phone $1
[openai]
api_key = sk-123456
base_url = http://127.0.0.1:8900/v1
model = gpt-realtime-mini
[agent]
greeting = Hello; "dear" caller
[agent sales]
instructions = Sell.
  Be kind.
[account office]
registrar = sip:pbx.example.com:5070
username = 6001
password = hunter22
agent = sales
[account home]
registrar = sip:home.example.com
username = 7001
password = hunter33
[trunk carrier]
peers = 203.0.113.0/24
called = 555*
password = hunter44
[transfer]
front.desk = 1000
"""
CONFIGURATION = load_text(TEXT, {})
SECTIONS = json.loads(json.dumps(portable(CONFIGURATION)))


def test_what_decides_the_behaviour_comes_back() -> None:
    again = restored(SECTIONS, "office")
    assert again.general.codecs == (Codec.ALAW,)
    assert again.general.user_agent == "My Phone $1"
    assert again.openai.model == "gpt-realtime-mini"
    assert again.agents == CONFIGURATION.agents
    assert again.transfer.targets == {"front.desk": "1000"}
    assert (again.accounts["office"].registrar, again.accounts["office"].agent) == ("sip:pbx.example.com:5070", "sales")


def test_secrets_and_servers_do_not_go_with_it() -> None:
    assert not {"sk-123456", "hunter22", "hunter33", "127.0.0.1"} & set(json.dumps(SECTIONS).split('"'))
    assert "hunter" not in json.dumps(SECTIONS)
    assert restored(SECTIONS, "office").openai.base_url == ""


def test_only_the_account_that_was_called_registers_again() -> None:
    assert list(restored(SECTIONS, "office").accounts) == ["office"]
    assert list(restored(SECTIONS).accounts) == []


def test_a_trunk_s_call_is_the_trunk_s_again_whoever_calls() -> None:
    again = restored(SECTIONS, "carrier")
    assert (list(again.accounts), list(again.trunks)) == ([], ["carrier"])
    assert again.trunks["carrier"].called == ()
    assert all(network.prefixlen == 0 for network in again.trunks["carrier"].peers)
    assert list(restored(SECTIONS, "office").trunks) == []


def test_callers_are_told_the_address_that_they_were_told() -> None:
    general = reached_at(CONFIGURATION, "192.0.2.7").general
    assert (general.external_address, general.local_net) == ("192.0.2.7", ())


def test_whoever_rang_then_may_ring_again() -> None:
    assert restored(SECTIONS).general.unknown_callers is UnknownCallers.ACCEPT


def test_defaults_are_not_written() -> None:
    assert portable(load_text("", {})) == {}
    assert restored({}).agents == load_text("", {}).agents
