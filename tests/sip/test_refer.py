"""REFER both ways (RFC 3515): whom the far end shall call, or we, and how the one that asked learns how it went."""

import pytest

from sipagent.errors import LocalProtocolError
from sipagent.sip.invite import InviteSession
from sipagent.sip.message import Headers, Request, Response
from sipagent.sip.outputs import Ended, Output, ReferAnswered, ReferProgressed, ReferReceived
from sipagent.sip.refer import ReferTo, read_sipfrag, sipfrag
from sipagent.sip.referred import Referred
from sipagent.sip.replaces import Replaces
from sipagent.sip.timers import PATIENCE
from sipagent.sip.uri import Uri
from tests.sip.bench import Bench, answer, request
from tests.sip.test_invite_called import from_caller, standing

CAROL = Uri.parse("sip:carol@192.0.2.7")


# ---- what is written


@pytest.mark.parametrize(
    ("value", "target", "replaces"),
    [
        ("<sip:carol@192.0.2.7>", "sip:carol@192.0.2.7", None),
        ("sip:carol@192.0.2.7", "sip:carol@192.0.2.7", None),
        ('"Carol" <sip:carol@192.0.2.7;method=INVITE;transport=tcp>', "sip:carol@192.0.2.7;transport=tcp", None),
        ("<tel:+15550100>", "tel:+15550100", None),
        (
            "<sip:carol@192.0.2.7?Replaces=a%40b%3Bto-tag%3D1%3Bfrom-tag%3D2&Require=replaces>",
            "sip:carol@192.0.2.7",
            Replaces(call_id="a@b", to_tag="1", from_tag="2"),
        ),
    ],
)
def test_refer_to_names_whom_to_call(value: str, target: str, replaces: Replaces | None) -> None:
    refer_to = ReferTo.of_headers(Headers([("r", value)]))
    assert (str(refer_to.target), refer_to.replaces) == (target, replaces)
    assert ReferTo.of_headers(Headers([("Refer-To", str(refer_to))])) == refer_to


@pytest.mark.parametrize(
    "rows",
    [
        [],
        ["<sip:a@b>", "<sip:c@d>"],
        ["<sip:a@b>, <sip:c@d>"],
        ["<sip:a@b;method=BYE>"],
        ["<https://example.com>"],
        ["<sip:"],
        ["<sip:a@b?Replaces=nothing>"],
    ],
)
def test_refer_to_that_is_no_call(rows: list[str]) -> None:
    with pytest.raises(ValueError, match=r"."):
        ReferTo.of_headers(Headers([("Refer-To", row) for row in rows]))


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"SIP/2.0 180 Ringing\r\n", (180, "Ringing")),
        (b"SIP/2.0 200 OK", (200, "OK")),
        (b"SIP/2.0 486\r\nContact: <sip:a@b>\r\n", (486, "Busy Here")),
        (b"INVITE sip:a@b SIP/2.0\r\n", None),
        (b"", None),
        (b"\xff\xfe", None),
    ],
)
def test_a_sipfrag_is_read(body: bytes, status: tuple[int, str] | None) -> None:
    assert read_sipfrag(body) == status


def test_a_sipfrag_is_written() -> None:
    assert read_sipfrag(sipfrag(486)) == (486, "Busy Here")


# ---- ours


def referring(replaces: InviteSession | None = None) -> tuple[Bench, InviteSession, Request]:
    """The call stands, and our REFER has left."""
    bench, session = standing()
    bench.agent.refer(session, CAROL, bench.now, replaces=replaces)
    bench.drain()
    return bench, session, bench.request()


def notify(
    body: str, cseq: int, *, state: str = "active;expires=60", event: str = "refer", call: str = "call-1"
) -> str:
    headers = (f"Event: {event}", f"Subscription-State: {state}", "Content-Type: message/sipfrag;version=2.0")
    return request(
        "NOTIFY",
        branch=f"z9hG4bKnotify{cseq}",
        recipient="<sip:6001@127.0.0.1>;tag=tag1",
        call_id=call,
        cseq=cseq,
        headers=headers,
        body=body.encode(),
    )


def seen(bench: Bench) -> list[tuple[int, bool]]:
    """What was told of a REFER: codes, and whether that was the last of it; nothing else was told."""
    return [(told.code, isinstance(told, ReferProgressed) and told.is_final) for told in map(_of_refer, bench.told())]


def _of_refer(output: Output) -> ReferAnswered | ReferProgressed:
    assert isinstance(output, ReferAnswered | ReferProgressed)
    return output


def test_the_refer_says_whom_to_call_and_who_asks() -> None:
    refer = referring()[2]
    assert refer.method == "REFER"
    assert refer.headers.get("refer-to") == "<sip:carol@192.0.2.7>"
    assert refer.headers.get("referred-by") == "<sip:6001@127.0.0.1>"
    assert refer.headers.get("contact")
    assert refer.to.tag == "alice"


