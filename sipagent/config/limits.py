"""What a configuration may ask for and this version does not do yet, or should not be asked.

`unavailable` is for reading: calls go on, in the way it says. `require_available` refuses to start.
"""

from collections.abc import Iterator

from sipagent.config.configuration import Configuration
from sipagent.config.options import Account, AgentSection, General, Trunk
from sipagent.config.values import (
    Pipeline,
    Srtp,
    TurnDetection,
    UnknownCallers,
)
from sipagent.errors import ConfigurationError
from sipagent.sip.flow import Transport
from sipagent.sip.uri import Uri

PIPELINES = {Pipeline.HALF_CASCADE, Pipeline.ECHO}


def unavailable(configuration: Configuration) -> list[str]:
    """Return a sentence for each thing asked for that this version leaves out, with what happens instead."""
    notes = [*_of_general(configuration.general), *_of_tls(configuration)]
    for title, line in _lines(configuration):
        notes += _of_line(title, line)
        notes += _of_trunk(title, line, configuration.general) if isinstance(line, Trunk) else ()
    return [*notes, *_of_the_rest(configuration)]


def require_available(configuration: Configuration) -> None:
    """Raise ConfigurationError, one line each, if something is asked for that this version has no stand-in for."""
    if impossible := [*_impossible(configuration)]:
        raise ConfigurationError("\n".join(impossible))


def _lines(configuration: Configuration) -> Iterator[tuple[str, Account | Trunk]]:
    """Yield every account and trunk with the header of its section."""
    yield from ((f"[account {name}]", account) for name, account in configuration.accounts.items())
    yield from ((f"[trunk {name}]", trunk) for name, trunk in configuration.trunks.items())


def _of_general(general: General) -> Iterator[str]:
    if general.unknown_callers is UnknownCallers.ACCEPT:
        yield "[general] unknown_callers = accept: whoever finds this port can talk, and spend your money"


def _of_tls(configuration: Configuration) -> Iterator[str]:
    transports = configuration.general.transports
    asked_for = transports != General().transports and Transport.TLS in transports
    if asked_for and configuration.tls.certificate is None:
        yield "[general] transports: tls listens only with a certificate in [tls]; our own connections need none"
    if not configuration.tls.verify:
        yield "[tls] verify = no: whoever answers in a server's place is believed"


def _of_line(title: str, line: Account | Trunk) -> Iterator[str]:
    if line.srtp is not Srtp.OFF and not _is_by_tls(line):
        yield f"{title} srtp = {line.srtp.value}: the keys can be read on the way; write transport = tls"


def _of_trunk(title: str, trunk: Trunk, general: General) -> Iterator[str]:
    if not trunk.peers and not (trunk.password and general.unknown_callers is UnknownCallers.DIGEST):
        yield f"{title} has no peers: nobody calls us by it"
    if trunk.host and not trunk.caller_id:
        yield f"{title} has no caller_id: calls out are from {trunk.username or 'anonymous'}"


def _of_the_rest(configuration: Configuration) -> Iterator[str]:
    if configuration.record.announce:
        yield "[record] announce is not built yet; put the announcement into the greeting"
    if configuration.console is not None:
        yield "[console] is not built yet; nothing listens there"
    for agent in configuration.agents.values():
        if agent.turn_detection is TurnDetection.LOCAL:
            yield f"{_title(agent)} turn_detection = local is not built yet; server_vad is in force"


def _impossible(configuration: Configuration) -> Iterator[str]:
    for title, line in _lines(configuration):
        if Transport.UDP not in configuration.general.transports and isinstance(line, Account):
            yield from _impossible_by_udp(title, line)
    for agent in configuration.agents.values():
        if agent.pipeline not in PIPELINES:
            yield f"{_title(agent)} pipeline = {agent.pipeline.value} is not built yet; write half-cascade or echo"


def _is_by_tls(line: Account | Trunk) -> bool:
    """Whether signalling with the line goes through TLS, as far as its section says."""
    uris = (line.outbound_proxy, line.registrar) if isinstance(line, Account) else (line.host,)
    return line.transport is Transport.TLS or any(uri.startswith("sips:") for uri in uris if uri)


def _impossible_by_udp(title: str, account: Account) -> Iterator[str]:
    next_hop = Uri.parse(account.outbound_proxy or account.registrar)
    if account.transport is Transport.UDP and next_hop.scheme == "sip" and "transport" not in next_hop.parameters:
        yield f"{title} transport = udp, and [general] transports has no udp; add it, or write tcp or tls"


def _title(agent: AgentSection) -> str:
    return f"[agent {agent.name}]" if agent.name else "[agent]"
