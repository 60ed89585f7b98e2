"""The ACKs of the 2xx to one INVITE: each goes out again whenever its 2xx does (RFC 3261 section 13.2.2.4)."""

from sipagent.sip.dialog import Dialog
from sipagent.sip.flow import Flow
from sipagent.sip.layer import TransactionLayer
from sipagent.sip.message import Request
from sipagent.sip.requests import sdp_type

FORKS = 16
"""Phones behind a forking proxy that may all answer; the answers of more are ignored."""


class Confirmation:
    """Remembers what was sent to whom, by the remote tag."""

    def __init__(self, layer: TransactionLayer) -> None:
        self._layer = layer
        self._sent: dict[str, tuple[Request, Flow]] = {}

    def send(self, dialog: Dialog, *, branch: str, number: int, body: bytes) -> None:
        """Acknowledge the INVITE `number` that opened `dialog`; `body` is our answer to an offer in the 2xx."""
        ack = dialog.request("ACK", branch=branch, number=number, headers=sdp_type(body), body=body)
        flow = dialog.next_flow()
        self._sent[dialog.remote_tag] = ack, flow
        self._layer.send(ack, flow)

    def repeat(self, remote_tag: str) -> None:
        """Send the ACK of a repeated 2xx again."""
        self._layer.send(*self._sent[remote_tag])

    def __contains__(self, remote_tag: str) -> bool:
        return remote_tag in self._sent

    @property
    def full(self) -> bool:
        return len(self._sent) >= FORKS
