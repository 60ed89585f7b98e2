"""What the far end asks inside a session, and our answers: repeated until they are acknowledged.

INVITE ─► 1xx (─► PRACK) ─► 200 ─► ACK        UPDATE, or PRACK with an offer ─► 200
"""

from collections.abc import Iterable

from sipagent.sip.acceptance import Acceptance
from sipagent.sip.message import Field, Request
from sipagent.sip.negotiation import Step
from sipagent.sip.party import Party
from sipagent.sip.reliability import Provisional, ReliableProvisionals
from sipagent.sip.requests import sdp_type
from sipagent.sip.transaction import ServerTransaction


class Answering:
    """The callee's half of a session, and of each re-INVITE and UPDATE in it (RFC 3261 sections 13.3 and 14.2)."""

    def __init__(self, party: Party) -> None:
        self.invite: ServerTransaction | None = None
        """The INVITE, or re-INVITE, that has no final response yet."""
        self.update: ServerTransaction | None = None
        """The UPDATE, or PRACK, whose offer has no answer yet."""
        self.acceptance: Acceptance | None = None
        """Our 2xx, while it waits for its ACK."""
        self._party = party
        self._provisionals: ReliableProvisionals | None = None
        self._described_early = False

    # ---- what is asked

    def open(self, transaction: ServerTransaction) -> None:
        """An INVITE has come: to be met with `succeed` or `fail`, and before that with `progress`."""
        self.invite = transaction
        self._described_early = False
        if transaction.request.body:
            self._party.negotiation.take(Step.OFFER_RECEIVED)
        wants_reliable = "100rel" in transaction.request.headers.tokens("require")
        first = self._party.ids.number("rseq", 31, self._party.call_id) if wants_reliable else 0
        number = transaction.request.cseq.number
        self._provisionals = ReliableProvisionals(first, number) if wants_reliable else None

    def open_update(self, transaction: ServerTransaction) -> None:
        """An offer has come without an INVITE: to be met with `answer` or `refuse`."""
        self.update = transaction
        self._party.negotiation.take(Step.OFFER_RECEIVED)

    @property
    def must_offer_early(self) -> bool:
        """Whether our first 1xx has to carry an offer: it is reliable, and the INVITE has none (RFC 3262 section 5)."""
        return self.invite is not None and self._provisionals is not None and not self.invite.request.body

    @property
    def must_wait(self) -> bool:
        """Whether a 2xx has to wait for a PRACK."""
        return self._provisionals is not None and self._provisionals.withhold_success

    # ---- what we answer

    def progress(self, code: int, body: bytes, now: float) -> None:
        """Send a provisional response; where it has to be reliable, as soon as those before it are acknowledged."""
        if self._provisionals is None:
            self._send_provisional(Provisional(code=code, body=body), now)
        elif (provisional := self._provisionals.add(code, body, now)) is not None:
            self._send_first(provisional, now)

    def succeed(self, body: bytes, now: float) -> None:
        """Send 200 to the INVITE with our description, unless a reliable 1xx has had it; repeat it until the ACK."""
        transaction, self.invite = self.invite, None
        if transaction is None:
            return
        request = transaction.request
        body = b"" if self._described_early else self._describe(request, body)
        headers = (*_routes(request), *self._party.presentation, *self._party.timer.answer(request, now))
        delayed = bool(body) and not request.body
        self.acceptance = Acceptance(transaction, (*headers, *sdp_type(body)), body, now, delayed_offer=delayed)
        self._respond_success(self.acceptance, now)
        if self._provisionals is not None:
            self._provisionals.rest()

    def fail(self, code: int, now: float, *, reason: str = "", headers: Iterable[Field] = ()) -> None:
        """Send a final failure to the INVITE."""
        transaction, self.invite = self.invite, None
        self._provisionals = None
        if transaction is not None:
            self._party.negotiation.take(Step.DROPPED)
            self._party.layer.respond(transaction, code, now, reason=reason, to_tag=self._party.tag, headers=headers)

    def answer(self, body: bytes, now: float) -> None:
        """Send 200 to a re-INVITE, UPDATE or PRACK."""
        transaction, self.update = self.update, None
        if transaction is None:
            self.succeed(body, now)
            return
        self._describe(transaction.request, body)
        self.confirm(transaction, now, body)

    def confirm(self, transaction: ServerTransaction, now: float, body: bytes = b"") -> None:
        """Send 200 to an UPDATE or PRACK; an UPDATE refreshes the session (RFC 4028 section 9)."""
        is_update = transaction.request.method == "UPDATE"
        headers = (*self._party.presentation, *self._party.timer.answer(transaction.request, now)) if is_update else ()
        self._party.layer.respond(
            transaction, 200, now, to_tag=self._party.tag, headers=(*headers, *sdp_type(body)), body=body
        )

    def refuse(self, code: int, now: float) -> None:
        """Refuse the offer of a re-INVITE, UPDATE or PRACK."""
        transaction, self.update = self.update, None
        if transaction is None:
            self.fail(code, now)
            return
        self._party.negotiation.take(Step.DROPPED)
        self._party.layer.respond(transaction, code, now, to_tag=self._party.tag)

    def close(self, now: float) -> None:
        """The session is over, and no request outlives it (RFC 3261 section 15.1.2)."""
        self.acceptance = None
        if self.update is not None:
            self.refuse(487, now)
        if self.invite is not None:
            self.fail(487, now)

    # ---- what is acknowledged

    def acknowledge(self, request: Request) -> Acceptance | None:
        """Take an ACK; returns what it acknowledges, None for a repetition."""
        acceptance = self.acceptance
        if acceptance is None or acceptance.number != request.cseq.number:
            return None
        self.acceptance = None
        if acceptance.delayed_offer:
            self._party.negotiation.take(Step.ANSWER_RECEIVED if request.body else Step.DROPPED)
        return acceptance

    def acknowledge_provisional(self, request: Request) -> bool:
        """Take a PRACK; False for one that acknowledges nothing (481, RFC 3262 section 3)."""
        return self._provisionals is not None and self._provisionals.acknowledge(request)

    def progress_further(self, now: float) -> None:
        """Send the 1xx that has waited for a PRACK, if there is one."""
        if self._provisionals is not None and (provisional := self._provisionals.next(now)) is not None:
            self._send_first(provisional, now)

    # ---- time

    def next_timer(self) -> float | None:
        waiting = (item.next_timer() for item in (self.acceptance, self._provisionals) if item is not None)
        return min((at for at in waiting if at is not None), default=None)

    def has_no_ack(self, now: float) -> bool:
        """Whether our 2xx is past hope; until then it is sent again when its time has come."""
        if self.acceptance is None:
            return False
        if self.acceptance.expired(now):
            self.acceptance = None
            return True
        if self.acceptance.repeat(now):
            self._respond_success(self.acceptance, now)
        return False

    def has_no_prack(self, now: float) -> bool:
        """The same for a reliable 1xx."""
        if self._provisionals is None:
            return False
        if self._provisionals.expired(now):
            return True
        if (provisional := self._provisionals.repeat(now)) is not None:
            self._send_provisional(provisional, now)
        return False

    # ---- what is sent

    def _describe(self, request: Request, body: bytes) -> bytes:
        """Our description leaves: the answer to an offer of `request`, or an offer where it has none."""
        if body:
            self._party.description = body
            self._party.negotiation.take(Step.ANSWER_SENT if request.body else Step.OFFER_SENT)
        return body

    def _send_first(self, provisional: Provisional, now: float) -> None:
        if self.invite is not None and provisional.body:
            self._described_early = True
            self._describe(self.invite.request, provisional.body)
        self._send_provisional(provisional, now)

    def _send_provisional(self, provisional: Provisional, now: float) -> None:
        if self.invite is None:
            return
        reliable = (("Require", "100rel"), ("RSeq", str(provisional.rseq))) if provisional.rseq else ()
        headers = (*_routes(self.invite.request), *self._party.presentation, *reliable, *sdp_type(provisional.body))
        self._party.layer.respond(
            self.invite, provisional.code, now, to_tag=self._party.tag, headers=headers, body=provisional.body
        )

    def _respond_success(self, acceptance: Acceptance, now: float) -> None:
        self._party.layer.respond(
            acceptance.transaction, 200, now, to_tag=self._party.tag, headers=acceptance.headers, body=acceptance.body
        )


def _routes(request: Request) -> tuple[Field, ...]:
    return tuple(("Record-Route", value) for value in request.headers.rows("record-route"))
