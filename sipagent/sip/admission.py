"""Who may ring: a call needs a reason to be accepted, since whoever reaches the port can spend money."""

from collections.abc import Iterable
from enum import Enum
from ipaddress import ip_network

from sipagent.sip.flow import Flow
from sipagent.sip.message import Request
from sipagent.sip.scope import Scope, plain_address, scope_of

REMEMBERED_SOURCES = 1024
"""Strangers that are remembered as already reported; a flood of spoofed sources must not fill the memory."""


class Verdict(Enum):
    """Values are those of `unknown_callers` in sip.conf."""

    ACCEPT = "accept"
    DROP = "drop"
    REJECT = "reject"
    DIGEST = "digest"


class Admission:
    """Accepts registrars and proxies of our accounts, callers of our registered Contact, and trunk peers.

    `peers` are networks or addresses (`203.0.113.0/24`). With `local` (neither account nor trunk is configured),
    loopback and private addresses may ring. All others meet `unknown`; DIGEST acts as DROP, which leaks least.
    """

    def __init__(self, *, unknown: Verdict = Verdict.DROP, peers: Iterable[str] = (), local: bool = False) -> None:
        self._unknown = unknown
        self._peers = [ip_network(peer, strict=False) for peer in peers]
        self._local = local
        self._hosts: set[str] = set()
        self._contacts: set[str] = set()
        self._reported: set[str] = set()

    def trust_host(self, host: str) -> None:
        """Let requests from an address in: a registrar's or proxy's, one of all that its DNS gave."""
        self._hosts.add(host)

    def trust_contact(self, token: str) -> None:
        """Let requests in that name a Contact of ours: only whom the registrar told can know its user part."""
        self._contacts.add(token)

    def distrust_contact(self, token: str) -> None:
        self._contacts.discard(token)

    def judge(self, request: Request, flow: Flow) -> Verdict:
        """Decide about a request outside any dialog."""
        if flow.remote.host in self._hosts or self._names_contact(request) or self._is_peer(flow.remote.host):
            return Verdict.ACCEPT
        return self._unknown

    def first_time(self, flow: Flow) -> bool:
        """Whether a stranger has not been turned away before, as far as we remember."""
        if flow.remote.host in self._reported or len(self._reported) >= REMEMBERED_SOURCES:
            return False
        self._reported.add(flow.remote.host)
        return True

    def cure(self, flow: Flow) -> str:
        """The line of sip.conf that would let the source of `flow` in."""
        return f"[trunk NAME] peers = {flow.remote.host}"

    def _names_contact(self, request: Request) -> bool:
        try:
            return request.target.user in self._contacts
        except ValueError:
            return False

    def _is_peer(self, host: str) -> bool:
        if self._local and Scope.HOST <= scope_of(host) <= Scope.SITE:
            return True
        try:
            address = plain_address(host)
        except ValueError:
            return False
        return any(network.version == address.version and address in network for network in self._peers)
