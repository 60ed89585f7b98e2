"""The transaction layer (RFC 3261 section 17): finds the transaction of a message, keeps their time, sends for them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from sipagent.sip.flood import Rejection, Rejections
from sipagent.sip.flow import Flow
from sipagent.sip.message import Field, Request, Response, response_to
from sipagent.sip.outputs import Output, Send
from sipagent.sip.requests import elsewhere
from sipagent.sip.targets import Holds, Way, ways_to
from sipagent.sip.timers import Machine, Schedule
from sipagent.sip.transaction import (
    ClientTransaction,
    Failed,
    Passed,
    ServerTransaction,
    State,
    Transmit,
    cancel_of,
    client_key,
    server_key,
)

LARGEST_DATAGRAM = 1300
"""Bytes: a larger request may not be sent by UDP where the path's MTU is unknown (RFC 3261 section 18.1.1)."""


class TransactionUser(Protocol):
    """Who sent a request, and is told what became of it."""

    def receive_response(self, response: Response, request: Request, now: float) -> None:
        """Take a response, provisional ones and repeated 2xx of an INVITE included."""

    def request_failed(self, request: Request, code: int, now: float, *, why: str = "") -> None:
        """Nobody answered (408), or the request could not be sent (503); `why` is what the network said."""

    def moved(self, request: Request, server: Flow) -> None:
        """The request goes to another server than the one it was made for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sent:
    """A request on its way: as its user knows it, the user, and what is left to be tried if this way fails."""

    transaction: ClientTransaction
    request: Request
    user: TransactionUser
    attempt: int
    ways: Sequence[Way]


class TransactionLayer:
    """All transactions of a user agent, and the one queue of what leaves it.

    `product` goes into User-Agent and Server headers; empty leaves them out. With `has_tcp`, requests too large for a
    datagram go by TCP.
    """

    def __init__(self, product: str = "", *, has_tcp: bool = False) -> None:
        self._product = product
        self._has_tcp = has_tcp
        self._holds = Holds()
        self.counters: Counter[str] = Counter()
        self.schedule = Schedule()
        self._outputs: list[Output] = []
        self._clients: dict[tuple[str, ...], _Sent] = {}
        self._servers: dict[tuple[str, ...], ServerTransaction] = {}
        self._requests: dict[tuple[str, ...], ServerTransaction] = {}
        self._rejections = Rejections()

    # ---- what leaves

    def emit(self, output: Output) -> None:
        self._outputs.append(output)

    def send(self, message: Request | Response, flow: Flow) -> None:
        """Send a message outside any transaction: the ACK of a 2xx, a response to what has no transaction."""
        self.emit(Send(data=bytes(message), flow=flow, call_id=message.call_id))

    def outputs(self) -> list[Output]:
        drained, self._outputs = self._outputs, []
        return drained

    # ---- client transactions

    def request(
        self, request: Request, flow: Flow, user: TransactionUser, now: float, *, others: Iterable[Flow] = ()
    ) -> None:
        """Send a request over the flow that it was made for, and tell `user` what becomes of it.

        If that server is silent, out of reach or out of service, the `others` are tried (RFC 3263 section 4.3); those
        that have failed just now come last.
        """
        large = self._has_tcp and not flow.transport.reliable and len(bytes(request)) > LARGEST_DATAGRAM
        ways = ways_to((flow, *others), large=large, holds=self._holds, now=now)
        made_for = Way(server=flow, flow=flow)
        self._try(request, made_for, ways, user, now, attempt=0)

    def _try(
        self, request: Request, last: Way, ways: Sequence[Way], user: TransactionUser, now: float, *, attempt: int
    ) -> None:
        """Send a request by the first of `ways`; `last` is the one that its user knows of."""
        way, *left = ways
        sent = request if not attempt and way == last else elsewhere(request, way.flow, attempt)
        headers = sent.headers + self._product_header("User-Agent")
        transaction = ClientTransaction(replace(sent, headers=headers), way.flow, now)
        self._clients[transaction.key] = _Sent(
            transaction=transaction, request=request, user=user, attempt=attempt, ways=(way, *left)
        )
        if way.server != last.server:
            user.moved(request, way.server)
        self._run_client(self._clients[transaction.key], now)

    def receive_response(self, response: Response, now: float) -> None:
        """Give a response to its transaction; one that nobody waits for is counted and dropped."""
        sent = self._find_client(response)
        if sent is None:
            self.counters["response-unexpected"] += 1
        else:
            sent.transaction.receive(response, now)
            self._run_client(sent, now)

    def transport_failed(self, flow: Flow, now: float, why: str = "") -> None:
        """The network would not take what was sent over `flow`: every request waiting there has failed."""
        for sent in list(self._clients.values()):
            if sent.transaction.flow == flow:
                sent.transaction.transport_failed(now, why)
                self._run_client(sent, now)

    def cancel(self, request: Request, user: TransactionUser, now: float) -> None:
        """Send the CANCEL of an INVITE, by the way that it took."""
        for sent in self._attempts(request)[-1:]:
            self.request(cancel_of(sent.transaction.request), sent.transaction.flow, user, now)

    def settle(self, request: Request) -> None:
        """Try no further server for a request."""
        for sent in self._attempts(request):
            self._clients[sent.transaction.key] = replace(sent, ways=sent.ways[:1])

    def abandon(self, request: Request) -> None:
        """Forget the transactions of a request; whatever still comes for it is dropped (RFC 3261 section 9.1)."""
        for sent in self._attempts(request):
            del self._clients[sent.transaction.key]

    def _attempts(self, request: Request) -> list["_Sent"]:
        """The transactions of a request, the last one at the end."""
        return [sent for sent in self._clients.values() if sent.request is request]

    def _try_next(self, sent: "_Sent", now: float, retry_after: int | None = None) -> bool:
        """Hold the server that failed, and turn to the next one; false if there is none."""
        self._holds.put(sent.transaction.flow, now, retry_after)
        tried, *left = sent.ways
        if left:
            self._try(sent.request, tried, left, sent.user, now, attempt=sent.attempt + 1)
        return bool(left)

    def _pass(self, sent: "_Sent", response: Response, now: float) -> None:
        """Give a response to the user, unless the server is out of service and another may not be."""
        if response.code != 503:
            self._holds.lift(sent.transaction.flow)
        elif self._try_next(sent, now, response.headers.number("retry-after")):
            return
        sent.user.receive_response(response, sent.request, now)

    def _find_client(self, response: Response) -> "_Sent | None":
        # A second Via means that it was not meant for us (RFC 3261 section 8.1.3.3).
        if response.flaw is not None or len(response.headers.values("via")) != 1:
            return None
        try:
            sent = self._clients.get(client_key(response))
            return sent if sent is not None and response.to is not None else None
        except ValueError:
            return None

    def _run_client(self, sent: "_Sent", now: float) -> None:
        transaction = sent.transaction
        if transaction.state is State.TERMINATED:
            self._clients.pop(transaction.key, None)
        self.schedule.update(transaction)
        for output in transaction.outputs():
            if isinstance(output, Transmit):
                self.emit(Send(data=output.data, flow=transaction.flow, call_id=transaction.request.call_id))
            elif isinstance(output, Failed):
                if not self._try_next(sent, now):
                    sent.user.request_failed(sent.request, output.code, now, why=output.why)
            elif isinstance(output.message, Response):
                self._pass(sent, output.message, now)

    # ---- server transactions

    def serve(self, request: Request, flow: Flow, now: float) -> ServerTransaction:
        """Open the transaction of a new request."""
        transaction = ServerTransaction(request, flow, now)
        self._servers[transaction.key] = transaction
        self._requests.setdefault(_identity(request), transaction)
        self._run_server(transaction)
        return transaction

    def server(self, request: Request, method: str = "") -> ServerTransaction | None:
        """The transaction that `request` repeats, acknowledges or, with method="INVITE", cancels."""
        return self._servers.get(server_key(request, method))

    def merged(self, request: Request) -> bool:
        """Whether this request has come to us on another way already (RFC 3261 section 8.2.2.2)."""
        return not request.to.tag and _identity(request) in self._requests

    def rejection(self, request: Request, now: float) -> Rejection | None:
        """How this call was refused already, if it is tried again as another transaction."""
        return self._rejections.get(request.call_id, request.from_.tag, now)

    def receive_again(self, transaction: ServerTransaction, request: Request, now: float) -> bool:
        """Give a repeated request or an ACK to its transaction; true for the ACK of a 2xx, which is the session's."""
        transaction.receive(request, now)
        return self._run_server(transaction)

    def respond(
        self,
        transaction: ServerTransaction,
        code: int,
        now: float,
        *,
        reason: str = "",
        to_tag: str = "",
        headers: Iterable[Field] = (),
        body: bytes = b"",
    ) -> None:
        """Answer a request over the flow that it came by."""
        source = transaction.flow.remote
        headers = (*headers, *self._product_header("Server"))
        response = response_to(
            transaction.request, code, source=source, reason=reason, to_tag=to_tag, headers=headers, body=body
        )
        request = transaction.request
        if request.method == "INVITE" and not request.to.tag:
            self._rejections.put(request.call_id, request.from_.tag, code, response.reason, now)
        transaction.respond(response, now)
        self._run_server(transaction)

    def respond_briefly(
        self,
        request: Request,
        flow: Flow,
        code: int,
        *,
        reason: str = "",
        to_tag: str,
        headers: Iterable[Field] = (),
    ) -> None:
        """Answer without a transaction (RFC 3261 section 8.2.7): for what comes by the thousand."""
        headers = (*headers, *self._product_header("Server"))
        self.send(response_to(request, code, source=flow.remote, reason=reason, to_tag=to_tag, headers=headers), flow)

    def _run_server(self, transaction: ServerTransaction) -> bool:
        if transaction.state is State.TERMINATED:
            self._servers.pop(transaction.key, None)
            if self._requests.get(_identity(transaction.request)) is transaction:
                del self._requests[_identity(transaction.request)]
        self.schedule.update(transaction)
        passed = False
        for output in transaction.outputs():
            if isinstance(output, Transmit):
                self.emit(Send(data=output.data, flow=transaction.flow, call_id=transaction.request.call_id))
            elif isinstance(output, Passed):
                passed = True
            else:
                self.counters["failure-not-acknowledged"] += 1
        return passed

    # ---- time

    def handle_timer(self, now: float) -> None:
        """Do what is due, of transactions and of every other machine in the schedule."""
        while (machine := self.schedule.pop_due(now)) is not None:
            machine.handle_timer(now)
            self._settle(machine, now)

    def _settle(self, machine: Machine, now: float) -> None:
        if isinstance(machine, ServerTransaction):
            self._run_server(machine)
        elif isinstance(machine, ClientTransaction):
            if (sent := self._clients.get(machine.key)) is not None:
                self._run_client(sent, now)
        else:
            self.schedule.update(machine)

    def _product_header(self, name: str) -> tuple[Field, ...]:
        return ((name, self._product),) if self._product else ()

    @property
    def idle(self) -> bool:
        """Whether no transaction is left."""
        return not self._clients and not self._servers


def _identity(request: Request) -> tuple[str, ...]:
    """What the copies of a forked request have in common (RFC 3261 section 8.2.2.2)."""
    return request.from_.tag, request.call_id, str(request.cseq)
