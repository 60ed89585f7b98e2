"""A stream cut into messages: by Content-Length, however the network split it, and never past a limit."""

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipagent.sip.framing import MAXIMUM_HEAD, PING, Framing
from sipagent.sip.message import Request, parse

OPTIONS = b"OPTIONS sip:us@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.2;branch=z9hG4bK1\r\n"
BODILESS = OPTIONS + b"Content-Length: 0\r\n\r\n"
MESSAGE = OPTIONS.replace(b"OPTIONS", b"MESSAGE") + b"l: 6\r\n\r\nhello\n"
RINGING = b"SIP/2.0 180 Ringing\r\nContent-Length: 0\r\n\r\n"


def frames(chunks: Iterable[bytes]) -> tuple[list[bytes], str]:
    """What a stream gives that comes in these chunks, and why it broke, if it did."""
    framing = Framing()
    return [frame for chunk in chunks for frame in framing.receive(chunk)], framing.broken


@pytest.mark.parametrize("message", [BODILESS, MESSAGE, RINGING, BODILESS.replace(b"\r", b"")])
def test_a_whole_message_is_given_at_once(message: bytes) -> None:
    assert frames([message]) == ([message], "")


def test_a_message_waits_for_its_body() -> None:
    framing = Framing()
    assert framing.receive(MESSAGE[:-1]) == []
    assert framing.unfinished
    assert framing.receive(MESSAGE[-1:]) == [MESSAGE]
    assert not framing.unfinished


def test_several_messages_in_one_segment_are_told_apart() -> None:
    assert frames([MESSAGE + RINGING + BODILESS]) == ([MESSAGE, RINGING, BODILESS], "")


def test_without_content_length_there_is_no_body() -> None:
    assert frames([OPTIONS + b"\r\n" + RINGING]) == ([OPTIONS + b"\r\n", RINGING], "")


def test_a_folded_content_length_is_read() -> None:
    message = OPTIONS + b"Content-Length:\r\n 2\r\n\r\nab"
    assert frames([message + RINGING]) == ([message, RINGING], "")


