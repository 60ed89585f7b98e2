"""Registration (RFC 3261 section 10): as a desk phone does it, for as long as the process lives."""

from itertools import pairwise

import pytest

from sipagent.sip.admission import Admission
from sipagent.sip.digest import Credentials
from sipagent.sip.flow import Address
from sipagent.sip.identity import Identity
from sipagent.sip.message import Request
from sipagent.sip.outputs import Invited, RegistrationEnded, RegistrationRefused, RegistrationSucceeded
from sipagent.sip.registration import REGISTRATION, Registration, RegistrationState
from sipagent.sip.uri import Uri
from tests.sip.bench import PEER, SDP, Bench, answer, flow_from, request

IDENTITY = Identity(
    uri=Uri.parse("sip:6001@pbx.example.com"),
    display_name="Agent",
    credentials=Credentials(username="6001", password="secret"),
    account="pbx",
)
CHALLENGE = 'WWW-Authenticate: Digest realm="pbx", nonce="{}", algorithm=MD5, qop="auth"'
JITTER = 1.125
"""CountingIds draws the middle of every range: a wait is an eighth longer than its base."""


def registering(identity: Identity = IDENTITY, expires: int = 300) -> tuple[Bench, Registration, Request]:
    """The first REGISTER has left."""
    bench = Bench(Admission())
    registration = bench.agent.register(
        identity=identity,
        registrar=Uri.parse("sip:pbx.example.com"),
        flow=flow_from(PEER),
        expires=expires,
        now=bench.now,
    )
    return bench, registration, bench.request()


def registered(expires: int = 300) -> tuple[Bench, Registration]:
    bench, registration, register = registering(expires=expires)
    bench.receive(answer(register, 200, headers=[f"Expires: {expires}"]))
    bench.event(RegistrationSucceeded)
    return bench, registration


def next_register(bench: Bench, within: float = 4000.0) -> tuple[float, Request]:
    """Let time pass until a REGISTER leaves; how long it took."""
    start = bench.now
    while (due := bench.agent.next_timer()) is not None and due <= start + within:
        bench.advance(due - bench.now)
        for message in bench.sent():
            assert isinstance(message, Request)
            return bench.now - start, message
    raise AssertionError(f"no REGISTER within {within} s")


class TestRegistering:
    def test_the_request_is_that_of_a_phone(self) -> None:
        _, registration, register = registering()
        assert (register.method, register.uri) == ("REGISTER", "sip:pbx.example.com")
        assert register.headers.get("to") == '"Agent" <sip:6001@pbx.example.com>'
        assert register.headers.get("from") == '"Agent" <sip:6001@pbx.example.com>;tag=tag1'
        assert register.headers.get("contact") == f"<sip:{registration.token}@127.0.0.1:5060>"
        assert register.headers.get("expires") == "300"
        assert register.headers.get("authorization") is None

    def test_a_challenge_is_answered(self) -> None:
        bench, _, register = registering()
        bench.receive(answer(register, 401, headers=[CHALLENGE.format("n1")]))
        again = bench.request()
        assert (again.call_id, again.from_.tag) == (register.call_id, register.from_.tag)
        assert again.cseq.number == register.cseq.number + 1
        assert again.headers.get("contact") == register.headers.get("contact")
        assert 'username="6001", realm="pbx", nonce="n1"' in (again.headers.get("authorization") or "")
        bench.receive(answer(again, 200, headers=["Expires: 60"]))
        assert bench.event(RegistrationSucceeded).expires == 60

    def test_a_407_is_answered_in_its_own_header(self) -> None:
        bench, _, register = registering()
        bench.receive(answer(register, 407, headers=[CHALLENGE.format("n1").replace("WWW-Auth", "Proxy-Auth")]))
        assert bench.request().headers.get("proxy-authorization") is not None

    def test_a_new_nonce_is_taken_as_stale_once(self) -> None:
        bench, _, register = registering()
        for nonce in ("n1", "n2"):
            bench.receive(answer(register, 401, headers=[CHALLENGE.format(nonce)]))
            register = bench.request()
        bench.receive(answer(register, 401, headers=[CHALLENGE.format("n3")]))
        assert bench.lines() == []
        assert bench.event(RegistrationRefused).code == 401

    def test_a_lost_request_is_repeated(self) -> None:
        bench, _, register = registering()
        bench.advance(0.5)
        assert bytes(bench.request()) == bytes(register)

    def test_too_brief_an_interval_is_lengthened(self) -> None:
        bench, _, register = registering(expires=60)
        bench.receive(answer(register, 423, headers=["Min-Expires: 1800"]))
        longer = bench.request()
        assert longer.headers.get("expires") == "1800"
        bench.receive(answer(longer, 200))
        assert bench.event(RegistrationSucceeded).expires == 1800

    @pytest.mark.parametrize("header", ["X: y", "Min-Expires: 30", "Min-Expires: soon", "Min-Expires: 99999999"])
    def test_a_423_that_makes_no_sense_is_a_refusal(self, header: str) -> None:
        bench, _, register = registering(expires=60)
        bench.receive(answer(register, 423, headers=[header]))
        assert bench.event(RegistrationRefused).code == 423


