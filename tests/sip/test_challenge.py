"""`unknown_callers = digest`: strangers are asked for a password, and what theirs is worth."""

import hashlib
import os
import re
from pathlib import Path

import pytest

from sipagent.sip.admission import Admission, Peering, Verdict
from sipagent.sip.challenge import LIFETIME, Challenger
from sipagent.sip.digest import Credentials, authorization, challenges
from sipagent.sip.flood import GUESSES
from sipagent.sip.flow import Address
from sipagent.sip.message import Response
from sipagent.sip.outputs import Invited
from tests.sip.bench import SDP, Bench, request

STRANGER = Address("203.0.113.5", 5060)
OURS = Credentials(username="carrier", password="s3cr3t")
URI = "sip:6001@127.0.0.1"
CORPORA = os.environ.get("SIPAGENT_CORPORA")


def bench() -> Bench:
    credentials = {"office": Credentials(username="6001", password="other"), "trunk": OURS}
    challenger = Challenger(realm="sipagent", secret=b"secret", credentials=credentials)
    admission = Admission(unknown=Verdict.DIGEST, trunks=[Peering(name="trunk")], challenger=challenger)
    return Bench(admission, trunks=["trunk"])


def challenged(bench: Bench, *, call_id: str = "call-1", source: Address = STRANGER) -> Response:
    bench.receive(request("INVITE", call_id=call_id, branch=f"z9hG4bK{call_id}", body=SDP), source)
    return bench.response()


def answered(
    response: Response, credentials: Credentials = OURS, *, algorithm: str = "SHA-256", method: str = "INVITE"
) -> str:
    challenge = next(each for each in challenges(response) if each.algorithm == algorithm)
    value = authorization(credentials, challenge, method=method, uri=URI, count=1, cnonce="c")
    return f"Authorization: {value}"


def tries(
    bench: Bench, header: str, *, call_id: str = "call-1", source: Address = STRANGER, branch: str = "z9hG4bK2"
) -> str:
    """Send the INVITE with credentials; return the line that let it in, or the code of its refusal."""
    bench.receive(request("INVITE", call_id=call_id, branch=branch, cseq=2, headers=[header], body=SDP), source)
    told = [output for output in bench.told() if isinstance(output, Invited)]
    return told[0].session.account if told else "".join(bench.lines())


def test_a_stranger_is_asked_for_a_password_and_nothing_is_kept() -> None:
    asked = bench()
    response = challenged(asked)
    assert response.code == 401
    assert [each.algorithm for each in challenges(response)] == ["SHA-256", "MD5"]
    assert asked.agent.idle


@pytest.mark.parametrize("algorithm", ["SHA-256", "MD5"])
def test_the_right_password_lets_the_call_in_on_its_line(algorithm: str) -> None:
    asked = bench()
    assert tries(asked, answered(challenged(asked), algorithm=algorithm)) == "trunk"


def test_a_client_of_rfc_2069_is_understood() -> None:
    asked = bench()
    nonce = challenges(challenged(asked))[0].nonce

    def md5(text: str) -> str:
        return hashlib.md5(text.encode()).hexdigest()

    digest = md5(f"{md5('carrier:sipagent:s3cr3t')}:{nonce}:{md5(f'INVITE:{URI}')}")
    header = (
        f'Authorization: Digest username="carrier",realm="sipagent",nonce="{nonce}",uri="{URI}",response="{digest}"'
    )
    assert tries(asked, header) == "trunk"


def test_a_wrong_password_is_asked_again_and_after_a_few_no_longer_heard() -> None:
    asked = bench()
    response = challenged(asked)
    wrong = answered(response, Credentials(username="carrier", password="guess"))
    heard = [tries(asked, wrong, branch=f"z9hG4bK{number}") for number in range(GUESSES.burst + 1)]
    assert heard == ["401"] * GUESSES.burst + [""]
    assert tries(asked, answered(response), branch="z9hG4bKright") == ""


