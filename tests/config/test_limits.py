"""What this version does not do yet is said; what it cannot do at all is refused."""

import pytest

from sipagent.config import Configuration, load_text
from sipagent.config.limits import require_available, unavailable
from sipagent.errors import ConfigurationError

OFFICE = "[account office]\nregistrar = sip:pbx.example.com\nusername = 6001\n"


def test_the_defaults_ask_for_nothing_that_is_not_there() -> None:
    assert unavailable(Configuration()) == []
    require_available(Configuration())


@pytest.mark.parametrize(
    ("text", "note"),
    [
        (
            "[general]\ntransports = udp,tls",
            "[general] transports: tls listens only with a certificate in [tls]; our own connections need none",
        ),
        (
            f"{OFFICE}srtp = offer",
            "[account office] srtp = offer: the keys can be read on the way; write transport = tls",
        ),
        (
            "[trunk t]\npeers = 192.0.2.1\nsrtp = require",
            "[trunk t] srtp = require: the keys can be read on the way; write transport = tls",
        ),
        (
            "[general]\nunknown_callers = accept",
            "[general] unknown_callers = accept: whoever finds this port can talk, and spend your money",
        ),
        (
            "[trunk t]\nhost = t.example.com\ncaller_id = +15551234",
            "[trunk t] has no peers: nobody calls us by it",
        ),
        (
            "[trunk t]\nhost = t.example.com\npeers = 192.0.2.1",
            "[trunk t] has no caller_id: calls out are from anonymous",
        ),
        ("[tls]\nverify = no", "[tls] verify = no: whoever answers in a server's place is believed"),
        ("[record]\nannounce = x", "[record] announce is not built yet; put the announcement into the greeting"),
        ("[console]", "[console] is not built yet; nothing listens there"),
        (
            "[agent sales]\nturn_detection = local",
            "[agent sales] turn_detection = local is not built yet; server_vad is in force",
        ),
    ],
)
def test_what_is_left_out_is_said_with_what_happens_instead(text: str, note: str) -> None:
    configuration = load_text(text, {})
    assert unavailable(configuration) == [note]
    require_available(configuration)


@pytest.mark.parametrize(
    "text",
    [
        f"{OFFICE}srtp = require\ntransport = tls",
        OFFICE.replace("sip:", "sips:") + "srtp = offer",
        f"{OFFICE}srtp = require\noutbound_proxy = sips:proxy.example.com",
        "[trunk t]\npeers = 192.0.2.1\nhost = sips:t.example.com\ncaller_id = x\nsrtp = require",
    ],
)
def test_keys_that_go_by_tls_are_nothing_to_speak_of(text: str) -> None:
    assert unavailable(load_text(text, {})) == []


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        (
            f"[general]\ntransports = tcp\n{OFFICE}transport = udp",
            "[account office] transport = udp, and [general] transports has no udp; add it, or write tcp or tls",
        ),
        ("[agent]\npipeline = realtime", "[agent] pipeline = realtime is not built yet; write half-cascade or echo"),
    ],
)
def test_what_has_no_stand_in_is_refused(text: str, refusal: str) -> None:
    configuration = load_text(text, {})
    with pytest.raises(ConfigurationError) as caught:
        require_available(configuration)
    assert str(caught.value) == refusal