class TestGranted:
    @pytest.mark.parametrize(
        ("headers", "expires"),
        [
            (["Contact: <sip:contact1@10.9.8.7:1024>;q=0.1;expires=90, <sip:other@127.0.0.9>;expires=7"], 90),
            (["Contact: <sip:other@127.0.0.9>;expires=7", "Expires: 120"], 120),
            (["Contact: <sip:contact1@127.0.0.1:5060>", "Expires: 120"], 120),
            (["Expires: 120"], 120),
            ([], 300),
            (["Expires: 0"], 10),
            (["Expires: 4294967295"], 86_400),
            (["Expires: for ever"], 300),
            (["Contact: <broken", 'Contact: "Me" <sip:contact1@127.0.0.1>;expires=70'], 70),
            (["Contact: <sip:contact1@127.0.0.1>;expires=soon"], 300),
        ],
    )
    def test_the_expiry_is_that_of_our_own_contact(self, headers: list[str], expires: int) -> None:
        bench, _, register = registering()
        bench.receive(answer(register, 200, headers=headers))
        assert bench.event(RegistrationSucceeded).expires == expires

    @pytest.mark.parametrize("expires", [60, 300, 3600])
    def test_the_refresh_leaves_time_for_another(self, expires: int) -> None:
        bench, _ = registered(expires)
        waited, register = next_register(bench)
        assert waited == pytest.approx(expires * 0.625)
        assert register.headers.get("expires") == str(expires)

    def test_refreshes_are_of_one_registration(self) -> None:
        bench, _, first = registering()
        bench.receive(answer(first, 200))
        _, second = next_register(bench)
        assert (second.call_id, second.from_.tag) == (first.call_id, first.from_.tag)
        assert second.cseq.number == first.cseq.number + 1
        assert second.headers.get("contact") == first.headers.get("contact")

    def test_a_registration_lasts_for_days(self) -> None:
        bench, _, register = registering()
        for _ in range(1000):
            bench.receive(answer(register, 200, headers=["Expires: 300"]))
            bench.event(RegistrationSucceeded)
            _, register = next_register(bench)
        assert bench.now > 2 * 86_400

    def test_the_address_that_the_registrar_saw_is_told(self) -> None:
        bench, _, register = registering()
        seen = "127.0.0.1:5060;branch={};rport=1066;received=203.0.113.9"
        text = answer(register, 200).replace(
            f"127.0.0.1:5060;branch={register.via.branch};rport", seen.format(register.via.branch)
        )
        bench.receive(text)
        assert bench.event(RegistrationSucceeded).observed == Address("203.0.113.9", 1066)

    def test_a_registrar_may_not_say_what_it_saw(self) -> None:
        bench, _, register = registering()
        bench.receive(answer(register, 200))
        assert bench.event(RegistrationSucceeded).observed is None


