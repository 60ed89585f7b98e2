"""Why a registrar refuses, most likely, and what to do about it: one sentence for people."""

from sipagent.sip.digest import challenges
from sipagent.sip.flow import Flow
from sipagent.sip.identity import Identity
from sipagent.sip.message import Response

_BY_CODE = {
    400: "the registrar cannot read our REGISTER; check that `registrar` is a SIP server",
    403: "the registrar will not have us: a wrong password, an address it does not allow, or too many phones",
    404: "the registrar does not know this user; check `username`",
    405: "this server takes no registrations; check `registrar`",
    423: "the registrar asks for an expiry that we cannot take; raise `expires`",
    480: "the registrar is not ready",
    501: "this server takes no registrations; check `registrar`",
    504: "a proxy on the way got no answer from the registrar",
}


def likely_cause(code: int, response: Response | None, identity: Identity, flow: Flow, why: str = "") -> str:
    """The likely cause of a refusal. Without a response, `code` is 408 for silence and 503 for no way to send.

    `why` is what the network said of a connection that was not to be had.
    """
    if response is None:
        return _silence(code, flow, why)
    if code in (401, 407):
        return _wrong_credentials(response, identity)
    if code == 408:
        return "a proxy on the way got no answer from the registrar"
    if code >= 500 and code not in _BY_CODE:
        return "the registrar has trouble of its own; nothing is wrong here"
    return _BY_CODE.get(code, "")


def _silence(code: int, flow: Flow, why: str) -> str:
    if code == 503 and flow.transport.reliable and why:
        return f"no connection to {flow.remote} over {flow.transport.value}: {why}"
    if code == 503:
        return f"nothing can be sent to {flow.remote}: no route, or the port is closed"
    return f"nothing answers at {flow.remote} over {flow.transport.value}: wrong address, or a firewall in between"


def _wrong_credentials(response: Response, identity: Identity) -> str:
    offered = challenges(response)
    if identity.credentials is None:
        return "the registrar asks for a password, and none is configured"
    if not offered:
        return "the registrar offers no digest algorithm that we know (MD5, SHA-256)"
    username = identity.credentials.username
    return f'wrong password, or wrong `auth_username` ("{username}") for realm "{offered[0].realm}"'