def test_who_guesses_is_heard_again_after_a_while() -> None:
    asked = bench()
    wrong = answered(challenged(asked), Credentials(username="carrier", password="guess"))
    for number in range(GUESSES.burst + 1):
        tries(asked, wrong, branch=f"z9hG4bK{number}")
    asked.advance(2 / GUESSES.per_second)
    assert tries(asked, answered(challenged(asked, call_id="call-9")), call_id="call-9") == "trunk"


def test_a_nonce_is_for_one_call_from_one_address() -> None:
    asked = bench()
    header = answered(challenged(asked))
    assert tries(asked, header, call_id="call-2", branch="z9hG4bKa") == "401"
    assert tries(asked, header, source=Address("203.0.113.6", 5060), branch="z9hG4bKb") == "401"
    assert tries(asked, header, branch="z9hG4bKc") == "trunk"


def test_an_old_nonce_is_stale_and_no_wrong_password() -> None:
    asked = bench()
    header = answered(challenged(asked))
    asked.advance(LIFETIME + 1)
    asked.receive(request("INVITE", branch="z9hG4bKlate", cseq=2, headers=[header], body=SDP), STRANGER)
    again = asked.response()
    assert [each.stale for each in challenges(again)] == [True, True]
    assert tries(asked, answered(again), branch="z9hG4bKnew") == "trunk"


def test_the_same_credentials_twice_are_a_merged_request() -> None:
    asked = bench()
    header = answered(challenged(asked))
    assert tries(asked, header, branch="z9hG4bKa") == "trunk"
    asked.sent()
    assert tries(asked, header, branch="z9hG4bKb") == "482"


@pytest.mark.parametrize("method", ["REGISTER", "MESSAGE", "CANCEL", "BYE", "SUBSCRIBE"])
def test_only_calls_and_questions_for_them_are_asked(method: str) -> None:
    asked = bench()
    asked.receive(request(method), STRANGER)
    assert asked.sent() == []


@pytest.mark.parametrize(
    "header",
    [
        "Digest",
        'Digest realm="sipagent"',
        'Digest realm="sipagent", nonce="zz-1", response="\u00e9"',
        'Digest realm="sipagent", nonce="-", algorithm=SHA-1, response=""',
        'Digest realm="elsewhere", nonce="1"',
        "Basic Y2Fycmllcjpz",
        'Digest realm="sipagent", username="carrier", nonce="fffffffffffffffffffffff-0", qop=auth-int',
    ],
)
def test_nonsense_is_no_password(header: str) -> None:
    asked = bench()
    assert tries(asked, f"Authorization: {header}") == "401"


# ---- scanners


@pytest.mark.skipif(not CORPORA, reason="SIPAGENT_CORPORA names no directory")
@pytest.mark.parametrize("unknown", [Verdict.DROP, Verdict.REJECT, Verdict.DIGEST])
def test_scanners_start_nothing_and_learn_nothing(unknown: Verdict) -> None:
    asked = Bench(Admission(unknown=unknown, challenger=Challenger(realm="r", secret=b"s", credentials={})))
    codes: dict[str, str] = {}
    for number, path in enumerate(sorted((Path(CORPORA or "") / "sip-scanners").iterdir())):
        asked.receive(path.read_bytes(), Address(f"203.0.113.{number}", 5060))
        assert not [output for output in asked.told() if isinstance(output, Invited)]
        for response in asked.sent():
            assert not re.search(r"sipagent|allow|6001", str(bytes(response)), re.IGNORECASE)
            codes[path.name] = str(response.code) if isinstance(response, Response) else ""
    assert asked.agent.idle
    calls = {"svmap-001-OPTIONS.sip": "401", "svwar-002-INVITE.sip": "401"}
    assert codes == (calls if unknown is Verdict.DIGEST else codes if unknown is Verdict.REJECT else {})
    assert unknown is not Verdict.REJECT or set(codes.values()) == {"403"}