class TestRefused:
    @pytest.mark.parametrize(
        ("code", "hint"),
        [
            (403, "wrong password"),
            (404, "check `username`"),
            (405, "takes no registrations"),
            (408, "a proxy on the way"),
            (500, "trouble of its own"),
            (503, "trouble of its own"),
        ],
    )
    def test_the_registrars_words_and_the_likely_cause_are_told(self, code: int, hint: str) -> None:
        bench, registration, register = registering()
        bench.receive(answer(register, code, reason="Go Away"))
        event = bench.event(RegistrationRefused)
        assert (event.registration, event.code, event.reason) == (registration, code, "Go Away")
        assert hint in event.hint

    def test_a_wrong_password_is_named(self) -> None:
        bench, _, register = registering()
        bench.receive(answer(register, 401, headers=[CHALLENGE.format("n1")]))
        bench.receive(answer(bench.request(), 401, headers=[CHALLENGE.format("n1")]))
        hint = bench.event(RegistrationRefused).hint
        assert hint == 'wrong password, or wrong `auth_username` ("6001") for realm "pbx"'

    def test_a_missing_password_is_named(self) -> None:
        bench, _, register = registering(Identity(uri=IDENTITY.uri))
        bench.receive(answer(register, 401, headers=[CHALLENGE.format("n1")]))
        assert "none is configured" in bench.event(RegistrationRefused).hint

    def test_an_unknown_algorithm_is_named(self) -> None:
        bench, _, register = registering()
        bench.receive(answer(register, 401, headers=['WWW-Authenticate: Digest realm="r", nonce="n", algorithm=X']))
        assert "no digest algorithm" in bench.event(RegistrationRefused).hint

    def test_silence_is_named(self) -> None:
        bench, _, _ = registering()
        bench.advance(32.0)
        event = bench.event(RegistrationRefused)
        assert (event.code, event.reason) == (408, "Request Timeout")
        assert "nothing answers at 127.0.0.2:5060 over UDP" in event.hint

    def test_what_cannot_be_sent_is_named(self) -> None:
        bench, _, _ = registering()
        bench.agent.transport_failed(flow_from(PEER), bench.now)
        event = bench.event(RegistrationRefused)
        assert event.code == 503
        assert "nothing can be sent to 127.0.0.2:5060" in event.hint

    def test_refused_credentials_are_not_hammered(self) -> None:
        bench, _, register = registering()
        waits = []
        for _ in range(6):
            bench.receive(answer(register, 403))
            told = bench.event(RegistrationRefused).retry_after
            waited, register = next_register(bench)
            assert waited == pytest.approx(told)
            waits.append(waited / JITTER)
        assert waits == pytest.approx([60, 120, 240, 480, 900, 900])

    def test_no_fail2ban_minds(self) -> None:
        bench, _, register = registering()
        times = []
        while bench.now < 7200.0:
            times.append(bench.now)
            bench.receive(answer(register, 403))
            _, register = next_register(bench)
        assert all(later - earlier >= 60.0 for earlier, later in pairwise(times))
        assert all(sum(start <= time < start + 600.0 for time in times) < 5 for start in times)

    def test_a_registrar_in_trouble_is_tried_sooner(self) -> None:
        bench, _, register = registering()
        waits = []
        for _ in range(10):
            bench.receive(answer(register, 503))
            waited, register = next_register(bench)
            waits.append(waited / JITTER)
        assert waits == pytest.approx([2, 4, 8, 16, 32, 64, 128, 256, 300, 300])

    def test_success_forgets_what_was_refused(self) -> None:
        bench, _, register = registering()
        for code in (503, 503, 200, 503):
            bench.receive(answer(register, code))
            waited, register = next_register(bench)
        assert waited == pytest.approx(2 * JITTER)

    @pytest.mark.parametrize(
        ("asked", "waits"), [("120", 120.0), ("1", 2 * JITTER), ("999999999", 3600.0), ("x", 2.25)]
    )
    def test_retry_after_is_honoured(self, asked: str, waits: float) -> None:
        bench, _, register = registering()
        bench.receive(answer(register, 503, headers=[f"Retry-After: {asked} (maintenance);duration=3600"]))
        waited, _ = next_register(bench)
        assert waited == pytest.approx(waits)

    def test_a_registration_never_gives_up(self) -> None:
        bench, _, _ = registering()
        bench.advance(86_400.0)
        assert len(bench.sent()) > 1000
        assert {type(event) for event in bench.told()} == {RegistrationRefused}
        _, register = next_register(bench)
        bench.receive(answer(register, 200))
        bench.event(RegistrationSucceeded)