def test_an_attended_refer_names_the_call_to_be_replaced_as_its_far_end_knows_it() -> None:
    _, session = standing()
    refer = referring(replaces=session)[2]
    embedded = ReferTo.of_headers(refer.headers).replaces
    assert embedded == Replaces(call_id="call-1", to_tag="alice", from_tag="tag1")


def test_the_far_end_accepts_rings_and_gets_through() -> None:
    bench, _, refer = referring()
    bench.receive(answer(refer, 202))
    bench.receive(notify("SIP/2.0 100 Trying", 10))
    bench.receive(notify("SIP/2.0 180 Ringing", 11))
    bench.receive(notify("SIP/2.0 200 OK", 12, state="terminated;reason=noresource"))
    assert bench.lines() == ["200", "200", "200"]
    assert seen(bench) == [(202, False), (100, False), (180, False), (200, True)]


def test_the_one_called_is_busy() -> None:
    bench, _, refer = referring()
    bench.receive(answer(refer, 202))
    bench.receive(notify("SIP/2.0 486 Busy Here", 10, state="terminated;reason=noresource"))
    assert seen(bench) == [(202, False), (486, True)]


def test_a_final_status_ends_it_though_the_subscription_is_said_to_live() -> None:
    bench, _, refer = referring()
    bench.receive(answer(refer, 202))
    bench.receive(notify("SIP/2.0 200 OK", 10))
    bench.receive(notify("SIP/2.0 200 OK", 11, state="terminated"))
    assert bench.lines() == ["200", "200"]
    assert seen(bench) == [(202, False), (200, True)]


def test_a_subscription_may_end_without_an_outcome() -> None:
    bench, _, refer = referring()
    bench.receive(answer(refer, 202))
    bench.receive(notify("SIP/2.0 100 Trying", 10, state="terminated;reason=timeout"))
    assert seen(bench) == [(202, False), (0, True)]


@pytest.mark.parametrize("code", [403, 405, 501, 603])
def test_the_far_end_refuses(code: int) -> None:
    bench, _, refer = referring()
    bench.receive(answer(refer, code))
    assert seen(bench) == [(code, False)]


def test_nobody_answers_the_refer() -> None:
    bench, _, _ = referring()
    bench.advance(PATIENCE)
    assert seen(bench) == [(408, False)]


@pytest.mark.parametrize("headers", [[], ["Refer-Sub: false"]], ids=["never told", "said to be never told (RFC 4488)"])
def test_accepted_and_never_a_notify(headers: list[str]) -> None:
    bench, _, refer = referring()
    bench.receive(answer(refer, 202, headers=headers))
    bench.advance(PATIENCE)
    assert seen(bench) == [(202, False), (0, True)]


def test_while_it_rings_we_wait_as_long_as_the_subscription_lasts() -> None:
    bench, _, refer = referring()
    bench.receive(answer(refer, 202))
    bench.receive(notify("SIP/2.0 180 Ringing", 10, state="active;expires=90"))
    bench.advance(89)
    assert seen(bench) == [(202, False), (180, False)]
    bench.advance(2)
    assert seen(bench) == [(0, True)]


def test_a_notify_that_overtakes_the_202() -> None:
    bench, _, refer = referring()
    bench.receive(notify("SIP/2.0 100 Trying", 10))
    bench.receive(answer(refer, 202))
    assert seen(bench) == [(202, False), (100, False)]


def test_notifies_that_come_in_the_wrong_order() -> None:
    bench, _, refer = referring()
    bench.receive(answer(refer, 202))
    bench.receive(notify("SIP/2.0 180 Ringing", 11))
    bench.receive(notify("SIP/2.0 100 Trying", 10))
    assert bench.lines() == ["200", "500"]
    assert seen(bench) == [(202, False), (180, False)]


@pytest.mark.parametrize("event", ["refer;id=99", "message-summary"])
def test_a_notify_about_something_else(event: str) -> None:
    bench, _, refer = referring()
    bench.receive(answer(refer, 202))
    bench.receive(notify("SIP/2.0 200 OK", 10, event=event))
    assert bench.lines() == ["481"]
    assert seen(bench) == [(202, False)]


def test_a_notify_may_name_the_refer_by_its_number() -> None:
    bench, _, refer = referring()
    bench.receive(answer(refer, 202))
    bench.receive(notify("SIP/2.0 200 OK", 10, event=f"refer;id={refer.cseq.number}"))
    assert seen(bench) == [(202, False), (200, True)]


def test_the_last_notify_comes_after_the_bye() -> None:
    bench, _, refer = referring()
    bench.receive(answer(refer, 202))
    bench.receive(from_caller("BYE", "bye", cseq=9))
    assert [type(told) for told in bench.told()] == [ReferAnswered, Ended]
    bench.receive(notify("SIP/2.0 200 OK", 10, state="terminated;reason=noresource"))
    assert bench.lines() == ["200", "200"]
    assert seen(bench) == [(200, True)]


def test_one_at_a_time() -> None:
    bench, session, _ = referring()
    with pytest.raises(LocalProtocolError, match="already"):
        bench.agent.refer(session, CAROL, bench.now)


