"""Digest answers against published examples, and the choice among challenges (RFC 7616, RFC 8760)."""

import hashlib
import json
from pathlib import Path

import pytest

from sipagent.sip.digest import Authenticator, Challenge, Credentials, challenges, digest_response
from sipagent.sip.message import Headers, Request, Response
from sipagent.sip.parameters import Parameters
from tests.sip.bench import CountingIds

ALICE = Credentials(username="alice", password="secret")
REGISTER = Request(method="REGISTER", uri="sip:pbx.example.com", headers=Headers())


def response_with(*challenges: str, header: str = "WWW-Authenticate") -> Response:
    return Response(code=401, reason="Unauthorized", headers=Headers((header, value) for value in challenges))


def parameters_of(value: str) -> Parameters:
    return Parameters.parse(value.removeprefix("Digest ").replace(",", ";"))


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def authenticator(credentials: Credentials | None = ALICE) -> Authenticator:
    return Authenticator(credentials, CountingIds(), "call-1")


def test_the_example_of_rfc_7616() -> None:
    credentials = Credentials(username="Mufasa", password="Circle of Life")
    nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
    cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    answers = {}
    for algorithm in ("MD5", "SHA-256"):
        challenge = Challenge(
            header="www-authenticate", realm="http-auth@example.org", nonce=nonce, algorithm=algorithm, qop="auth"
        )
        answers[algorithm] = digest_response(
            credentials, challenge, method="GET", uri="/dir/index.html", count="00000001", cnonce=cnonce
        )
    assert answers == {
        "MD5": "8ca523f5e9506fed4657c9700eebdbec",
        "SHA-256": "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
    }


def test_sha_512_256() -> None:
    challenge = Challenge(header="www-authenticate", realm="r", nonce="n1", algorithm="SHA-512-256", qop="auth")
    credentials = Credentials(username="bob", password="pw")
    answer = digest_response(credentials, challenge, method="REGISTER", uri="sip:r", count="00000001", cnonce="c")
    # what `openssl dgst -sha512-256` makes of the three steps of RFC 7616 section 3.4.1
    assert answer == "de78a40680c7ba19bbc7fd9000ea2a43b04a2ee63fa13cfc8a3eae48737ef1d0"


def test_a_nonce_given_to_two_requests_is_counted_on() -> None:
    first = authenticator()
    response = response_with('Digest realm="r", nonce="n1", qop="auth"')
    counts = []
    for one in (first, first.another(), first.another().another()):
        ((_, value),) = one.answer(REGISTER, response) or []
        counts.append(parameters_of(value).get("nc"))
    assert counts == ["00000001", "00000002", "00000003"]


@pytest.mark.corpora
def test_the_published_vectors(corpora: Path) -> None:
    vectors = [json.loads(path.read_text()) for path in sorted((corpora / "digest").glob("*.json"))]
    assert vectors
    for vector in vectors:
        challenge = Challenge(
            header="www-authenticate",
            realm=vector["realm"],
            nonce=vector["nonce"],
            algorithm=vector["algorithm"],
            qop=vector["qop"],
        )
        response = digest_response(
            Credentials(username=vector["username"], password=vector["password"]),
            challenge,
            method=vector["method"],
            uri=vector["uri"],
            count=vector["nc"],
            cnonce=vector["cnonce"],
        )
        assert response == vector["response"], vector["name"]


def test_without_qop_the_answer_is_that_of_rfc_2069() -> None:
    challenge = Challenge(
        header="www-authenticate", realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"
    )
    credentials = Credentials(username="Mufasa", password="CircleOfLife")
    answer = digest_response(credentials, challenge, method="GET", uri="/dir/index.html", count="", cnonce="")
    assert answer == "1949323746fe6a43ef61f9606e7febea"  # RFC 2069 section 2.4, as its erratum 749 corrects it


