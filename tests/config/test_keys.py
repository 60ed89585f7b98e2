"""Keys missing in part or in whole: one error, with its ways out."""

import pytest

from sipagent.config import load_text
from sipagent.config.keys import PROVIDERS, require_keys
from sipagent.config.values import Pipeline
from sipagent.errors import ConfigurationError

BOTH = PROVIDERS[Pipeline.HALF_CASCADE]
OPENAI_KEY = {"OPENAI_API_KEY": "sk-1"}
CARTESIA_KEY = {"CARTESIA_API_KEY": "sk_car_1"}


def refusal(environ: dict[str, str], local: tuple[str, ...] = (), text: str = "") -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        require_keys(load_text(text, environ), BOTH, local)
    return str(caught.value).splitlines()


def test_one_missing_key_has_three_cures() -> None:
    assert refusal(OPENAI_KEY) == [
        "no API key for Cartesia; do one of these:",
        "  - set CARTESIA_API_KEY in the environment (CARTESIA_API_KEY_FILE may name a file)",
        "  - write api_key = ... under [cartesia] in sip.conf",
        "  - start with --local=tts: an engine on this machine takes its place",
    ]
    assert refusal(CARTESIA_KEY)[-1] == "  - start with --local=ai: an engine on this machine takes its place"


def test_without_any_key_the_ways_out_are_the_same() -> None:
    assert refusal({}) == [
        "no API key for OpenAI and Cartesia; do one of these:",
        "  - set OPENAI_API_KEY and CARTESIA_API_KEY in the environment (OPENAI_API_KEY_FILE may name a file)",
        "  - write api_key = ... under [openai] and [cartesia] in sip.conf",
        "  - start with --local: no keys, no cloud",
    ]


def test_a_key_that_refers_to_nothing_is_told_with_its_line() -> None:
    lines = refusal(OPENAI_KEY, text="[cartesia]\napi_key = ${MY_KEY}\n")
    assert lines[:2] == [
        "sip.conf:2: ${MY_KEY} is not set; api_key needs it",
        "no API key for Cartesia; do one of these:",
    ]


@pytest.mark.parametrize(
    ("environ", "local"),
    [
        (OPENAI_KEY | CARTESIA_KEY, ()),
        (OPENAI_KEY, ("tts",)),
        (CARTESIA_KEY, ("ai",)),
        ({}, ("ai", "tts")),
        ({"OPENAI_BASE_URL": "http://127.0.0.1:1/v1", "CARTESIA_BASE_URL": "http://127.0.0.1:2"}, ()),
    ],
)
def test_nothing_is_missing_where_every_leg_has_a_key_an_engine_or_a_server_of_its_own(
    environ: dict[str, str], local: tuple[str, ...]
) -> None:
    require_keys(load_text("", environ), BOTH, local)


def test_an_echo_needs_nobody() -> None:
    require_keys(load_text("", {}), PROVIDERS[Pipeline.ECHO])
