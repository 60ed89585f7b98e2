"""Who calls, and by whom the call was sent on, as far as the way it came can tell."""

from dataclasses import dataclass

from sipagent.sip.headers import NameAddr
from sipagent.sip.message import Headers
from sipagent.sip.uri import Uri


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """URIs, empty where nothing is said.

    `asserted` is what a trusted network vouches for (RFC 3325), where From is only what the caller says. `diverted_by`
    is who sent the call on to us last (RFC 5806, RFC 7044).
    """

    asserted: str = ""
    diverted_by: str = ""


def origin_of(headers: Headers) -> Origin:
    """Read the headers of an INVITE; those that only a peer may send must be gone already, if it was none."""
    diversions = headers.values("diversion")
    return Origin(
        asserted=_uri(headers.values("p-asserted-identity")),
        diverted_by=_uri(diversions) if diversions else _diverted(headers.values("history-info")),
    )


def _diverted(history: list[str]) -> str:
    """Of the targets that the call had before ours, the last: ours is the last of all (RFC 7044 section 5)."""
    targets = [uri for entry in history if (uri := _uri([entry]))]
    return targets[-2] if len(targets) > 1 else ""


def _uri(values: list[str]) -> str:
    """The first value's address, without headers embedded in it; empty for what is none."""
    try:
        uri = NameAddr.parse(values[0]).uri if values else None
    except ValueError:
        return ""
    return str(_plain(uri)) if uri is not None else ""


def _plain(uri: Uri) -> Uri:
    return uri.bare() if uri.is_sip else uri
