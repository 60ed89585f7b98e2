"""Every message of the corpora, each to a phone of its own: the committed verdict, and OPTIONS answered afterwards.

The tables in `verdicts` hold file names and verdicts. Where the corpora's manifest says what a correct user agent does,
the verdicts are held to that, too.
"""

from pathlib import Path

import pytest

from sipagent.errors import NotAcceptable
from sipagent.sdp.description import SdpError, SessionDescription
from sipagent.sdp.offer_answer import LocalMedia, make_answer
from sipagent.sip.admission import Admission, Verdict
from sipagent.sip.outputs import CallerTurnedAway
from tests.conformance.judge import DROPPED, INVITED, UNEXPECTED, answers_options, table, verdict
from tests.sip.bench import PEER, Bench

pytestmark = pytest.mark.corpora

FOLDERS = ("sip-fuzz", "sip-jsip-torture", "sip-repo-messages", "sip-scanners")
LOCAL = LocalMedia(host="192.0.2.10", port=40000, session_id=1, version=1)
TAKEN = {INVITED, UNEXPECTED, "200"}
"""Verdicts that mean that a message was believed."""


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_message_has_the_committed_verdict(corpora: Path, folder: str) -> None:
    said = {}
    for path in sorted((corpora / folder).iterdir()):
        bench = Bench()
        bench.receive(path.read_bytes())
        said[path.name] = verdict(bench)
        assert answers_options(bench), path.name
    assert said == table(folder)


@pytest.mark.parametrize("folder", FOLDERS)
def test_one_phone_survives_the_whole_folder(corpora: Path, folder: str) -> None:
    bench = Bench()
    for path in sorted((corpora / folder).iterdir()):
        bench.receive(path.read_bytes())
        assert answers_options(bench), path.name
        bench.advance(40.0)


def answer(body: bytes) -> str:
    """What becomes of an offer: `no SDP`, the 488 that says that nothing is left to speak, or what is agreed on."""
    try:
        SessionDescription.parse(body)
    except SdpError:
        return "no SDP"
    try:
        _, negotiated = make_answer(body, LOCAL)
    except NotAcceptable:
        return "488"
    return f"{negotiated.codec} {negotiated.direction.value}"


def test_each_session_description_has_the_committed_verdict(corpora: Path) -> None:
    assert {path.name: answer(path.read_bytes()) for path in (corpora / "sdp").iterdir()} == table("sdp")


# ---- what the manifest asks for


def test_session_descriptions_with_an_error_are_refused() -> None:
    broken = [said for name, said in table("sdp").items() if "session_ex_err" in name]
    assert len(broken) == 30
    assert set(broken) <= {"no SDP", "488"}


def test_real_session_descriptions_are_read() -> None:
    real = [said for name, said in table("sdp").items() if name.startswith("sdptransform-")]
    assert len(real) == 15
    assert "no SDP" not in real


def test_what_jain_sip_calls_bad_is_not_taken() -> None:
    bad = {name: said for name, said in table("sip-jsip-torture").items() if name.endswith("-bad.sip")}
    forgiven = {
        "056-bad.sip": UNEXPECTED,  # a response: whoever waits for it takes what can be read of it
        "376-bad.sip": INVITED,  # a Date of another time zone: Date is not looked at
    }
    assert len(bad) == 19
    assert {name: said for name, said in bad.items() if said in TAKEN} == forgiven


def test_what_is_cut_off_or_bad_is_not_taken() -> None:
    broken = {
        name: said
        for name, said in table("sip-repo-messages").items()
        if any(word in name for word in ("bad_", "short", "no_eom"))
    }
    forgiven = {"kamailio-short_reply.sip": UNEXPECTED}  # a short response, and a whole one
    assert len(broken) == 4
    assert {name: said for name, said in broken.items() if said in TAKEN} == forgiven


def test_methods_and_start_lines_of_protos_are_refused_or_dropped() -> None:
    payloads = {name: said for name, said in table("sip-fuzz").items() if name.startswith("protos-")}
    sound = payloads.pop("protos-c07-01-len435.sip")  # the first one is the sample that the others are broken from
    assert sound == INVITED
    assert len(payloads) == 19
    assert set(payloads.values()) <= {DROPPED, "400", "405", "501", "513"}


def test_what_crashed_another_parser_is_dropped() -> None:
    crashes = [said for name, said in table("sip-fuzz").items() if name.startswith("sipgo-")]
    assert crashes == [DROPPED] * 4


@pytest.mark.parametrize(("unknown", "expected"), [(Verdict.DROP, DROPPED), (Verdict.REJECT, "403")])
def test_scanners_get_no_call_and_learn_nothing(corpora: Path, unknown: Verdict, expected: str) -> None:
    """As strangers to a phone with an account, which is what they are."""
    for path in sorted((corpora / "sip-scanners").iterdir()):
        bench = Bench(Admission(unknown=unknown), user_agent="sipagent")
        bench.receive(path.read_bytes())
        (turned_away,) = [event for event in bench.told() if isinstance(event, CallerTurnedAway)]
        assert turned_away.source == PEER
        assert verdict(bench) == expected, path.name
