"""Key presses in INFO, in the two forms that phones send, and in those that they send by mistake."""

import pytest

from sipagent.sip.dtmf import PLAIN, RELAY, Press, read_press, relay_body


@pytest.mark.parametrize(
    ("body", "press"),
    [
        (b"Signal=5\r\nDuration=250", Press("5", 250)),
        (b"signal = *\nduration = 100\n", Press("*", 100)),
        (b"Duration=100\r\nSignal=#\r\n", Press("#", 100)),
        (b"Signal=d", Press("D", 160)),
        (b"Signal=10\r\nDuration=90", Press("*", 90)),
        (b"Signal=11", Press("#", 160)),
        (b"Signal=5\r\nDuration=soon", Press("5", 160)),
        (b"Signal=16", None),
        (b"Signal=!", None),
        (b"Signal=12345", None),
        (b"Signal=", None),
        (b"Duration=160", None),
        (b"\xff\xfe", None),
        (b"", None),
    ],
)
def test_dtmf_relay(body: bytes, press: Press | None) -> None:
    assert read_press(RELAY, body) == press


@pytest.mark.parametrize(("body", "key"), [(b"7", "7"), (b" #\r\n", "#"), (b"10", "*"), (b"15", "D")])
def test_plain_dtmf(body: bytes, key: str) -> None:
    assert read_press(PLAIN, body) == Press(key)


@pytest.mark.parametrize("body", [b"", b"77", b"e", b"!"])
def test_what_is_no_key(body: bytes) -> None:
    assert read_press(PLAIN, body) is None


def test_what_we_write_is_read_back() -> None:
    assert relay_body(Press("5", 160)) == b"Signal=5\r\nDuration=160\r\n"
    for key in "0123456789*#ABCD":
        assert read_press(RELAY, relay_body(Press(key, 80))) == Press(key, 80)
