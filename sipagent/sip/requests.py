"""Making requests outside dialogs (RFC 3261 section 8.1.1), and sending one again with credentials."""

from collections.abc import Iterable

from sipagent.sip.flow import Flow
from sipagent.sip.headers import NameAddr, Via
from sipagent.sip.message import Field, Headers, Request
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


def again(request: Request, *, flow: Flow, branch: str, number: int, credentials: Iterable[Field]) -> Request:
    """Make the same request as a new transaction, with credentials (section 22.2)."""
    kept = request.headers.without("via", "cseq", "authorization", "proxy-authorization")
    fields = [("Via", str(Via.of(flow, branch))), *kept, ("CSeq", f"{number} {request.method}"), *credentials]
    return Request(method=request.method, uri=request.uri, headers=Headers(fields), body=request.body)


def sdp_type(body: bytes | None) -> tuple[Field, ...]:
    """The Content-Type of an offer or answer; nothing where there is none."""
    return (("Content-Type", "application/sdp"),) if body else ()