class TestLeaving:
    def test_the_binding_is_removed_through_a_challenge(self) -> None:
        bench, registration = registered()
        registration.unregister(bench.now)
        removal = bench.request()
        assert removal.headers.get("expires") == "0"
        assert removal.headers.get("contact") == f"<{registration.contact}>"
        bench.receive(answer(removal, 401, headers=[CHALLENGE.format("n1")]))
        again = bench.request()
        assert again.headers.get("expires") == "0"
        assert again.headers.get("authorization") is not None
        bench.receive(answer(again, 200))
        assert bench.event(RegistrationEnded).registration is registration
        registration.unregister(bench.now)
        bench.advance(86_400.0)
        assert bench.lines() == []
        assert bench.agent.idle

    @pytest.mark.parametrize("code", [401, 403, 423, 503])
    def test_a_registrar_that_will_not_hear_of_it_is_left(self, code: int) -> None:
        bench, registration = registered()
        registration.unregister(bench.now)
        bench.receive(answer(bench.request(), code, headers=["Min-Expires: 3600"]))
        bench.event(RegistrationEnded)

    def test_a_binding_that_ran_out_in_our_sleep_is_removed_all_the_same(self) -> None:
        bench, registration = registered()
        bench.now += 10_000.0
        registration.unregister(bench.now)
        assert bench.request().headers.get("expires") == "0"

    def test_a_silent_registrar_is_left(self) -> None:
        bench, registration = registered()
        registration.unregister(bench.now)
        bench.advance(32.0)
        bench.event(RegistrationEnded)

    @pytest.mark.parametrize("code", [200, 401, 423])
    def test_the_removal_waits_for_the_request_in_the_air(self, code: int) -> None:
        bench, registration, register = registering()
        registration.unregister(bench.now)
        assert bench.lines() == []
        bench.receive(answer(register, code, headers=[CHALLENGE.format("n1"), "Min-Expires: 900"]))
        removal = bench.request()
        assert removal.headers.get("expires") == "0"
        bench.receive(answer(removal, 200))
        bench.event(RegistrationEnded)

    def test_a_request_in_the_air_that_is_refused_leaves_nothing_to_remove(self) -> None:
        bench, registration, register = registering()
        registration.unregister(bench.now)
        bench.receive(answer(register, 403))
        assert bench.lines() == []
        bench.event(RegistrationEnded)
        assert registration.state is RegistrationState.CLOSED

    def test_without_a_binding_there_is_nothing_to_remove(self) -> None:
        bench, registration, register = registering()
        bench.receive(answer(register, 403))
        bench.told()
        registration.unregister(bench.now)
        assert bench.lines() == []
        bench.event(RegistrationEnded)

    def test_a_binding_that_outlives_a_failed_refresh_is_removed(self) -> None:
        bench, registration = registered()
        _, refresh = next_register(bench)
        bench.receive(answer(refresh, 500))
        bench.told()
        registration.unregister(bench.now)
        assert bench.request().headers.get("expires") == "0"


class TestMoving:
    def test_a_new_address_replaces_the_old_one_in_one_request(self) -> None:
        bench, registration = registered()
        old = registration.contact
        registration.rebind(bench.now, contact=Address("203.0.113.9", 1066))
        register = bench.request()
        new = f"sip:{registration.token}@203.0.113.9:1066"
        assert str(registration.contact) == new
        assert register.headers.get("contact") == f"<{new}>, <{old}>;expires=0"
        bench.receive(answer(register, 200, headers=["Expires: 300"]))
        _, refresh = next_register(bench)
        assert refresh.headers.get("contact") == f"<{new}>"

    def test_an_address_learnt_while_registering_follows_at_once(self) -> None:
        bench, registration, register = registering()
        registration.rebind(bench.now, contact=Address("203.0.113.9", 1066))
        assert bench.lines() == []
        bench.receive(answer(register, 200))
        waited, again = next_register(bench)
        assert waited == 0.0
        assert again.contact.uri == registration.contact

    def test_another_way_to_the_registrar_is_taken_at_once(self) -> None:
        bench, registration = registered()
        other = flow_from(Address("127.0.0.3", 5060))
        registration.rebind(bench.now, flow=other)
        ((_, _, flow),) = bench.timed()
        assert flow == other

    def test_a_waiting_registration_moves_at_once(self) -> None:
        bench, registration, register = registering()
        bench.receive(answer(register, 503))
        registration.rebind(bench.now, flow=flow_from(Address("127.0.0.3", 5060)))
        assert bench.lines() == ["REGISTER"]


class TestBeingCalled:
    def test_the_registrar_may_ring(self) -> None:
        bench, registration = registered()
        bench.receive(request("INVITE", uri=str(registration.contact), body=SDP))
        session = bench.event(Invited).session
        assert session.account == "pbx"
        session.ring(bench.now)
        assert bench.sent()[-1].headers.get("contact") == f"<{registration.contact}>"

    def test_whoever_was_told_our_contact_may_ring(self) -> None:
        bench, registration = registered()
        stranger = Address("203.0.113.5", 5060)
        bench.receive(request("INVITE", uri=str(registration.contact), body=SDP), stranger)
        assert bench.event(Invited).session.account == "pbx"

    def test_the_token_is_drawn_once_for_each_registration(self) -> None:
        bench, registration = registered()
        other = bench.agent.register(
            identity=IDENTITY, registrar=registration.registrar, flow=registration.flow, expires=60, now=bench.now
        )
        assert other.token != registration.token


def test_every_state_of_the_table_can_be_reached_and_left() -> None:
    from_states = {state for state, _ in REGISTRATION}
    to_states = {state for state, _ in REGISTRATION.values()}
    assert from_states <= to_states
    assert to_states - from_states == {RegistrationState.CLOSED}
