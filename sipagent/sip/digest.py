"""Digest authentication, the client's half (RFC 3261 section 22, RFC 7616, RFC 8760)."""

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from sipagent.sip.ids import Ids
from sipagent.sip.message import Field, Headers, Request, Response
from sipagent.sip.parameters import Parameters, quote, split_outside_quotes

_HASHES: dict[str, Callable[[bytes], "hashlib._Hash"]] = {
    "MD5": hashlib.md5,
    "SHA-256": hashlib.sha256,
    "SHA-512-256": partial(hashlib.new, "sha512_256"),
}
if "sha512_256" not in hashlib.algorithms_available:  # an OpenSSL built without it
    del _HASHES["SHA-512-256"]
_STRENGTH = tuple(_HASHES)
Realm = tuple[str, str]
_ANSWERS = {"www-authenticate": "Authorization", "proxy-authenticate": "Proxy-Authorization"}
ATTEMPTS = 2
"""Challenges of one realm answered for one request: the first, and one more with a new nonce, taken as stale."""
REALMS = 4
"""Realms answered for one request: a registrar and a chain of proxies."""
NONCES = 16
"""Nonces whose use is counted; a server has long forgotten an older one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Who we are to a realm. The password stays out of `repr`."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """One Digest challenge of a 401 or 407. `qop` is what we will use: "auth", or "" where the server offers none."""

    header: str
    realm: str
    nonce: str
    algorithm: str = "MD5"
    opaque: str | None = None
    qop: str = ""
    stale: bool = False


def challenges(response: Response) -> list[Challenge]:
    """The challenges that we can answer, strongest first."""
    found = [
        challenge
        for header in _ANSWERS
        for parameters in digest_parameters(response.headers, header)
        if (challenge := _read_challenge(header, parameters)) is not None
    ]
    return sorted(found, key=lambda challenge: -_STRENGTH.index(challenge.algorithm))


def digest_parameters(headers: Headers, header: str) -> list[Parameters]:
    """Split `Digest a="1", b=2, Digest …`: a comma separates parameters and challenges alike (RFC 7235 section 2.1)."""
    groups: list[tuple[str, list[str]]] = []
    for row in headers.rows(header):
        for piece in split_outside_quotes(row, ","):
            scheme, blank, parameter = piece.partition(" ")
            if blank and "=" not in scheme:
                groups.append((scheme.lower(), [parameter]))
            elif groups:
                groups[-1][1].append(piece)
    return [Parameters.parse(";".join(pieces)) for scheme, pieces in groups if scheme == "digest"]


def _read_challenge(header: str, parameters: Parameters) -> Challenge | None:
    algorithm = (parameters.get("algorithm") or "MD5").upper()
    qops = [qop.strip().lower() for qop in (parameters.get("qop") or "").split(",") if qop.strip()]
    nonce = parameters.get("nonce")
    if algorithm not in _HASHES or not nonce or (qops and "auth" not in qops):
        return None
    return Challenge(
        header=header,
        realm=parameters.get("realm") or "",
        nonce=nonce,
        algorithm=algorithm,
        opaque=parameters.get("opaque"),
        qop="auth" if qops else "",
        stale=(parameters.get("stale") or "").lower() == "true",
    )


def digest_response(
    credentials: Credentials, challenge: Challenge, *, method: str, uri: str, count: str, cnonce: str
) -> str:
    """The `response` value (RFC 7616 section 3.4.1; RFC 2069's form where the server offers no qop)."""
    hashed = _HASHES[challenge.algorithm]

    def h(*parts: str) -> str:
        return hashed(":".join(parts).encode("utf-8", "surrogateescape")).hexdigest()

    a1 = h(credentials.username, challenge.realm, credentials.password)
    a2 = h(method, uri)
    if not challenge.qop:
        return h(a1, challenge.nonce, a2)
    return h(a1, challenge.nonce, count, cnonce, challenge.qop, a2)


def authorization(
    credentials: Credentials, challenge: Challenge, *, method: str, uri: str, count: int, cnonce: str
) -> str:
    """The value of Authorization or Proxy-Authorization that answers `challenge`. `count` is its nonce count from 1."""
    nc = f"{count:08x}"
    response = digest_response(credentials, challenge, method=method, uri=uri, count=nc, cnonce=cnonce)
    fields = [
        f"username={quote(credentials.username)}",
        f"realm={quote(challenge.realm)}",
        f"nonce={quote(challenge.nonce)}",
        f"uri={quote(uri)}",
        f'response="{response}"',
        f"algorithm={challenge.algorithm}",
    ]
    if challenge.opaque is not None:
        fields.append(f"opaque={quote(challenge.opaque)}")
    if challenge.qop:
        fields += [f"qop={challenge.qop}", f"nc={nc}", f'cnonce="{cnonce}"']
    return "Digest " + ", ".join(fields)


class Authenticator:
    """Answers the challenges of one dialog or registration, and knows when to stop.

    A second challenge of a realm with a new nonce is taken as stale, whether it says so or not; the same nonce again,
    or a third challenge, means that the credentials are wrong.
    """

    def __init__(self, credentials: Credentials | None, ids: Ids, scope: str) -> None:
        self._credentials = credentials
        self._ids = ids
        self._scope = scope
        self._answered: dict[Realm, Challenge] = {}
        self._attempts: Counter[Realm] = Counter()
        self._counts: Counter[str] = Counter()

    def begin(self) -> None:
        """A new request starts, which no server has challenged yet."""
        self._answered.clear()
        self._attempts.clear()

    def another(self) -> "Authenticator":
        """The same for a request beside the first one: a nonce that both are given is counted on."""
        sibling = Authenticator(self._credentials, self._ids, self._scope)
        sibling._counts = self._counts
        return sibling

    def answer(self, request: Request, response: Response) -> list[Field] | None:
        """The headers that repeat `request` needs after this 401 or 407; None when there is no use in trying again."""
        chosen = _strongest_of_each_realm(challenges(response))
        if self._credentials is None or not chosen:
            return None
        if any(self._refused(realm, challenge) for realm, challenge in chosen.items()):
            return None
        self._attempts.update(chosen.keys())
        self._answered |= chosen  # what another hop asked for before is answered again beside it
        return [self._answer(self._credentials, request, challenge) for challenge in self._answered.values()]

    def _refused(self, realm: Realm, challenge: Challenge) -> bool:
        before = self._answered.get(realm)
        if before is None:
            return len(self._answered) >= REALMS
        same_nonce = before.nonce == challenge.nonce and not challenge.stale
        return same_nonce or self._attempts[realm] >= ATTEMPTS

    def _answer(self, credentials: Credentials, request: Request, challenge: Challenge) -> Field:
        count = self._counts.pop(challenge.nonce, 0) + 1
        self._counts[challenge.nonce] = count
        if len(self._counts) > NONCES:
            del self._counts[next(iter(self._counts))]
        cnonce = self._ids.token("cnonce", self._scope)
        value = authorization(
            credentials, challenge, method=request.method, uri=request.uri, count=count, cnonce=cnonce
        )
        return _ANSWERS[challenge.header], value


def _strongest_of_each_realm(offered: list[Challenge]) -> dict[Realm, Challenge]:
    chosen: dict[Realm, Challenge] = {}
    for challenge in offered:
        chosen.setdefault((challenge.header, challenge.realm), challenge)
    return chosen
