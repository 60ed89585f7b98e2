"""The four transaction machines (RFC 3261 section 17, RFC 6026): timers A to M, on a clock moved by hand."""

from dataclasses import replace

import pytest

from sipagent.sip.flow import Flow, Transport
from sipagent.sip.message import Request, Response, parse, response_to
from sipagent.sip.transaction import (
    CLIENT,
    INVITE_CLIENT,
    INVITE_SERVER,
    SERVER,
    ClientTransaction,
    Failed,
    Output,
    Passed,
    ServerTransaction,
    State,
    Table,
    Transmit,
    server_key,
)
from tests.sip.bench import PEER, brief, flow_from, read, request

UDP = flow_from(PEER)
TCP = replace(UDP, transport=Transport.TCP)


def a_request(method: str, **fields: str) -> Request:
    message = parse(request(method, **fields).encode())  # type: ignore[arg-type]  # only its text fields are used here
    assert isinstance(message, Request)
    return message


def a_response(method: str, code: int) -> Response:
    return response_to(a_request(method), code, source=PEER, to_tag="t")


def what(outputs: list[Output]) -> list[str]:
    """`>` leaves, `<` is passed to the user, `!` is told."""
    texts = []
    for output in outputs:
        if isinstance(output, Transmit):
            texts.append(f">{brief(read(output.data))}")
        elif isinstance(output, Passed):
            texts.append(f"<{brief(output.message)}")
        elif isinstance(output, Failed):
            texts.append(f"!{output.code}")
    return texts


def lifetime(machine: ClientTransaction | ServerTransaction) -> list[tuple[float, list[str]]]:
    """Let time run until no timer is left; what came out, and when."""
    story = []
    while (due := machine.next_timer()) is not None:
        machine.handle_timer(due)
        story.append((due, what(machine.outputs())))
    return story


def invite_client(flow: Flow = UDP) -> ClientTransaction:
    machine = ClientTransaction(a_request("INVITE"), flow, 0.0)
    assert what(machine.outputs()) == [">INVITE"]
    return machine


def client(flow: Flow = UDP) -> ClientTransaction:
    machine = ClientTransaction(a_request("OPTIONS"), flow, 0.0)
    assert what(machine.outputs()) == [">OPTIONS"]
    return machine


def give(machine: ClientTransaction, code: int, now: float) -> list[str]:
    machine.receive(a_response(machine.request.method, code), now)
    return what(machine.outputs())


def take(machine: ServerTransaction, method: str, now: float) -> list[str]:
    machine.receive(a_request(method), now)
    return what(machine.outputs())


def respond(machine: ServerTransaction, code: int, now: float) -> list[str]:
    machine.respond(a_response(machine.request.method, code), now)
    return what(machine.outputs())


class TestInviteClient:
    def test_timer_a_doubles_until_timer_b(self) -> None:
        machine = invite_client()
        repeats = [(at, [">INVITE"]) for at in (0.5, 1.5, 3.5, 7.5, 15.5, 31.5)]
        assert lifetime(machine) == [*repeats, (32.0, ["!408"])]
        assert machine.state is State.TERMINATED

    def test_over_tcp_only_timer_b_runs(self) -> None:
        assert lifetime(invite_client(TCP)) == [(32.0, ["!408"])]

    def test_a_provisional_ends_the_repetition(self) -> None:
        machine = invite_client()
        assert give(machine, 180, 0.1) == ["<180"]
        assert machine.next_timer() is None
        assert give(machine, 183, 60.0) == ["<183"]

    @pytest.mark.parametrize("provisional", [True, False])
    def test_a_failure_is_acknowledged_each_time_it_comes_until_timer_d(self, provisional: bool) -> None:
        machine = invite_client()
        if provisional:
            give(machine, 100, 0.1)
        assert give(machine, 486, 1.0) == [">ACK", "<486"]
        assert give(machine, 486, 1.5) == [">ACK"]
        assert lifetime(machine) == [(33.0, [])]
        assert machine.state is State.TERMINATED

    def test_over_tcp_timer_d_is_zero(self) -> None:
        machine = invite_client(TCP)
        give(machine, 486, 1.0)
        assert lifetime(machine) == [(1.0, [])]

    def test_every_success_is_passed_until_timer_m(self) -> None:
        machine = invite_client()
        assert give(machine, 200, 1.0) == ["<200"]
        assert give(machine, 200, 1.5) == ["<200"]
        assert give(machine, 486, 1.6) == []
        assert lifetime(machine) == [(33.0, [])]

    def test_the_ack_of_a_failure_is_of_the_same_transaction(self) -> None:
        machine = invite_client()
        machine.receive(a_response("INVITE", 486), 1.0)
        sent = machine.outputs()[0]
        assert isinstance(sent, Transmit)
        ack = read(sent.data)
        assert isinstance(ack, Request)
        assert ack.via.branch == machine.request.via.branch
        assert (ack.uri, str(ack.cseq), ack.to.tag) == (machine.request.uri, "1 ACK", "t")

    def test_what_cannot_be_sent_fails_at_once(self) -> None:
        machine = invite_client()
        machine.transport_failed(0.0)
        assert what(machine.outputs()) == ["!503"]
        assert machine.state is State.TERMINATED


