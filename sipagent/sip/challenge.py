"""Digest authentication, the server's half (RFC 3261 section 22.4, RFC 7616, RFC 8760): no state but a secret.

A nonce is good for one call, from one address, for half a minute: who overhears it can use it for nothing else. The
same INVITE once more within that time is a merged request (RFC 3261 section 8.2.2.2).
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from sipagent.sip.digest import Challenge, Credentials, digest_parameters, digest_response
from sipagent.sip.flow import Flow
from sipagent.sip.message import Field, Request
from sipagent.sip.parameters import Parameters, quote

LIFETIME = 30
"""Seconds; less than PATIENCE, for which the transaction of a call that was let in is remembered."""
ALGORITHMS = ("SHA-256", "MD5")
"""The best first, as RFC 8760 section 2.4 asks for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What an Authorization header is worth: whose it is (the account or trunk), and whether only its nonce is old."""

    line: str = ""
    stale: bool = False


class Challenger:
    """Asks callers for a password. `credentials` are those of accounts and trunks, by the line's name."""

    def __init__(self, *, realm: str, secret: bytes, credentials: Mapping[str, Credentials]) -> None:
        self._realm = realm
        self._secret = secret
        self._lines = credentials

    def challenge(self, request: Request, flow: Flow, now: float, *, stale: bool = False) -> tuple[Field, ...]:
        """The WWW-Authenticate headers of a 401, one for each algorithm."""
        nonce = self._nonce(request, flow, int(now) + LIFETIME)
        suffix = ", stale=true" if stale else ""
        return tuple(
            (
                "WWW-Authenticate",
                f'Digest realm={quote(self._realm)}, nonce="{nonce}", algorithm={algorithm}, qop="auth"{suffix}',
            )
            for algorithm in ALGORITHMS
        )

    def examine(self, request: Request, flow: Flow, now: float) -> Claim | None:
        """Check the credentials of a request. None if it brings none for us."""
        ours = [each for each in digest_parameters(request.headers, "authorization") if self._is_ours(each)]
        if not ours:
            return None
        line = next((name for each in ours if (name := self._line(request, each))), "")
        nonce = ours[0].get("nonce") or ""
        expires = _expiry(nonce)
        if not line or not hmac.compare_digest(nonce.encode(), self._nonce(request, flow, expires).encode()):
            return Claim()
        return Claim(stale=True) if now > expires else Claim(line=line)

    def _is_ours(self, answer: Parameters) -> bool:
        return answer.get("realm") == self._realm

    def _line(self, request: Request, answer: Parameters) -> str:
        """The line whose username and password made an answer.

        Its `uri` may differ from the Request-URI, which proxies rewrite; the nonce holds the call fast.
        """
        algorithm = (answer.get("algorithm") or "MD5").upper()
        if algorithm not in ALGORITHMS:
            return ""
        qop = (answer.get("qop") or "").lower()
        challenge = Challenge(
            header="www-authenticate",
            realm=self._realm,
            nonce=answer.get("nonce") or "",
            algorithm=algorithm,
            qop="auth" if qop else "",
        )
        for name, credentials in self._lines.items():
            expected = digest_response(
                credentials,
                challenge,
                method=request.method,
                uri=answer.get("uri") or "",
                count=answer.get("nc") or "",
                cnonce=answer.get("cnonce") or "",
            )
            given = (answer.get("response") or "").lower()
            same_user = credentials.username == answer.get("username")
            if hmac.compare_digest(expected.encode(), given.encode("utf-8", "surrogateescape")) and same_user:
                return name
        return ""

    def _nonce(self, request: Request, flow: Flow, expires: int) -> str:
        meant_for = f"{expires:x} {flow.remote.host} {request.call_id}".encode("utf-8", "surrogateescape")
        return f"{expires:x}-{hmac.digest(self._secret, meant_for, 'sha256').hex()[:32]}"


def _expiry(nonce: str) -> int:
    """When a nonce ends; 0 for what is none of ours."""
    try:
        return int(nonce.partition("-")[0][:12], 16)
    except ValueError:
        return 0
