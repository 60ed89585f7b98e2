"""All REFERs of a user agent, ours and the far ends': which of them a message is for (RFC 3515, RFC 6665)."""

from sipagent.errors import LocalProtocolError
from sipagent.sip.ids import Ids
from sipagent.sip.invite import InviteSession
from sipagent.sip.layer import TransactionLayer
from sipagent.sip.message import Request
from sipagent.sip.outputs import ReferReceived
from sipagent.sip.refer import ReferTo
from sipagent.sip.referred import Referred
from sipagent.sip.referring import Referring
from sipagent.sip.transaction import ServerTransaction

_DialogId = tuple[str, str, str]


class References:
    """At most one REFER of each side in a dialog. They outlive its call: a last NOTIFY may come after the BYE."""

    def __init__(self, layer: TransactionLayer, ids: Ids) -> None:
        self._layer = layer
        self._ids = ids
        self._ours: dict[_DialogId, Referring] = {}
        self._theirs: dict[_DialogId, Referred] = {}

    def __bool__(self) -> bool:
        return bool(self._ours or self._theirs)

    def refer(self, session: InviteSession, refer_to: ReferTo, now: float) -> None:
        """Ask the far end of a call that stands to call somebody else.

        Raises LocalProtocolError when it does not stand, or has been asked already.
        """
        dialog = session.dialog
        if dialog is None or not session.is_confirmed:
            raise LocalProtocolError(f"cannot refer the far end of a session that is {session.state.value}")
        if _id_of(session) in self._ours:
            raise LocalProtocolError("the far end has been asked already")
        referring = Referring(
            session, dialog, refer_to, layer=self._layer, ids=self._ids, ended=self._forget_ours, now=now
        )
        self._ours[_id_of(session)] = referring

    def is_known(self, request: Request) -> bool:
        """Whether a request is a NOTIFY about a REFER of ours, whose call may be over."""
        return request.method == "NOTIFY" and (request.call_id, request.to.tag, request.from_.tag) in self._ours

    def receive_notify(self, transaction: ServerTransaction, now: float) -> None:
        """Take a NOTIFY inside a dialog; one that nobody asked for is welcome all the same."""
        request = transaction.request
        referring = self._ours.get((request.call_id, request.to.tag, request.from_.tag))
        if referring is None:
            self._layer.respond(transaction, 200, now)
        elif referring.concerns(request):
            referring.receive_notify(transaction, now)
        else:
            self._layer.respond(transaction, 481, now)

    def receive_refer(self, session: InviteSession, transaction: ServerTransaction, now: float) -> None:
        """Take a REFER inside a dialog: the driver decides, unless it is none or comes at the wrong moment."""
        dialog = session.dialog
        if dialog is None or not session.is_confirmed:
            self._layer.respond(transaction, 481, now)
            return
        if not dialog.takes(transaction.request):
            self._layer.respond(transaction, 500, now, reason="CSeq Out of Order")
            return
        if _id_of(session) in self._theirs:
            self._layer.respond(transaction, 491, now)
            return
        try:
            refer_to = ReferTo.of_headers(transaction.request.headers)
        except ValueError:
            self._layer.respond(transaction, 400, now, reason="Bad Refer-To")
            return
        referred = Referred(session, dialog, transaction, layer=self._layer, ids=self._ids, ended=self._forget_theirs)
        self._theirs[_id_of(session)] = referred
        by = transaction.request.headers.get("referred-by")
        self._layer.emit(ReferReceived(session=session, referred=referred, refer_to=refer_to, referred_by=by))

    def _forget_ours(self, referring: Referring) -> None:
        self._ours.pop(_id_of(referring.session), None)

    def _forget_theirs(self, referred: Referred) -> None:
        self._theirs.pop(_id_of(referred.session), None)


def _id_of(session: InviteSession) -> _DialogId:
    return session.call_id, session.local_tag, session.remote.tag