def test_only_in_a_call_that_stands() -> None:
    bench, session = standing()
    session.bye(bench.now)
    with pytest.raises(LocalProtocolError, match="ending"):
        bench.agent.refer(session, CAROL, bench.now)


# ---- theirs


def refer_from_caller(*headers: str, cseq: int = 2) -> str:
    return from_caller("REFER", f"refer{cseq}", cseq=cseq, headers=headers or ("Refer-To: <sip:carol@192.0.2.7>",))


def referred(*headers: str) -> tuple[Bench, Referred]:
    """A REFER has come."""
    bench, _ = standing()
    bench.receive(refer_from_caller(*headers))
    return bench, bench.event(ReferReceived).referred


def sent(bench: Bench) -> list[Request | Response]:
    bench.drain()
    return bench.sent()


def test_a_refer_is_told_with_whom_to_call() -> None:
    bench, _ = standing()
    bench.receive(refer_from_caller("Refer-To: <sip:carol@192.0.2.7>", "Referred-By: <sip:alice@127.0.0.2>"))
    told = bench.event(ReferReceived)
    assert str(told.refer_to.target) == "sip:carol@192.0.2.7"
    assert told.referred_by == "<sip:alice@127.0.0.2>"


def test_accepted_and_told_how_it_goes() -> None:
    bench, ours = referred()
    ours.accept(bench.now)
    response, trying = sent(bench)
    assert isinstance(response, Response)
    assert response.code == 202
    assert isinstance(trying, Request)
    assert (trying.method, trying.headers.get("event"), trying.body) == ("NOTIFY", "refer;id=2", sipfrag(100))
    assert trying.headers.get("subscription-state") == "active;expires=180"
    bench.receive(answer(trying, 200))

    ours.tell(180, bench.now)
    bench.drain()
    ringing = bench.request()
    assert ringing.body == sipfrag(180)
    bench.receive(answer(ringing, 200))

    ours.tell(200, bench.now)
    bench.drain()
    through = bench.request()
    assert (through.body, through.headers.get("subscription-state")) == (sipfrag(200), "terminated;reason=noresource")
    bench.receive(answer(through, 200))
    assert sent(bench) == []


def test_a_notify_waits_for_the_answer_to_the_one_before_and_tells_the_newest() -> None:
    bench, ours = referred()
    ours.accept(bench.now)
    _, trying = sent(bench)
    ours.tell(180, bench.now)
    ours.tell(486, bench.now)
    assert sent(bench) == []
    assert isinstance(trying, Request)
    bench.receive(answer(trying, 200))
    assert bench.request().body == sipfrag(486)


def test_who_does_not_want_to_know_is_told_nothing() -> None:
    bench, ours = referred("Refer-To: <sip:carol@192.0.2.7>", "Refer-Sub: false")
    ours.accept(bench.now)
    (response,) = sent(bench)
    assert isinstance(response, Response)
    assert (response.code, response.headers.get("refer-sub")) == (202, "false")
    ours.tell(200, bench.now)
    assert sent(bench) == []


def test_a_notify_that_is_not_wanted_is_the_last() -> None:
    bench, ours = referred()
    ours.accept(bench.now)
    _, trying = sent(bench)
    assert isinstance(trying, Request)
    bench.receive(answer(trying, 481))
    ours.tell(200, bench.now)
    assert sent(bench) == []


def test_the_one_that_asked_may_hang_up_and_is_told_all_the_same() -> None:
    bench, ours = referred()
    ours.accept(bench.now)
    _, trying = sent(bench)
    assert isinstance(trying, Request)
    bench.receive(from_caller("BYE", "bye", cseq=3))
    bench.receive(answer(trying, 200))
    ours.tell(200, bench.now)
    bench.drain()
    assert bench.lines() == ["200", "NOTIFY"]


@pytest.mark.parametrize("code", [403, 603])
def test_refused(code: int) -> None:
    bench, ours = referred()
    ours.refuse(code, bench.now)
    bench.drain()
    assert bench.response().code == code
    bench.receive(refer_from_caller(cseq=3))
    assert bench.event(ReferReceived)


@pytest.mark.parametrize("header", ["X-None: 1", "Refer-To: <https://example.com>", "Refer-To: <sip:a@b;method=BYE>"])
def test_a_refer_to_no_call(header: str) -> None:
    bench, _ = standing()
    bench.receive(refer_from_caller(header))
    assert bench.response().code == 400
    assert bench.told() == []


def test_a_second_refer_has_to_wait() -> None:
    bench, _ = referred()
    bench.receive(refer_from_caller(cseq=3))
    assert bench.response().code == 491


def test_a_refer_out_of_order() -> None:
    bench, _ = standing()
    bench.receive(refer_from_caller(cseq=0))
    assert bench.response().code == 500


def test_a_refer_outside_any_call_is_forbidden() -> None:
    bench = Bench()
    bench.receive(request("REFER", headers=["Refer-To: <sip:carol@192.0.2.7>"]))
    assert bench.response().code == 403