@given(
    st.lists(st.sampled_from([BODILESS, MESSAGE, RINGING, PING]), max_size=6),
    st.lists(st.integers(min_value=0, max_value=600), max_size=20),
)
def test_how_the_network_splits_a_stream_changes_nothing(messages: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(messages)
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    chunks = [stream[start:end] for start, end in pairwise(places)]
    assert frames(chunks) == (messages, "")


@given(st.lists(st.binary(max_size=200), max_size=10))
def test_whatever_comes_is_split_independent_and_bounded(chunks: list[bytes]) -> None:
    whole = b"".join(chunks)
    assert frames(chunks) == frames([whole])
    messages = [frame for frame in frames(chunks)[0] if frame != PING]  # two bare line feeds are a ping of four bytes
    assert sum(map(len, messages)) <= len(whole)


# ---- keep-alives


def test_two_line_ends_are_a_ping_and_one_is_a_pong() -> None:
    assert frames([b"\r\n\r\n"]) == ([PING], "")
    assert frames([b"\r\n"]) == ([], "")
    assert frames([b"\r", b"\n\r", b"\n"]) == ([PING], "")


def test_a_line_end_before_a_message_is_no_part_of_it() -> None:
    assert frames([b"\r\n" + BODILESS + b"\r\n" + RINGING]) == ([BODILESS, RINGING], "")


# ---- what breaks a stream


@pytest.mark.parametrize("following", [BODILESS, PING])
@pytest.mark.parametrize("value", [b"six", b"-1", b"99999999999", b"70000", b"6\r\nl: 7", b""])
def test_after_a_length_that_cannot_be_read_nothing_is_read(value: bytes, following: bytes) -> None:
    head = OPTIONS + b"Content-Length: " + value + b"\r\n\r\n"
    assert frames([head + following]) == ([head], "a Content-Length that cannot be read, or is too large")
    message = parse(head)
    assert isinstance(message, Request)
    assert message.flaw is not None
    assert message.flaw.code == 400


def test_the_same_length_twice_is_one_length() -> None:
    message = OPTIONS + b"Content-Length: 2\r\nl: 2\r\n\r\nab"
    assert frames([message]) == ([message], "")


@pytest.mark.parametrize("garbage", [b"GET / HTTP/1.1\r\nHost: us\r\n\r\n", b"\x16\x03\x01\x02\n", b"hello\n"])
def test_what_is_not_sip_breaks_the_stream_at_its_first_line(garbage: bytes) -> None:
    assert frames([RINGING + garbage]) == ([RINGING], "what came is not SIP")


def test_a_head_without_end_breaks_the_stream() -> None:
    lines = [OPTIONS, *[b"X-Filler: " + b"x" * 990 + b"\r\n"] * 40]
    assert frames(lines) == ([], f"a head of more than {MAXIMUM_HEAD} bytes")
    assert frames([b"x" * (MAXIMUM_HEAD + 1)])[1] == f"a head of more than {MAXIMUM_HEAD} bytes"


def test_a_broken_stream_stays_broken() -> None:
    framing = Framing()
    framing.receive(b"nonsense\r\n")
    assert framing.receive(BODILESS) == []


# ---- streams of other projects

VERDICTS = {
    "sip-callflows/stream-generic.txt": (227, "done"),
    "sip-repo-messages/sip2json-Mixed_Stream_1.sip": (0, "broken"),  # a log file, with dates between its messages
    "sip-repo-messages/sip2json-Mixed_Stream_3.sip": (0, "broken"),
    "sip-repo-messages/sip2json-NOTIFY_CallEnd.sip": (0, "waits"),  # shorter than its Content-Length, as are most
    "sip-repo-messages/sip2json-NOTIFY_CallStart_1.sip": (0, "waits"),
    "sip-repo-messages/sip2json-NOTIFY_EmptyHeaderKey_1.sip": (0, "waits"),
    "sip-repo-messages/sip2json-NOTIFY_LegAdd.sip": (0, "waits"),
    "sip-repo-messages/sip2json-NOTIFY_SDP_multi_1.sip": (0, "waits"),
    "sip-repo-messages/sip2json-NOTIFY_chunked_read.sip": (1, "broken"),
    "sip-repo-messages/sip2json-NOTIFY_chunked_read_NELSON.sip": (0, "waits"),
    "sip-repo-messages/sip2json-NOTIFY_generic_1.sip": (0, "waits"),
    "sip-repo-messages/sip2json-NOTIFY_invalid_cline_1.sip": (0, "waits"),
    "sip-repo-messages/sip2json-NOTIFY_playbacklegs_1.sip": (1, "waits"),
    "sip-repo-messages/sip2json-NOTIFY_single_2.sip": (0, "broken"),
    "sip-repo-messages/sip2json-OK_REGISTER_Multiline_ContactHeader_1.sip": (0, "broken"),
    "sip-repo-messages/sip2json-Test_extension_aras.sip": (2, "waits"),
    "sip-repo-messages/sip2json-Test_extension_nelson.sip": (6, "waits"),
    "sip-repo-messages/sip2json-Test_incomplete_buffer_for_header.sip": (0, "waits"),
    "sip-repo-messages/sip2json-Test_incomplete_buffer_for_parse.sip": (0, "waits"),
    "sip-repo-messages/sip2json-Test_invalid_document.sip": (0, "waits"),
    "sip-repo-messages/sip2json-Test_parse_invalid_string_position.sip": (0, "broken"),
}
"""How many messages each stream holds, and how it ends."""


def verdict(framing: Framing) -> str:
    return "broken" if framing.broken else "waits" if framing.unfinished else "done"


@pytest.mark.corpora
@pytest.mark.parametrize("name", VERDICTS)
def test_the_messages_of_a_captured_stream_are_found_byte_by_byte_as_at_once(corpora: Path, name: str) -> None:
    stream = (corpora / name).read_bytes()
    at_once, slowly = Framing(), Framing()
    messages = at_once.receive(stream)
    assert [message for byte in stream for message in slowly.receive(bytes([byte]))] == messages
    assert (len(messages), verdict(at_once)) == VERDICTS[name]
    assert verdict(slowly) == verdict(at_once)