def test_the_strongest_challenge_that_we_know_is_answered() -> None:
    response = response_with(
        'Digest realm="r", nonce="n1", algorithm=MD5, qop="auth", '
        'Digest realm="r", nonce="n2", algorithm=SHA-256, qop="auth"',
        'Digest realm="r", nonce="n3", algorithm=SHA-3, qop="auth"',
        'Basic realm="r"',
    )
    assert [(item.algorithm, item.nonce) for item in challenges(response)] == [("SHA-256", "n2"), ("MD5", "n1")]
    answers = authenticator().answer(REGISTER, response)
    assert answers is not None
    ((name, value),) = answers
    assert name == "Authorization"
    assert parameters_of(value).get("algorithm") == "SHA-256"


def test_an_answer_has_all_its_parameters() -> None:
    response = response_with('Digest realm="a \\"b\\"",nonce="n1",opaque="o",qop="auth-int,auth",algorithm=md5')
    a1, a2 = md5('alice:a "b":secret'), md5("REGISTER:sip:pbx.example.com")
    response_value = md5(f"{a1}:n1:00000001:cnonce1:auth:{a2}")
    answers = authenticator().answer(REGISTER, response)
    assert answers == [
        (
            "Authorization",
            'Digest username="alice", realm="a \\"b\\"", nonce="n1", uri="sip:pbx.example.com", '
            f'response="{response_value}", algorithm=MD5, opaque="o", qop=auth, nc=00000001, '
            'cnonce="cnonce1"',
        )
    ]


@pytest.mark.parametrize(
    "challenge",
    [
        'Digest realm="r", nonce="n", qop="auth-int"',
        'Digest realm="r", nonce="n", algorithm=AKAv1-MD5',
        'Digest realm="r"',
        "Basic realm=r",
        "",
    ],
)
def test_a_challenge_that_we_cannot_answer_is_left(challenge: str) -> None:
    assert authenticator().answer(REGISTER, response_with(challenge)) is None


def test_without_credentials_nothing_is_answered() -> None:
    assert authenticator(None).answer(REGISTER, response_with('Digest realm="r", nonce="n"')) is None


def test_a_new_nonce_is_taken_as_stale_once() -> None:
    alice = authenticator()
    assert alice.answer(REGISTER, response_with('Digest realm="r", nonce="n1"'))
    assert alice.answer(REGISTER, response_with('Digest realm="r", nonce="n2"'))
    assert alice.answer(REGISTER, response_with('Digest realm="r", nonce="n3"')) is None


def test_the_same_nonce_again_means_wrong_credentials() -> None:
    alice = authenticator()
    assert alice.answer(REGISTER, response_with('Digest realm="r", nonce="n1"'))
    assert alice.answer(REGISTER, response_with('Digest realm="r", nonce="n1"')) is None


def test_the_next_request_starts_anew_and_counts_the_nonce_on() -> None:
    alice = authenticator()
    challenge = response_with('Digest realm="r", nonce="n1", qop="auth"')
    alice.answer(REGISTER, challenge)
    alice.begin()
    answers = alice.answer(REGISTER, challenge)
    assert answers is not None
    assert parameters_of(answers[0][1]).get("nc") == "00000002"


def test_a_proxy_and_the_server_are_answered_side_by_side() -> None:
    alice = authenticator()
    alice.answer(REGISTER, response_with('Digest realm="p", nonce="n1"', header="Proxy-Authenticate"))
    answers = alice.answer(REGISTER, response_with('Digest realm="r", nonce="n2"'))
    assert answers is not None
    assert [name for name, _ in answers] == ["Proxy-Authorization", "Authorization"]


def test_a_chain_of_proxies_without_end_is_not_followed() -> None:
    alice = authenticator()
    answered = [alice.answer(REGISTER, response_with(f'Digest realm="r{n}", nonce="n{n}"')) for n in range(6)]
    assert [answer is not None for answer in answered] == [True, True, True, True, False, False]


def test_the_password_is_not_in_the_repr() -> None:
    assert "secret" not in repr(ALICE)
