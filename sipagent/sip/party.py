"""Our side of one session: what its parts share."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from sipagent.sip.capabilities import ALLOW, SUPPORTED
from sipagent.sip.dialog import Dialog
from sipagent.sip.dialog_request import DialogRequest, Heard
from sipagent.sip.digest import Authenticator
from sipagent.sip.ids import Ids
from sipagent.sip.layer import TransactionLayer
from sipagent.sip.message import Field
from sipagent.sip.negotiation import Negotiation
from sipagent.sip.session_timer import SessionTimer
from sipagent.sip.uri import Uri


@dataclass(slots=True, kw_only=True)
class Party:
    """Who we are in a session, and what has been agreed on so far. `description` is our SDP that left last."""

    layer: TransactionLayer
    ids: Ids
    call_id: str
    tag: str
    contact: Uri
    authenticator: Authenticator
    negotiation: Negotiation = field(default_factory=Negotiation)
    timer: SessionTimer = field(default_factory=SessionTimer)
    description: bytes = b""
    is_over: bool = False
    """The session has ended: what still comes in is only to be acknowledged."""

    def branch(self) -> str:
        """The branch of a new transaction."""
        return self.ids.token("branch", self.call_id)

    @property
    def presentation(self) -> tuple[Field, ...]:
        """The headers of all that opens or refreshes a dialog: where we are, and what we can."""
        return ("Contact", f"<{self.contact}>"), ALLOW, SUPPORTED

    def request(
        self, dialog: Dialog, method: str, heard: Heard, *, headers: Iterable[Field] = (), body: bytes = b""
    ) -> DialogRequest:
        """A request in `dialog`, ready to be sent; `heard` is told of its final response."""
        request = dialog.request(method, branch=self.branch(), headers=headers, body=body)
        return DialogRequest(
            request, dialog, self.layer, authenticator=self.authenticator, branch=self.branch, heard=heard
        )
