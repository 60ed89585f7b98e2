"""What sip.conf makes of the calls of an account, a trunk, and of somebody who is neither."""

import pytest

from sipagent.config import Configuration, load_text
from sipagent.net.ids import RandomIds
from sipagent.sdp.crypto import SUITES, Encryption
from sipagent.sdp.offer_answer import LocalMedia
from sipagent.tap import TappedIds, Taps
from sipagent.terms import Terms

FILE = """
[general]
codecs = alaw,ulaw

[account office]
registrar = sip:pbx.example.com
username = 6001
srtp = {srtp}
dtmf = {dtmf}
codecs = {codecs}

[trunk carrier]
peers = 192.0.2.1
srtp = require
"""


def terms(*, srtp: str = "off", dtmf: str = "rfc4733", codecs: str = "") -> Terms:
    configuration: Configuration = load_text(FILE.format(srtp=srtp, dtmf=dtmf, codecs=codecs), {})
    return Terms(configuration, TappedIds(RandomIds(), Taps(None)))


def described(account: str, **settings: str) -> LocalMedia:
    return terms(**settings).describe(account, "one", host="192.0.2.9", port=40000)


def test_a_caller_of_no_account_gets_what_general_says() -> None:
    media = described("")
    assert (media.host, media.port, media.codecs) == ("192.0.2.9", 40000, ("pcma", "pcmu"))
    assert (media.key_events, media.encryption, dict(media.keys)) == (True, Encryption.OFF, {})
    assert media.version == media.session_id


def test_an_account_may_have_codecs_of_its_own() -> None:
    assert described("office", codecs="ulaw").codecs == ("pcmu",)
    assert described("carrier", codecs="ulaw").codecs == ("pcma", "pcmu")


@pytest.mark.parametrize(
    ("dtmf", "by_info", "events"), [("rfc4733", False, True), ("info", True, True), ("inband", False, False)]
)
def test_how_keys_are_pressed(dtmf: str, by_info: bool, events: bool) -> None:
    assert terms(dtmf=dtmf).keys_by_info("office") is by_info
    assert described("office", dtmf=dtmf).key_events is events
    assert described("carrier", dtmf=dtmf).key_events


@pytest.mark.parametrize("srtp", ["offer", "require"])
def test_who_may_encrypt_has_a_key_for_each_suite(srtp: str) -> None:
    media = described("office", srtp=srtp)
    assert media.encryption is Encryption(srtp)
    assert {suite: len(key) for suite, key in media.keys.items()} == dict(SUITES)
    assert described("carrier").encryption is Encryption.REQUIRE


def test_no_key_is_drawn_twice() -> None:
    office = terms(srtp="require")
    keys = [key for _ in range(3) for key in office.draw_keys("office", "one").values()]
    assert len(set(keys)) == 9
    assert office.draw_keys("", "one") == {}
