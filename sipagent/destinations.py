"""Where calls may be sent: to a name of [transfer]; who asks by REFER gets no further than the account's own domain."""

from sipagent.config import Configuration
from sipagent.sip.flow import Transport
from sipagent.sip.invite import InviteSession
from sipagent.sip.uri import DEFAULT_PORTS, Uri


class Destinations:
    """The bounds of every call that leads elsewhere: no target is made of what a model or a caller says."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration

    @property
    def names(self) -> tuple[str, ...]:
        """The names of [transfer]."""
        return tuple(self._configuration.transfer.targets)

    def named(self, name: str, session: InviteSession) -> Uri:
        """Return whom a name stands for on a call; a number is one of the domain that the call came by.

        Raises ValueError for a name that [transfer] does not have.
        """
        written = self._configuration.transfer.targets.get(name)
        if written is None:
            known = ", ".join(self.names) or "nothing"
            raise ValueError(f"nobody is called {name!r} in [transfer] of sip.conf, which has {known}")
        return Uri.parse(written) if ":" in written else self._in_domain(written, session)

    def allows(self, target: Uri, session: InviteSession) -> bool:
        """Whether the far end of a call may send us to `target`."""
        is_inside = session.account and target.is_sip and target.host.lower() == self._domain(session).host.lower()
        return bool(is_inside) or any(_same(target, self.named(name, session)) for name in self.names)

    def _in_domain(self, number: str, session: InviteSession) -> Uri:
        domain = self._domain(session)
        return Uri(scheme=domain.scheme, user=number.replace("#", "%23"), host=domain.host, port=domain.port)

    def _domain(self, session: InviteSession) -> Uri:
        """Return the registrar of a call's account, the host of its trunk, or where the call came from."""
        account = self._configuration.accounts.get(session.account)
        trunk = self._configuration.trunks.get(session.account)
        server = account.registrar if account is not None else trunk.host if trunk is not None else ""
        if server:
            return Uri.parse(server)
        remote = session.flow.remote
        scheme = "sips" if session.flow.transport is Transport.TLS else "sip"
        return Uri(scheme=scheme, host=remote.host, port=remote.port if remote.port != DEFAULT_PORTS[scheme] else None)


def _same(one: Uri, other: Uri) -> bool:
    """Whether two URIs name the same user at the same host."""
    return (one.user, one.host.lower()) == (other.user, other.host.lower())
