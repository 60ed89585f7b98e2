"""Who we are to the world on one account: address of record, name, credentials, and the way out."""

from dataclasses import dataclass

from sipagent.sip.digest import Credentials
from sipagent.sip.headers import NameAddr
from sipagent.sip.message import Field
from sipagent.sip.uri import Uri


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What From says, and what challenges are answered with.

    `uri` is the address of record, never a Contact. `routes` are Route values for requests outside dialogs: the
    outbound proxy, as `<sip:proxy.example.com;lr>`. `account` is the name the configuration gives it. `headers` go
    into every INVITE: P-Asserted-Identity.
    """

    uri: Uri
    display_name: str = ""
    credentials: Credentials | None = None
    routes: tuple[str, ...] = ()
    account: str = ""
    headers: tuple[Field, ...] = ()

    def name_addr(self, tag: str = "") -> NameAddr:
        address = NameAddr(uri=self.uri, display_name=self.display_name)
        return address.tagged(tag) if tag else address
