"""A request inside a dialog, sent again with credentials when it is challenged (RFC 3261 sections 12.2.1 and 22)."""

from collections.abc import Callable

from sipagent.sip.dialog import Dialog
from sipagent.sip.digest import Authenticator
from sipagent.sip.flow import Flow
from sipagent.sip.layer import TransactionLayer
from sipagent.sip.message import Request, Response
from sipagent.sip.requests import again

Heard = Callable[[int, Response | None, float], None]
"""Told of each final response: its code, the response (None: nobody answered, or it could not be sent), and when."""


class DialogRequest:
    """One request and what became of it. The 2xx of a re-INVITE is told as often as it comes."""

    def __init__(
        self,
        request: Request,
        dialog: Dialog,
        layer: TransactionLayer,
        *,
        authenticator: Authenticator,
        branch: Callable[[], str],
        heard: Heard,
    ) -> None:
        self.request = request
        self.dialog = dialog
        self._layer = layer
        self._authenticator = authenticator.another()
        self._branch = branch
        self._heard = heard

    def send(self, now: float) -> None:
        self._layer.request(self.request, self.dialog.next_flow(), self, now)

    def cancel(self, now: float) -> None:
        """Take back a re-INVITE that has been heard of (section 9.1)."""
        self._layer.cancel(self.request, self, now)

    def abandon(self) -> None:
        """Forget it; whatever still comes is dropped."""
        self._layer.abandon(self.request)

    def receive_response(self, response: Response, request: Request, now: float) -> None:
        if request is not self.request or response.code < 200:  # another one: the CANCEL, or that without credentials
            return
        if response.code in (401, 407) and (credentials := self._authenticator.answer(request, response)):
            flow, number = self.dialog.next_flow(), self.dialog.next_number()
            self.request = again(request, flow=flow, branch=self._branch(), number=number, credentials=credentials)
            self.send(now)
        else:
            self._heard(response.code, response, now)

    def request_failed(self, request: Request, code: int, now: float, *, why: str = "") -> None:
        if request is self.request:
            self._heard(code, None, now)

    def moved(self, request: Request, server: Flow) -> None:
        """Each request of a dialog finds its way anew."""