class TestClient:
    def test_timer_e_doubles_up_to_t2_until_timer_f(self) -> None:
        story = lifetime(client())
        assert [at for at, out in story if out == [">OPTIONS"]] == [
            0.5,
            1.5,
            3.5,
            7.5,
            11.5,
            15.5,
            19.5,
            23.5,
            27.5,
            31.5,
        ]
        assert story[-1] == (32.0, ["!408"])

    def test_after_a_provisional_timer_e_is_t2_and_timer_f_runs_on(self) -> None:
        machine = client()
        assert give(machine, 100, 0.1) == ["<100"]
        story = lifetime(machine)
        assert [at for at, out in story if out] == [0.5, 4.5, 8.5, 12.5, 16.5, 20.5, 24.5, 28.5, 32.0]

    @pytest.mark.parametrize("code", [200, 404])
    @pytest.mark.parametrize("provisionals", [0, 2])
    def test_a_final_response_is_passed_once_until_timer_k(self, code: int, provisionals: int) -> None:
        machine = client()
        for _ in range(provisionals):
            assert give(machine, 100, 0.5) == ["<100"]
        assert give(machine, code, 1.0) == [f"<{code}"]
        assert give(machine, code, 1.5) == []
        assert lifetime(machine) == [(6.0, [])]

    @pytest.mark.parametrize("provisional", [True, False])
    def test_what_cannot_be_sent_fails_at_once(self, provisional: bool) -> None:
        machine = client()
        if provisional:
            give(machine, 100, 0.0)
        machine.transport_failed(0.0)
        assert what(machine.outputs()) == ["!503"]


class TestInviteServer:
    def test_a_repeated_invite_gets_the_last_provisional(self) -> None:
        machine = ServerTransaction(a_request("INVITE"), UDP, 0.0)
        assert take(machine, "INVITE", 0.1) == []
        assert respond(machine, 100, 0.1) == [">100"]
        assert respond(machine, 180, 0.2) == [">180"]
        assert take(machine, "INVITE", 0.5) == [">180"]

    def test_a_failure_is_repeated_by_timer_g_until_timer_h(self) -> None:
        machine = ServerTransaction(a_request("INVITE"), UDP, 0.0)
        assert respond(machine, 486, 0.0) == [">486"]
        story = lifetime(machine)
        assert [at for at, out in story if out == [">486"]] == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
        assert story[-1] == (32.0, ["!408"])

    def test_the_ack_of_a_failure_ends_it_after_timer_i(self) -> None:
        machine = ServerTransaction(a_request("INVITE"), UDP, 0.0)
        respond(machine, 486, 0.0)
        assert take(machine, "INVITE", 0.1) == [">486"]
        assert take(machine, "ACK", 0.25) == []
        assert machine.state is State.CONFIRMED
        assert take(machine, "ACK", 0.3) == []
        assert take(machine, "INVITE", 0.4) == []
        assert lifetime(machine) == [(5.25, [])]

    def test_over_tcp_a_failure_is_not_repeated(self) -> None:
        machine = ServerTransaction(a_request("INVITE"), TCP, 0.0)
        respond(machine, 486, 0.0)
        assert lifetime(machine) == [(32.0, ["!408"])]

    def test_after_a_success_invites_are_absorbed_until_timer_l(self) -> None:
        machine = ServerTransaction(a_request("INVITE"), UDP, 0.0)
        assert respond(machine, 200, 0.0) == [">200"]
        assert take(machine, "INVITE", 0.5) == []
        assert respond(machine, 200, 0.5) == [">200"]  # the core repeats it, through the machine
        assert take(machine, "ACK", 0.6) == ["<ACK"]
        assert lifetime(machine) == [(32.0, [])]


class TestServer:
    def test_a_repeated_request_gets_the_last_response_until_timer_j(self) -> None:
        machine = ServerTransaction(a_request("OPTIONS"), UDP, 0.0)
        assert take(machine, "OPTIONS", 0.1) == []
        assert respond(machine, 100, 0.2) == [">100"]
        assert take(machine, "OPTIONS", 0.3) == [">100"]
        assert respond(machine, 200, 0.5) == [">200"]
        assert respond(machine, 500, 0.5) == []
        assert take(machine, "OPTIONS", 0.6) == [">200"]
        assert lifetime(machine) == [(32.5, [])]

    def test_over_tcp_timer_j_is_zero(self) -> None:
        machine = ServerTransaction(a_request("OPTIONS"), TCP, 0.0)
        respond(machine, 200, 0.4)
        assert lifetime(machine) == [(0.4, [])]


@pytest.mark.parametrize("table", [INVITE_CLIENT, CLIENT, INVITE_SERVER, SERVER])
def test_every_state_of_a_table_can_be_reached_and_left(table: Table) -> None:
    starts = {State.CALLING, State.TRYING, State.PROCEEDING}
    from_states = {state for state, _ in table}
    to_states = {state for state, _ in table.values()}
    assert from_states - starts <= to_states
    assert to_states - {State.TERMINATED} <= from_states


def test_an_ack_and_a_cancel_find_their_invite() -> None:
    invite = a_request("INVITE")
    assert server_key(a_request("ACK")) == server_key(invite)
    assert server_key(a_request("CANCEL"), "INVITE") == server_key(invite)
    assert server_key(a_request("CANCEL")) != server_key(invite)
    assert server_key(a_request("INVITE", via="Via: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKcaller1")) != server_key(invite)


def test_an_old_peer_without_the_magic_cookie_is_matched_by_the_rest() -> None:
    old = "Via: SIP/2.0/UDP 127.0.0.2;branch=1"
    invite = a_request("INVITE", via=old)
    assert server_key(a_request("ACK", via=old, recipient="<sip:6001@127.0.0.1>;tag=t")) == server_key(invite)
    assert server_key(a_request("INVITE", via=old, call_id="other")) != server_key(invite)
