"""`sipagent dial`: calls placed from the command line, and how they end."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sipagent.sip.message import Request
from tests.cli.conftest import Answers, Command, SipServer, grant, refuse
from tests.sip.bench import answer

Start = Callable[[Answers], SipServer]
LOOPBACK = ("--set", "general.bind=127.0.0.1:0")
SDP = b"v=0\r\no=- 7 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0 101\r\n"


def take(request: Request) -> list[str]:
    """Take every call."""
    if request.method != "INVITE":
        return grant(request)
    return [answer(request, 180), answer(request, 200, headers=("Content-Type: application/sdp",), body=SDP)]


def test_a_call_is_taken_recorded_and_hung_up(sipagent: Command, sip_server: Start) -> None:
    server = sip_server(take)
    result = sipagent("dial", f"sip:bob@{server.address}", "--duration", "0.5", "--record", "call.wav", *LOOPBACK)
    assert result.exit_code == 0
    assert "answered (pcmu)" in result.output
    assert len(server.of("BYE")) == 1
    assert Path("call.wav").stat().st_size > 44 + 2 * 2 * 8000 * 0.3


def test_events_come_as_json_lines(sipagent: Command, sip_server: Start) -> None:
    server = sip_server(take)
    result = sipagent("dial", f"sip:bob@{server.address}", "--duration", "0.2", "--json", *LOOPBACK)
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert [event["type"] for event in events] == [*("CallProgressed", "CallAnswered", "Disconnected", "CallMeasured")]
    assert events[1]["codec"] == "pcmu"
    assert events[1]["call_id"] == server.of("INVITE")[0].call_id
    assert events[2]["by"] == "us"


def test_a_refused_call_fails(sipagent: Command, sip_server: Start) -> None:
    result = sipagent("dial", f"sip:bob@{sip_server(refuse).address}", *LOOPBACK)
    assert result.exit_code == 1
    assert "sipagent: 403 Forbidden" in result.stderr


def account(registrar: str) -> None:
    Path("sip.conf").write_text(
        f"[account office]\nregistrar = sip:{registrar}\nusername = 6001\npassword = s3cr3t-pass\n"
    )


def test_a_number_is_called_as_the_account(sipagent: Command, sip_server: Start) -> None:
    server = sip_server(take)
    account(server.address)
    result = sipagent("dial", "6002", "--from", "office", "--duration", "0.2", *LOOPBACK)
    assert result.exit_code == 0
    (invite,) = server.of("INVITE")
    assert invite.target.user == "6002"
    assert invite.from_.uri.user == "6001"


def test_a_number_is_called_over_a_trunk_under_its_caller_id(sipagent: Command, sip_server: Start) -> None:
    server = sip_server(take)
    Path("sip.conf").write_text(f"[trunk carrier]\nhost = sip:{server.address}\ncaller_id = +15551234\n")
    result = sipagent("dial", "+4930123", "--from", "carrier", "--duration", "0.2", *LOOPBACK)
    assert result.exit_code == 0
    assert server.of("REGISTER") == []
    (invite,) = server.of("INVITE")
    assert (invite.target.user, invite.from_.uri.user) == ("+4930123", "+15551234")


def test_the_agent_has_the_call(sipagent: Command, sip_server: Start) -> None:
    server = sip_server(take)
    Path("sip.conf").write_text(
        f"[trunk carrier]\nhost = sip:{server.address}\nagent = parrot\n[agent parrot]\npipeline = echo\n"
    )
    result = sipagent("dial", "1", "--from", "carrier", "--agent", "--duration", "0.3", *LOOPBACK)
    assert result.exit_code == 0
    assert "answered (pcmu)" in result.output
    assert len(server.of("BYE")) == 1


def test_an_account_that_is_refused_can_place_no_call(sipagent: Command, sip_server: Start) -> None:
    """3 is for `check`, `doctor` and `run`; here it is the call that failed."""
    account(sip_server(refuse).address)
    result = sipagent("dial", "6002", *LOOPBACK)
    assert result.exit_code == 1
    assert "403 Forbidden to our registration" in result.stderr
    assert "s3cr3t-pass" not in result.output


def test_messages_are_traced_without_credentials(sipagent: Command, sip_server: Start) -> None:
    challenge = 'WWW-Authenticate: Digest realm="pbx", nonce="n0nce", qop="auth", algorithm=MD5'

    def challenging(request: Request) -> list[str]:
        if request.method == "REGISTER" and request.headers.get("authorization") is None:
            return [answer(request, 401, headers=(challenge,))]
        return take(request)

    server = sip_server(challenging)
    account(server.address)
    result = sipagent("dial", "6002", "--duration", "0.2", "--trace", "sip,rtp", *LOOPBACK)
    assert result.exit_code == 0
    assert "Authorization: ***" in result.stderr
    assert "response=" not in result.stderr
    assert "INVITE sip:6002@" in result.stderr
    assert "rtp to 127.0.0.1:9 172 bytes seq" in result.stderr
    assert "INVITE" not in result.stdout
    assert [request.headers.get("authorization") is not None for request in server.of("REGISTER")][:2] == [False, True]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["6002"], "without an account the target is an address"),
        (["sip:6002@127.0.0.1", "--from", "nobody"], "no [account nobody]"),
        (["sip:"], "nobody can be called at sip:"),
        (["sip:6002@127.0.0.1", "--dtmf", "1x"], "x: the keys are"),
        (["sip:6002@127.0.0.1", "--play", "nowhere.wav"], "nowhere.wav"),
        (["sip:6002@127.0.0.1", "--record", "nowhere/call.wav"], "no file can be written in nowhere"),
        (["sip:6002@127.0.0.1", "--agent"], "no API key"),
        (["sip:6002@127.0.0.1", "--agent", "--echo"], "leave --play, --echo and --dtmf out"),
        ([], "Missing argument"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_wrong_is_told_in_a_sentence(sipagent: Command, arguments: list[str], words: str) -> None:
    result = sipagent("dial", *arguments, *LOOPBACK)
    assert result.exit_code == 2
    assert words in result.stderr


def test_a_file_that_cannot_be_played_is_found_before_anybody_is_rung(sipagent: Command) -> None:
    Path("noise.wav").write_bytes(b"no WAV at all")
    result = sipagent("dial", "sip:6002@127.0.0.1", "--play", "noise.wav", *LOOPBACK)
    assert result.exit_code == 2
    assert "noise.wav" in result.stderr
