"""The user agent core (RFC 3261 section 8): gives each message to the transaction, call or registration it is for.

    datagram ─► receive ─► TransactionLayer ─► InviteSession, Registration ─► outputs ─► driver

It knows no socket and no clock: the driver calls `receive` and `handle_timer`, and drains `outputs` after every call
into the core, its own verbs included. Nothing that a peer sends raises.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from sipagent.sip.admission import Admission, Judgement, Standing, Verdict
from sipagent.sip.calling import Follow, nowhere
from sipagent.sip.capabilities import ABILITIES, refusal, text_of
from sipagent.sip.flood import RETRY_AFTER, CallRates, Floodgate
from sipagent.sip.flow import Address, Flow
from sipagent.sip.identity import Identity
from sipagent.sip.ids import Ids
from sipagent.sip.in_dialog import METHODS
from sipagent.sip.invite import Host, InviteSession
from sipagent.sip.layer import TransactionLayer
from sipagent.sip.message import Field, Flaw, Request, Response, answerable, check, parse
from sipagent.sip.outputs import CallerTurnedAway, Invited, Output, TextReceived
from sipagent.sip.refer import ReferTo
from sipagent.sip.references import References
from sipagent.sip.registration import Registration
from sipagent.sip.replaces import Replaces
from sipagent.sip.requests import contact_over
from sipagent.sip.sessions import Sessions
from sipagent.sip.transaction import ServerTransaction
from sipagent.sip.uri import Uri

ONLY_IN_DIALOGS = {"BYE", "UPDATE", "PRACK", "INFO"}


class UserAgent:
    """All that one phone says and hears in SIP, over any number of flows.

    `user_agent` is what User-Agent and Server headers say; empty leaves them out. With `has_tcp`, requests that are too
    large for a datagram go by TCP first (RFC 3261 section 18.1.1). `reachable` tells which address of ours the peer of
    a flow can reach, if a NAT lies between; `trunks` are who we are on lines without registration, by name.
    """

    def __init__(
        self,
        *,
        ids: Ids,
        admission: Admission,
        user_agent: str = "sipagent",
        has_tcp: bool = False,
        reachable: Callable[[Flow], Address] = lambda flow: flow.local,
        trunks: Mapping[str, Identity] | None = None,
    ) -> None:
        self._ids = ids
        self._admission = admission
        self._reachable = reachable
        self._trunks = trunks or {}
        self._floodgate = Floodgate(self._knows)
        self._rates = CallRates()
        self._layer = TransactionLayer(user_agent, has_tcp=has_tcp)
        self._sessions = Sessions()
        self._host = Host(layer=self._layer, ids=ids, ended=self._sessions.remove)
        self._references = References(self._layer, ids)
        self._registrations: list[Registration] = []

    @property
    def counters(self) -> Counter[str]:
        """What was dropped or odd, by reason."""
        return self._layer.counters

    @property
    def idle(self) -> bool:
        """Whether no transaction, call, REFER or registration is left."""
        return self._layer.idle and not self._sessions and not self._references and not self._registrations

    @property
    def has_calls(self) -> bool:
        """Whether a call is not over yet, the confirmation of our BYE included."""
        return bool(self._sessions)

    # ---- the driver's side

    def admits(self, flow: Flow, now: float) -> bool:
        """Whether what came over `flow` is worth a look; to be asked before anything parses it."""
        admitted = self._floodgate.admits(flow.remote.host, now)
        if not admitted:
            self.counters["flood"] += 1
        return admitted

    def receive(self, data: bytes, flow: Flow, now: float) -> None:
        """Take one datagram (or one message of a stream) that came over `flow`."""
        message = parse(data)
        if isinstance(message, Response):
            self._layer.receive_response(message, now)
        elif message is not None:
            self._receive_request(message, flow, now)
        elif data.strip(b"\r\n\0"):
            self.counters["not-sip"] += 1
        else:
            self.counters["keep-alive"] += 1

    def handle_timer(self, now: float) -> None:
        self._layer.handle_timer(now)

    def next_timer(self) -> float | None:
        return self._layer.schedule.next()

    def outputs(self) -> list[Output]:
        """Drain what is to be sent and told, in order."""
        return self._layer.outputs()

    def transport_failed(self, flow: Flow, now: float, why: str = "") -> None:
        """The network would not take what was sent over `flow`, or its connection is gone; `why` is for people.

        Requests waiting there go elsewhere or fail with 503, and what was registered over it is registered anew.
        """
        self._layer.transport_failed(flow, now, why)
        for registration in list(self._registrations):
            registration.flow_failed(flow, now)

    def register(
        self,
        *,
        identity: Identity,
        registrar: Uri,
        flow: Flow,
        expires: int,
        now: float,
        contact: Address | None = None,
        others: Sequence[Flow] = (),
    ) -> Registration:
        """Register over `flow`, or if that fails over one of the `others`, and stay registered.

        `contact` is where callers reach us, if not at the local address of the flow.
        """
        registration = Registration(
            layer=self._layer,
            ids=self._ids,
            identity=identity,
            registrar=registrar,
            servers=(flow, *others),
            contact=contact,
            expires=expires,
            closed=self._forget_registration,
        )
        self._registrations.append(registration)
        for server in registration.servers:
            self._admission.trust_host(server.remote.host)
        self._admission.trust_contact(registration.token)
        registration.start(now)
        return registration

    def invite(
        self,
        *,
        target: Uri,
        flow: Flow,
        identity: Identity,
        offer: bytes | None,
        now: float,
        contact: Uri | None = None,
        headers: Iterable[Field] = (),
        others: Sequence[Flow] = (),
        follow: Follow = nowhere,
    ) -> InviteSession:
        """Call `target` over `flow`, or if that fails over one of the `others`; elsewhere as `follow` allows it (3xx).

        Without an offer, `Answered` brings one, for `acknowledge` to answer.
        """
        session = InviteSession.calling(
            self._host,
            target=target,
            flow=flow,
            identity=identity,
            contact=contact or self.contact(flow),
            offer=offer,
            headers=(*identity.headers, *headers),
            now=now,
            others=others,
            follow=follow,
        )
        self._sessions.add(session)
        return session

    def refer(self, session: InviteSession, target: Uri, now: float, *, replaces: InviteSession | None = None) -> None:
        """Ask the far end of a call to call `target`, to take our place in the call `replaces` if one is given.

        Raises LocalProtocolError when a call does not stand, or the far end has been asked already.
        """
        named = Replaces.of_far_end(replaces.dialog) if replaces is not None and replaces.dialog is not None else None
        self._references.refer(session, ReferTo(target=target, replaces=named), now)

    def contact(self, flow: Flow, *, secure: bool = False) -> Uri:
        """What our Contact says over a flow: the registered one where its registrar is the peer, else our address.

        To those who call a SIPS URI it is one, too (RFC 3261 section 12.1.1).
        """
        registration = self._registration_at(flow)
        if registration is not None:
            return registration.contact
        return contact_over(flow, "sipagent", address=self._reachable(flow), secure=secure)

    # ---- requests

    def _receive_request(self, request: Request, flow: Flow, now: float) -> None:
        flaw = check(request)
        if flaw is not None:
            self._refuse_mangled(request, flaw, flow, now)
        elif request.method == "ACK":
            self._receive_ack(request, now)
        elif (transaction := self._layer.server(request)) is not None:
            self._layer.receive_again(transaction, request, now)
        elif request.method == "CANCEL":
            self._receive_cancel(request, flow, now)
        elif (session := self._sessions.of(request)) is not None:
            self._receive_in_dialog(session, request, flow, now)
        elif self._references.is_known(request):  # its call is over already
            self._references.receive_notify(self._layer.serve(request, flow, now), now)
        elif (judgement := self._admitted(request, flow, now)) is not None:
            self._receive_new(self._admission.believable(request, flow), flow, now, judgement.line)

    def _refuse_mangled(self, request: Request, flaw: Flaw, flow: Flow, now: float) -> None:
        """Tell the sender what is wrong, without a transaction (RFC 3261 section 8.2.7), unless it is a stranger."""
        self.counters["request-mangled"] += 1
        if request.method != "ACK" and answerable(request) and self._is_welcome(request, flow, now):
            self._refuse(request, flow, flaw.code, reason=flaw.reason)

    def _is_welcome(self, request: Request, flow: Flow, now: float) -> bool:
        return self._admission.judge(request, flow, now).verdict in (Verdict.ACCEPT, Verdict.REJECT)

    def _receive_ack(self, request: Request, now: float) -> None:
        """An ACK ends a failure's transaction, or confirms a 2xx."""
        transaction = self._layer.server(request)
        if transaction is not None and not self._layer.receive_again(transaction, request, now):
            return
        session = self._sessions.of(request)
        if session is None and (session := self._sessions.awaiting(request)) is not None:
            self.counters["ack-by-call-id"] += 1
        if session is None:
            self.counters["ack-unexpected"] += 1
        else:
            session.receive_ack(request, now)

    def _receive_cancel(self, request: Request, flow: Flow, now: float) -> None:
        """200 to the CANCEL, 487 to its INVITE if that is still open (RFC 3261 section 9.2)."""
        cancelled = self._layer.server(request, method="INVITE")
        if cancelled is None and self._admitted(request, flow, now) is None:
            return
        session = self._sessions.invited_by(cancelled) if cancelled is not None else None
        transaction = self._layer.serve(request, flow, now)
        code = 481 if cancelled is None else 200
        self._layer.respond(transaction, code, now, to_tag=session.local_tag if session else self._tag(request))
        if session is not None and cancelled is not None:
            session.receive_cancel(cancelled, now)

    def _receive_in_dialog(self, session: InviteSession, request: Request, flow: Flow, now: float) -> None:
        transaction = self._layer.serve(request, flow, now)
        if (refused := refusal(request)) is not None:
            flaw, headers = refused
            self._answer(transaction, flaw.code, now, headers)
        elif request.method == "BYE" or request.method in METHODS:
            session.receive_request(transaction, now)
        elif request.method == "REFER":
            self._references.receive_refer(session, transaction, now)
        elif request.method == "NOTIFY":
            self._references.receive_notify(transaction, now)
        else:
            self._answer_outright(transaction, now)

    def _receive_new(self, request: Request, flow: Flow, now: float, line: str) -> None:
        """Inspect a request outside any dialog in the order of RFC 3261 section 8.2, and serve it."""
        merged = self._layer.merged(request)
        if request.method == "INVITE" and not merged and self._refused_at_once(request, flow, now):
            return
        transaction = self._layer.serve(request, flow, now)
        if (refused := refusal(request)) is not None:
            flaw, headers = refused
            self._answer(transaction, flaw.code, now, headers)
        elif merged:
            self._answer(transaction, 482, now)
        elif request.to.tag or request.method in ONLY_IN_DIALOGS:
            self._answer(transaction, 481, now)
        elif request.method == "INVITE":
            self._receive_invite(transaction, now, line)
        elif request.method == "MESSAGE":
            self._answer(transaction, 200, now)
            sender = str(request.from_.uri)
            self._layer.emit(TextReceived(session=None, sender=sender, text=text_of(request)))
        elif request.method == "REFER":  # whoever wants us to call has a call with us
            self._answer(transaction, 403, now)
        else:
            self._answer_outright(transaction, now)

    def _refused_at_once(self, request: Request, flow: Flow, now: float) -> bool:
        """Whether a call was refused for what needs no transaction: it was so before, or there are too many."""
        before = self._layer.rejection(request, now)
        if before is not None:
            self.counters["refused-again"] += 1
            self._refuse(request, flow, before.code, reason=before.reason)
            return True
        neighbour = self._admission.standing(flow.remote.host) is Standing.NEIGHBOUR
        code = self._rates.refusal("" if neighbour else str(request.from_.uri.bare()), now)
        if code is not None:
            self.counters["too-many-calls"] += 1
            self._refuse(request, flow, code, headers=[("Retry-After", str(RETRY_AFTER))])
        return code is not None

    def _receive_invite(self, transaction: ServerTransaction, now: float, line: str) -> None:
        identity = self._identity_of(transaction, line)
        if identity is None and not self._admission.answers_number(transaction.request, transaction.flow):
            self._tell_of_number(transaction)
            self._answer(transaction, 404, now)
            return
        try:
            named = Replaces.of_headers(transaction.request.headers)
        except ValueError:
            self._answer(transaction, 400, now, reason="Bad Replaces")
            return
        replaced = self._sessions.replaced(named) if named is not None else None
        if isinstance(replaced, int):
            self._answer(transaction, replaced, now)
            return
        try:
            session = InviteSession.called(
                self._host,
                transaction,
                contact=self.contact(transaction.flow, secure=transaction.request.target.scheme == "sips"),
                account=identity.account if identity else "",
                credentials=identity.credentials if identity else None,
            )
        except ValueError:
            self._answer(transaction, 400, now, reason="Bad Contact or Record-Route")
            return
        self._sessions.add(session)
        self._layer.respond(transaction, 100, now)
        self._layer.emit(Invited(session=session, offer=transaction.request.content, replaces=replaced))

    def _answer_outright(self, transaction: ServerTransaction, now: float) -> None:
        """OPTIONS is told what we can (section 11.2); a NOTIFY that nobody asked for is welcome all the same."""
        capabilities = ABILITIES if transaction.request.method == "OPTIONS" else ()
        self._answer(transaction, 200, now, capabilities)

    def _answer(
        self, transaction: ServerTransaction, code: int, now: float, headers: Iterable[Field] = (), *, reason: str = ""
    ) -> None:
        tag = self._tag(transaction.request)
        self._layer.respond(transaction, code, now, reason=reason, to_tag=tag, headers=headers)

    def _tag(self, request: Request) -> str:
        return self._ids.token("tag", request.call_id)

    # ---- who may

    def _admitted(self, request: Request, flow: Flow, now: float) -> Judgement | None:
        """Let a request in, or turn it away in a way that costs us little."""
        judgement = self._admission.judge(request, flow, now)
        if judgement.verdict is Verdict.ACCEPT:
            return judgement
        self.counters["turned-away"] += 1
        self._report(request, flow, judgement.verdict)
        if judgement.verdict is not Verdict.DROP and request.method != "CANCEL":
            code = 403 if judgement.verdict is Verdict.REJECT else 401
            self._refuse(request, flow, code, headers=judgement.headers)
        return None

    def _tell_of_number(self, transaction: ServerTransaction) -> None:
        """A known peer calls a number that is none of ours: most likely it is written otherwise there (a plus)."""
        request, flow = transaction.request, transaction.flow
        if self._admission.first_time(flow):
            cure = f"[trunk NAME] called = {request.target.username}"
            self._layer.emit(
                CallerTurnedAway(source=flow.remote, method=request.method, verdict=Verdict.REJECT, cure=cure)
            )

    def _report(self, request: Request, flow: Flow, verdict: Verdict) -> None:
        if self._admission.first_time(flow):
            cure = self._admission.cure(flow)
            self._layer.emit(CallerTurnedAway(source=flow.remote, method=request.method, verdict=verdict, cure=cure))

    def _refuse(
        self, request: Request, flow: Flow, code: int, *, reason: str = "", headers: Iterable[Field] = ()
    ) -> None:
        """Refuse without a transaction. The tag must be the same each time (section 8.2.7), so it is not drawn."""
        hop = f"{request.call_id} {request.headers.get('via')}".encode("utf-8", "surrogateescape")
        tag = hashlib.blake2s(hop, digest_size=8).hexdigest()
        self._layer.respond_briefly(request, flow, code, reason=reason, to_tag=tag, headers=headers)

    def _knows(self, host: str) -> bool:
        """Whether an address is a peer's, or that of a party to a call."""
        return self._admission.standing(host) is not Standing.STRANGER or self._sessions.has_party(host)

    def _identity_of(self, transaction: ServerTransaction, line: str) -> Identity | None:
        """Whom a caller has found: by our Contact, by the trunk or password it came with, else by its registrar."""
        called = transaction.request.target.user
        named = (
            item for item in self._registrations if item.token == called or (line and item.identity.account == line)
        )
        registration = next(named, None)
        if registration is None and line in self._trunks:
            return self._trunks[line]
        registration = registration or self._registration_at(transaction.flow)
        return registration.identity if registration else None

    def _registration_at(self, flow: Flow) -> Registration | None:
        host = flow.remote.host
        at_peer = (item for item in self._registrations if host in (server.remote.host for server in item.servers))
        return next(at_peer, None)

    # ---- what is over

    def _forget_registration(self, registration: Registration) -> None:
        self._registrations.remove(registration)
        self._admission.distrust_contact(registration.token)
