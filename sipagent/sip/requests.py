"""Making requests outside dialogs (RFC 3261 section 8.1.1), and sending one again: with credentials, or another way."""

from collections.abc import Iterable
from dataclasses import replace

from sipagent.sip.flow import Address, Flow
from sipagent.sip.headers import MAGIC_COOKIE, NameAddr, Via
from sipagent.sip.message import Field, Headers, Request
from sipagent.sip.parameters import NO_PARAMETERS, Parameters
from sipagent.sip.uri import Uri


def opening_request(
    method: str,
    *,
    target: Uri,
    flow: Flow,
    branch: str,
    routes: Iterable[str],
    sender: NameAddr,
    recipient: NameAddr,
    call_id: str,
    number: int,
    headers: Iterable[Field] = (),
    body: bytes = b"",
) -> Request:
    """Make a request that belongs to no dialog yet. `routes` are the Route values of an outbound proxy."""
    fields = [
        ("Via", str(Via.of(flow, branch))),
        *(("Route", route) for route in routes),
        ("Max-Forwards", "70"),
        ("From", str(sender)),
        ("To", str(recipient)),
        ("Call-ID", call_id),
        ("CSeq", f"{number} {method}"),
        *headers,
    ]
    return Request(method=method, uri=str(target), headers=Headers(fields), body=body)


def again(
    request: Request,
    *,
    flow: Flow,
    branch: str,
    number: int,
    credentials: Iterable[Field] = (),
    headers: Iterable[Field] = (),
    uri: str = "",
) -> Request:
    """Make the same request as a new transaction: with credentials (section 22.2), other headers, another target."""
    headers = tuple(headers)
    changed = (name.lower() for name, _ in headers)
    kept = request.headers.without("via", "cseq", "authorization", "proxy-authorization", *changed)
    cseq = ("CSeq", f"{number} {request.method}")
    fields = [("Via", str(Via.of(flow, branch))), *kept, cseq, *headers, *credentials]
    return Request(method=request.method, uri=uri or request.uri, headers=Headers(fields), body=request.body)


def elsewhere(request: Request, flow: Flow, attempt: int) -> Request:
    """Make the same request for another flow: a transaction of its own, by its Via (RFC 3263 section 4.3)."""
    branch = request.via.branch.removeprefix(MAGIC_COOKIE)
    _, *others = request.headers.values("via")
    vias = [("Via", via) for via in (str(Via.of(flow, f"{branch}.{attempt}")), *others)]
    return replace(request, headers=Headers([*vias, *request.headers.without("via")]))


def contact_over(flow: Flow, user: str, *, address: Address | None = None, secure: bool = False) -> Uri:
    """Our Contact for those who reach us over `flow`; `address` stands in for the flow's own, `secure` makes it SIPS.

    UDP is what a SIP URI means that names no transport.
    """
    address = address or flow.local
    named = flow.transport.reliable and not secure
    parameters = Parameters((("transport", flow.transport.value.lower()),)) if named else NO_PARAMETERS
    scheme = "sips" if secure else "sip"
    return Uri(scheme=scheme, user=user, host=address.host, port=address.port, parameters=parameters)


def sdp_type(body: bytes | None) -> tuple[Field, ...]:
    """The Content-Type of an offer or answer; nothing where there is none."""
    return (("Content-Type", "application/sdp"),) if body else ()
