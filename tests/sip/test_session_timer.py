"""Session timers (RFC 4028): who refreshes, when, and what happens when nobody does."""

import pytest

from sipagent.sip.message import Headers, Request, Response
from sipagent.sip.session_timer import Due, SessionTimer, is_too_brief

Fields = dict[str, str]


def asking(expires: str = "", supported: str = "timer", minimum: str = "") -> Request:
    fields = {"Session-Expires": expires, "Supported": supported, "Min-SE": minimum}
    return Request(method="INVITE", uri="sip:a@b", headers=Headers((n, v) for n, v in fields.items() if v))


def ok(expires: str = "", code: int = 200, minimum: str = "") -> Response:
    fields = {"Session-Expires": expires, "Min-SE": minimum}
    return Response(code=code, reason="", headers=Headers((n, v) for n, v in fields.items() if v))


def what_happens(timer: SessionTimer) -> list[tuple[float, Due]]:
    """Everything that becomes due, and when."""
    happened: list[tuple[float, Due]] = []
    while (at := timer.next_timer()) is not None:
        due = timer.due(at)
        assert due is not None
        happened.append((at, due))
    return happened


class TestAnswering:
    """Table 2 of section 9: what a 2xx says to each request."""

    @pytest.mark.parametrize(
        ("expires", "supported", "answer"),
        [
            ("1800", "", {"Session-Expires": "1800;refresher=uas"}),
            ("1800;refresher=uas", "", {"Session-Expires": "1800;refresher=uas"}),
            ("1800", "timer", {"Session-Expires": "1800;refresher=uac", "Require": "timer"}),
            ("1800;refresher=uac", "timer", {"Session-Expires": "1800;refresher=uac", "Require": "timer"}),
            ("90;refresher=UAS", "100rel, timer", {"Session-Expires": "90;refresher=uas", "Require": "timer"}),
            ("90;refresher=nobody", "timer", {"Session-Expires": "90;refresher=uac", "Require": "timer"}),
            ("", "timer", {}),
            ("", "", {}),
            ("soon", "timer", {}),
            ("0", "timer", {}),
        ],
    )
    def test_the_refresher(self, expires: str, supported: str, answer: Fields) -> None:
        assert dict(SessionTimer().answer(asking(expires, supported), 0.0)) == answer

    @pytest.mark.parametrize(
        ("expires", "supported", "brief"),
        [("89", "timer", True), ("90", "timer", False), ("89", "", False), ("", "timer", False), ("1", "timer", True)],
    )
    def test_too_brief_is_told_only_to_who_understands(self, expires: str, supported: str, brief: bool) -> None:
        assert is_too_brief(asking(expires, supported)) is brief

    def test_a_refresh_that_does_not_mention_the_timer_goes_on_with_it(self) -> None:
        timer = SessionTimer()
        timer.answer(asking("600;refresher=uac"), 0.0)
        assert dict(timer.answer(asking(), 100.0)) == {"Session-Expires": "600;refresher=uac", "Require": "timer"}
        assert dict(timer.answer(asking(supported=""), 100.0)) == {"Session-Expires": "600;refresher=uas"}


class TestTime:
    def test_the_refresher_asks_again_at_half_time(self) -> None:
        timer = SessionTimer()
        timer.agree(ok("1800;refresher=uac"), 10.0)
        assert what_happens(timer) == [(910.0, Due.REFRESH), (1778.0, Due.EXPIRED)]

    def test_the_other_waits_until_shortly_before_the_end(self) -> None:
        timer = SessionTimer()
        timer.agree(ok("90;refresher=uas"), 0.0)
        assert what_happens(timer) == [(60.0, Due.EXPIRED)]

    def test_a_2xx_that_names_no_refresher_leaves_it_to_us(self) -> None:
        timer = SessionTimer()
        timer.agree(ok("600"), 0.0)
        assert timer.next_timer() == 300.0

    def test_a_2xx_without_a_timer_ends_it(self) -> None:
        timer = SessionTimer()
        timer.agree(ok("600"), 0.0)
        timer.agree(ok(), 100.0)
        assert what_happens(timer) == []
        assert timer.renewal == ()

    def test_each_refresh_begins_anew(self) -> None:
        timer = SessionTimer()
        timer.answer(asking("600;refresher=uac"), 0.0)
        timer.answer(asking("600;refresher=uac"), 300.0)
        assert what_happens(timer) == [(868.0, Due.EXPIRED)]

    def test_a_refresh_that_failed_is_tried_again_while_there_is_time(self) -> None:
        timer = SessionTimer()
        timer.agree(ok("300;refresher=uac"), 0.0)
        tries = []
        while (due := timer.due(at := timer.next_timer() or 0.0)) is Due.REFRESH:
            tries.append(at)
            timer.failed(at)
        assert due is Due.EXPIRED
        assert at == 268.0
        assert tries == [150.0, 209.0, 238.5, 253.25, 260.625]


class TestAsking:
    def test_a_call_of_ours_asks_for_half_an_hour(self) -> None:
        assert SessionTimer().proposal == (("Session-Expires", "1800"),)

    def test_a_422_is_met_once(self) -> None:
        timer = SessionTimer()
        assert timer.lengthen(ok(code=422, minimum="3600"))
        assert timer.proposal == (("Session-Expires", "3600"), ("Min-SE", "3600"))
        assert not timer.lengthen(ok(code=422, minimum="3600"))
        assert not timer.lengthen(ok(code=422))

    @pytest.mark.parametrize(("agreed", "renewal"), [("uac", "uac"), ("uas", "uas")])
    def test_a_request_of_ours_keeps_the_refresher(self, agreed: str, renewal: str) -> None:
        timer = SessionTimer()
        timer.agree(ok(f"600;refresher={agreed}"), 0.0)
        assert timer.renewal == (("Session-Expires", f"600;refresher={renewal}"),)

    def test_who_was_called_and_refreshes_is_the_uac_of_its_own_request(self) -> None:
        timer = SessionTimer()
        timer.answer(asking("600;refresher=uas"), 0.0)
        assert timer.renewal == (("Session-Expires", "600;refresher=uac"),)
