"""Who may ring: a call needs a reason to be accepted, since whoever reaches the port can spend money."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum
from fnmatch import fnmatchcase
from ipaddress import ip_network

from sipagent.sip.challenge import Challenger
from sipagent.sip.flood import GUESSES, Buckets
from sipagent.sip.flow import Flow
from sipagent.sip.message import Field, Request
from sipagent.sip.scope import Scope, plain_address, scope_of

REMEMBERED_SOURCES = 1024
"""Strangers that are remembered as already reported; a flood of spoofed sources must not fill the memory."""
CHALLENGED = ("INVITE", "OPTIONS")
"""The others are no calls; a REGISTER here is a search for passwords."""
ASSERTED = ("p-asserted-identity", "p-preferred-identity", "remote-party-id")
"""Headers that are worth what their sender is worth (RFC 3325 section 5)."""


class Verdict(Enum):
    """Values are those of `unknown_callers` in sip.conf."""

    ACCEPT = "accept"
    DROP = "drop"
    REJECT = "reject"
    DIGEST = "digest"


class Standing(Enum):
    """What an address is to us."""

    PEER = "registrar, proxy or trunk"
    NEIGHBOUR = "near us, with nothing configured"
    STRANGER = "nobody that we know"


@dataclass(frozen=True, slots=True, kw_only=True)
class Peering:
    """A trunk, as its callers are known: by networks or addresses, and by the numbers that they call.

    `called` are patterns with `*` and `?`; none is all numbers.
    """

    name: str
    peers: tuple[str, ...] = ()
    called: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What becomes of a request. `line` is the trunk, or who gave the password; `headers` are a challenge."""

    verdict: Verdict
    line: str = ""
    headers: tuple[Field, ...] = ()


class Admission:
    """Accepts registrars and proxies of our accounts, callers of our registered Contact, and trunk peers.

    With `local` (neither account nor trunk is configured), loopback and private addresses may ring. All others meet
    `unknown`; DIGEST needs a `challenger`.
    """

    def __init__(
        self,
        *,
        unknown: Verdict = Verdict.DROP,
        trunks: Iterable[Peering] = (),
        local: bool = False,
        challenger: Challenger | None = None,
    ) -> None:
        self._unknown = unknown
        self._trunks = [([ip_network(peer, strict=False) for peer in trunk.peers], trunk) for trunk in trunks]
        self._local = local
        self._challenger = challenger
        self._guesses = Buckets(GUESSES)
        self._hosts: set[str] = set()
        self._contacts: set[str] = set()
        self._reported: set[str] = set()
        self._standings: dict[str, Standing] = {}

    def trust_host(self, host: str) -> None:
        """Let requests from an address in: a registrar's or proxy's, one of all that its DNS gave."""
        self._hosts.add(host)
        self._standings.pop(host, None)

    def trust_contact(self, token: str) -> None:
        """Let requests in that name a Contact of ours: only whom the registrar told can know its user part."""
        self._contacts.add(token)

    def distrust_contact(self, token: str) -> None:
        self._contacts.discard(token)

    def standing(self, host: str) -> Standing:
        """What we know of an address by itself. Asked for every datagram, so the last answers are kept."""
        standing = self._standings.get(host)
        if standing is None:
            if len(self._standings) >= REMEMBERED_SOURCES:
                self._standings.clear()
            standing = self._standings[host] = self._look_up(host)
        return standing

    def judge(self, request: Request, flow: Flow, now: float) -> Judgement:
        """Decide about a request outside any dialog."""
        if self.standing(flow.remote.host) is not Standing.STRANGER or self._names_contact(request):
            return Judgement(verdict=Verdict.ACCEPT, line=self._trunk_of(request, flow))
        if self._unknown is Verdict.DIGEST:
            return self._examine(request, flow, now)
        return Judgement(verdict=self._unknown)

    def answers_number(self, request: Request, flow: Flow) -> bool:
        """Whether the number is one that this peer may call: where its trunks name numbers, it must be among them."""
        host = flow.remote.host
        return host in self._hosts or not self._peerings(host) or bool(self._trunk_of(request, flow))

    def believable(self, request: Request, flow: Flow) -> Request:
        """The request without what only a peer can assert, unless it comes from one."""
        if self.standing(flow.remote.host) is not Standing.STRANGER:
            return request
        return replace(request, headers=request.headers.without(*ASSERTED))

    def first_time(self, flow: Flow) -> bool:
        """Whether a stranger has not been turned away before, as far as we remember."""
        if flow.remote.host in self._reported or len(self._reported) >= REMEMBERED_SOURCES:
            return False
        self._reported.add(flow.remote.host)
        return True

    def cure(self, flow: Flow) -> str:
        """The line of sip.conf that would let the source of `flow` in."""
        return f"[trunk NAME] peers = {flow.remote.host}"

    def _examine(self, request: Request, flow: Flow, now: float) -> Judgement:
        """Ask for a password, or look at the one that is given. Who guesses too often is no longer heard."""
        host = flow.remote.host
        if self._challenger is None or request.method not in CHALLENGED or self._guesses.is_full(host, now):
            return Judgement(verdict=Verdict.DROP)
        claim = self._challenger.examine(request, flow, now)
        if claim is not None and claim.line:
            return Judgement(verdict=Verdict.ACCEPT, line=claim.line)
        stale = claim is not None and claim.stale
        if claim is not None and not stale:
            self._guesses.takes(host, now)
        headers = self._challenger.challenge(request, flow, now, stale=stale)
        return Judgement(verdict=Verdict.DIGEST, headers=headers)

    def _look_up(self, host: str) -> Standing:
        if host in self._hosts or self._peerings(host):
            return Standing.PEER
        near = self._local and Scope.HOST <= scope_of(host) <= Scope.SITE
        return Standing.NEIGHBOUR if near else Standing.STRANGER

    def _names_contact(self, request: Request) -> bool:
        try:
            return request.target.user in self._contacts
        except ValueError:
            return False

    def _trunk_of(self, request: Request, flow: Flow) -> str:
        """The first trunk of this peer that takes the number called; empty if none does."""
        return next((each.name for each in self._peerings(flow.remote.host) if _takes(each, request)), "")

    def _peerings(self, host: str) -> list[Peering]:
        try:
            address = plain_address(host)
        except ValueError:
            return []
        return [
            trunk
            for networks, trunk in self._trunks
            if any(network.version == address.version and address in network for network in networks)
        ]


def _takes(trunk: Peering, request: Request) -> bool:
    number = request.target.username.partition(";")[0]
    return not trunk.called or any(fnmatchcase(number, pattern) for pattern in trunk.called)
