"""All calls of a user agent that are not over: which of them a request is for, or names (RFC 3261 section 12.2.2)."""

from collections import Counter

from sipagent.sip.invite import InviteSession
from sipagent.sip.message import Request
from sipagent.sip.replaces import Replaces
from sipagent.sip.transaction import ServerTransaction


class Sessions:
    """The calls by Call-ID and local tag, and the hosts of their far ends."""

    def __init__(self) -> None:
        self._by_dialog: dict[tuple[str, str], InviteSession] = {}
        self._hosts: dict[InviteSession, str] = {}
        self._parties: Counter[str] = Counter()

    def __bool__(self) -> bool:
        return bool(self._by_dialog)

    def has_party(self, host: str) -> bool:
        """Whether an address is that of a party to a call."""
        return host in self._parties

    def add(self, session: InviteSession) -> None:
        """A call has begun; its far end is known by the host that it began with."""
        host = session.flow.remote.host
        self._by_dialog[session.call_id, session.local_tag] = session
        self._hosts[session] = host
        self._parties[host] += 1

    def remove(self, session: InviteSession) -> None:
        """A call is over."""
        self._by_dialog.pop((session.call_id, session.local_tag), None)
        host = self._hosts.pop(session)
        self._parties[host] -= 1
        if not self._parties[host]:
            del self._parties[host]

    def of(self, request: Request) -> InviteSession | None:
        """The call inside whose dialog a request is."""
        session = self._by_dialog.get((request.call_id, request.to.tag)) if request.to.tag else None
        return session if session is not None and session.owns(request) else None

    def awaiting(self, ack: Request) -> InviteSession | None:
        """Some phones (pyVoIP) make up the To tag of their ACK: Call-ID and CSeq are as good."""
        for session in self._by_dialog.values():
            if session.call_id == ack.call_id and session.awaits(ack.cseq.number):
                return session
        return None

    def invited_by(self, transaction: ServerTransaction) -> InviteSession | None:
        """The call that an INVITE has opened, or wants to change."""
        return next((session for session in self._by_dialog.values() if session.invited_by(transaction)), None)

    def replaced(self, named: Replaces) -> InviteSession | int:
        """The call that an INVITE takes the place of, or the code to refuse it with (RFC 3891 section 3)."""
        session = self._by_dialog.get((named.call_id, named.to_tag))
        # An early dialog is nobody's to take: it has not been answered, by us or by whom we ring.
        if session is None or session.remote.tag != named.from_tag or not session.has_stood:
            return 481
        if not session.is_confirmed:
            return 603
        return 486 if named.early_only else session
