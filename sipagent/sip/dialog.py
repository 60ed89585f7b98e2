"""Dialogs (RFC 3261 section 12): who talks to whom, in which order, and by which way."""

from collections.abc import Iterable
from dataclasses import replace

from sipagent.sip.flow import Flow
from sipagent.sip.headers import NameAddr, Via
from sipagent.sip.message import Field, Headers, Request, Response
from sipagent.sip.scope import scope_of
from sipagent.sip.targets import address_of, asked_transport
from sipagent.sip.uri import Uri, is_ip


class Dialog:
    """One dialog. `flow` is where its first message came from or went to."""

    def __init__(
        self,
        *,
        call_id: str,
        local: NameAddr,
        remote: NameAddr,
        target: Uri,
        routes: Iterable[Uri],
        flow: Flow,
        local_cseq: int,
        remote_cseq: int = 0,
        symmetric: bool = False,
    ) -> None:
        self.call_id = call_id
        self.local = local
        self.remote = remote
        self.target = target
        self.flow = flow
        self._routes = tuple(routes)
        self._local_cseq = local_cseq
        self._remote_cseq = remote_cseq
        self._symmetric = symmetric
        self._allowed: set[str] = set()

    @classmethod
    def of_request(cls, request: Request, local_tag: str, flow: Flow) -> "Dialog":
        """The dialog that an INVITE opens (section 12.1.1). Raises ValueError for a bad Contact or Record-Route."""
        via = request.via
        dialog = cls(
            call_id=request.call_id,
            local=request.to.tagged(local_tag),
            remote=request.from_,
            target=request.contact.uri,
            routes=[NameAddr.parse(value).uri for value in request.headers.values("record-route")],
            flow=flow,
            local_cseq=0,
            remote_cseq=request.cseq.number,
            # A Via that names another address than the packet came from: behind a NAT, its Contact is as wrong.
            symmetric=is_ip(via.host) and via.host != flow.remote.host,
        )
        dialog.learn(request)
        return dialog

    @classmethod
    def of_response(cls, request: Request, response: Response, flow: Flow) -> "Dialog":
        """The dialog that a 1xx or 2xx to our INVITE opens (section 12.1.2); no Contact leaves the Request-URI."""
        contacts = _readable(response.headers.values("contact"))
        dialog = cls(
            call_id=request.call_id,
            local=request.from_,
            remote=response.to,
            target=contacts[0] if contacts else request.target,
            routes=reversed(_readable(response.headers.values("record-route"))),
            flow=flow,
            local_cseq=request.cseq.number,
        )
        dialog.learn(response)
        return dialog

    @property
    def local_tag(self) -> str:
        return self.local.tag

    @property
    def remote_tag(self) -> str:
        return self.remote.tag

    def takes(self, request: Request) -> bool:
        """Whether a request comes in order (section 12.2.2); the number of one that does is remembered."""
        number = request.cseq.number
        if number < self._remote_cseq:
            return False
        self._remote_cseq = number
        return True

    def confirm(self, response: Response) -> None:
        """Take the target and the route set of a 2xx for those of the 1xx that opened the dialog (section 13.2.2.4)."""
        self._routes = tuple(reversed(_readable(response.headers.values("record-route"))))
        self.retarget(response)

    def retarget(self, message: Request | Response) -> None:
        """Take the Contact of a target refresh, asked or answered, as the new remote target (section 12.2)."""
        contacts = _readable(message.headers.values("contact"))
        if contacts:
            self.target = contacts[0]
        self.learn(message)

    def learn(self, message: Request | Response) -> None:
        """Remember what the far end says it can (RFC 3261 section 20.5); a message without Allow says nothing."""
        if allowed := message.headers.tokens("allow"):
            self._allowed = allowed

    def unlearn(self, method: str) -> None:
        """The far end refuses a method that it said it could."""
        self._allowed.discard(method.lower())

    def allows(self, method: str) -> bool:
        """Whether the far end has said that it takes requests of `method`."""
        return method.lower() in self._allowed

    def request(
        self, method: str, *, branch: str, number: int = 0, headers: Iterable[Field] = (), body: bytes = b""
    ) -> Request:
        """Make a request inside the dialog (section 12.2.1.1). `number` is an ACK's; others count on."""
        number = number or self.next_number()
        uri, routes = self._way()
        fields = [
            ("Via", str(Via.of(self.next_flow(), branch))),
            *(("Route", f"<{route}>") for route in routes),
            ("Max-Forwards", "70"),
            ("From", str(self.local)),
            ("To", str(self.remote)),
            ("Call-ID", self.call_id),
            ("CSeq", f"{number} {method}"),
            *headers,
        ]
        return Request(method=method, uri=str(uri), headers=Headers(fields), body=body)

    def next_number(self) -> int:
        """The CSeq number of our next request."""
        self._local_cseq += 1
        return self._local_cseq

    def next_flow(self) -> Flow:
        """Where a request goes: to the topmost route or the remote target, if its address can be meant for us.

        The first message's flow stands in where the hop has a name only, asks for another transport, or cannot be
        reached from here: behind a NAT (see `symmetric`), or of a narrower scope than the peer we know.
        """
        hop = self._routes[0] if self._routes else self.target
        address = address_of(hop, self.flow.transport)
        if address is None or not hop.is_sip or not self._speaks_ours(hop):
            return self.flow
        if (self._symmetric and not self._routes) or scope_of(address.host) < scope_of(self.flow.remote.host):
            return self.flow
        if self.flow.connection and address.host == self.flow.remote.host:  # the peer's own connection leads there
            return self.flow
        return replace(self.flow, remote=address, connection=0)

    def _speaks_ours(self, hop: Uri) -> bool:
        try:
            return asked_transport(hop, self.flow.transport) is self.flow.transport
        except ValueError:
            return False

    def _way(self) -> tuple[Uri, tuple[Uri, ...]]:
        """Request-URI and Route set, by loose or by strict routing (section 12.2.1.1)."""
        if not self._routes or "lr" in self._routes[0].parameters:
            return self.target, self._routes
        first, *rest = self._routes
        return replace(first, parameters=first.parameters.without("method"), headers=""), (*rest, self.target)


def _readable(values: Iterable[str]) -> list[Uri]:
    uris = []
    for value in values:
        try:
            uris.append(NameAddr.parse(value).uri)
        except ValueError:
            continue
    return uris
