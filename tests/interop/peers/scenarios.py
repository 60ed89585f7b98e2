"""Calls as sipp plays them, each a whole scenario in XML. They say what no phone can be told to say.

Fields of the injection file: `[field0]` who calls, `[field1]` credentials or nothing, `[field2]` who is called.
A `200` that does not come, an answer with the wrong direction or an unexpected message fails the run.
"""

from pathlib import Path

_SDP = """v=0
o=sipp 1 {version} IN IP4 [local_ip]
s=-
c=IN IP4 [media_ip]
t=0 0
m=audio [rtpstream_audio_port] RTP/AVP 0 8 101
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
a=ptime:20
a={direction}
"""


def talk(media: Path, seconds: float, *, authenticated: bool = False) -> str:
    """Calls, streams raw mu-law for a while, hangs up."""
    last, call = _established(authenticated)
    return _scenario(call + _play(media) + _pause(seconds) + _bye(last + 1))


def set_up() -> str:
    """Calls, and hangs up as soon as it is answered."""
    last, call = _established(False)
    return _scenario(call + _bye(last + 1))


def delayed_offer(media: Path, seconds: float) -> str:
    """INVITE without SDP: the offer is in the 200, the answer in the ACK (RFC 3261 section 13.2.1)."""
    call = _request("INVITE", 1, to_tag=False) + _provisional() + _expect(200, has=r"\nm=audio [1-9]", route=True)
    ack = _request("ACK", 1, uri="[next_url]", body=_sdp())
    return _scenario(call + ack + _play(media) + _pause(seconds) + _bye(2))


def hold(media: Path, *, authenticated: bool = False, seconds: float = 2.0) -> str:
    """Talks, holds (sendonly, then inactive), talks again; each answer must have the right direction (RFC 3264 6.1)."""
    last, call = _established(authenticated)
    steps = [("sendonly", "recvonly"), ("inactive", "inactive"), ("sendrecv", "sendrecv")]
    for number, (offered, answered) in enumerate(steps, start=1):
        last += 1
        call += _pause(seconds)
        call += _request("INVITE", last, uri="[next_url]", body=_sdp(offered, 1 + number))
        # sendrecv may be left unsaid (RFC 8866 section 6.7)
        has = f"a={answered}" if answered != "sendrecv" else ""
        call += _expect(100, optional=True) + _expect(200, has=has) + _request("ACK", last, uri="[next_url]")
        call += _play(media) if number == 1 else ""
    return _scenario(call + _pause(seconds) + _bye(last + 1))


def cancel(after: float = 0.3) -> str:
    """Rings and changes its mind: 200 for the CANCEL, 487 for the INVITE (RFC 3261 section 9.2)."""
    transaction = (
        "[last_Via:]\n{line}To: <sip:[field2]@[remote_ip]:[remote_port]>{tag}\nCall-ID: [call_id]\nCSeq: 1 {method}\n"
    )
    both = {"line": 'From: "sipp" <sip:[field0]@[local_ip]>;tag=[call_number]f[pid]\n'}
    end = "Max-Forwards: 70\nContent-Length: 0\n\n"
    target = "sip:[field2]@[remote_ip]:[remote_port] SIP/2.0\n"
    give_up = _send(f"CANCEL {target}" + transaction.format(**both, tag="", method="CANCEL") + end, retransmit=True)
    confirm = _send(f"ACK {target}" + transaction.format(**both, tag="[peer_tag_param]", method="ACK") + end)
    call = _request("INVITE", 1, to_tag=False, body=_sdp()) + _expect(100, optional=True) + _expect(180)
    return _scenario(call + _pause(after) + give_up + _expect(200) + _expect(487) + confirm)


def refused(code: int) -> str:
    """Calls, and must be told `code`."""
    return _scenario(
        _request("INVITE", 1, to_tag=False, body=_sdp()) + _expect(100, optional=True) + _expect(code) + _ack_failure()
    )


def options() -> str:
    """Asks whether anybody is there, outside any call."""
    return _scenario(_request("OPTIONS", 1, to_tag=False) + _expect(200))


def hung_up_on(media: Path, wait: float = 30.0) -> str:
    """Calls, talks, and waits for the far end's BYE."""
    _, call = _established(False)
    bye = f'<recv request="BYE" timeout="{int(wait * 1000)}"/>\n'
    return _scenario(call + _play(media) + bye + _send(f"SIP/2.0 200 OK\n{_ECHO}Content-Length: 0\n\n"))


def refreshed(within: float = 60.0) -> str:
    """Has the callee refresh a session of 90 seconds (RFC 4028), confirms that once, and hangs up."""
    timer = "Supported: timer\nSession-Expires: 90;refresher=uas\nAllow: INVITE, ACK, CANCEL, BYE, UPDATE\n"
    invite = _request("INVITE", 1, to_tag=False, body=_sdp(), extra=timer)
    granted = _expect(200, has="Session-Expires: 90;refresher=uas", route=True)
    update = f'<recv request="UPDATE" timeout="{int(within * 1000)}"/>\n'
    again = "Require: timer\nSession-Expires: 90;refresher=uac\nContact: <sip:[field0]@[local_ip]:[local_port]>\n"
    confirm = _send(f"SIP/2.0 200 OK\n{_ECHO}{again}Content-Length: 0\n\n")
    ack = _request("ACK", 1, uri="[next_url]")
    return _scenario(invite + _provisional() + granted + ack + update + confirm + _pause(0.5) + _bye(2))


_ECHO = "[last_Via:]\n[last_From:]\n[last_To:]\n[last_Call-ID:]\n[last_CSeq:]\n"


def _scenario(steps: str) -> str:
    head = '<?xml version="1.0" encoding="ISO-8859-1" ?>\n<!DOCTYPE scenario SYSTEM "sipp.dtd">\n'
    return f'{head}<scenario name="call">\n{steps}</scenario>\n'


def _established(authenticated: bool) -> tuple[int, str]:
    """The last CSeq number, and the steps up to ACK."""
    first = _request("INVITE", 1, to_tag=False, body=_sdp())
    if not authenticated:
        return 1, first + _provisional() + _expect(200, route=True) + _request("ACK", 1, uri="[next_url]")
    challenged = '<recv response="401" auth="true"/>\n' + _request("ACK", 1, branch="[branch-2]")
    again = _request("INVITE", 2, to_tag=False, body=_sdp(), extra="[field1]\n")
    return 2, first + challenged + again + _provisional() + _expect(200, route=True) + _request(
        "ACK", 2, uri="[next_url]"
    )


def _sdp(direction: str = "sendrecv", version: int = 1) -> str:
    return _SDP.format(direction=direction, version=version)


def _request(
    method: str,
    number: int,
    *,
    uri: str = "sip:[field2]@[remote_ip]:[remote_port]",
    to_tag: bool = True,
    body: str = "",
    extra: str = "",
    branch: str = "[branch]",
    retransmit: bool = True,
) -> str:
    return _send(
        f"{method} {uri} SIP/2.0\n"
        f"Via: SIP/2.0/[transport] [local_ip]:[local_port];branch={branch};rport\n"
        f'From: "sipp" <sip:[field0]@[local_ip]>;tag=[call_number]f[pid]\n'
        f"To: <sip:[field2]@[remote_ip]:[remote_port]>{'[peer_tag_param]' if to_tag else ''}\n"
        f"Call-ID: [call_id]\nCSeq: {number} {method}\nMax-Forwards: 70\n"
        f"Contact: <sip:[field0]@[local_ip]:[local_port];transport=[transport]>\n"
        f"{extra}{'Content-Type: application/sdp' + chr(10) if body else ''}Content-Length: [len]\n\n{body}",
        retransmit=retransmit and method != "ACK",
    )


def _send(message: str, *, retransmit: bool = False) -> str:
    timer = ' retrans="500"' if retransmit else ""
    return f"<send{timer}><![CDATA[\n{message}]]></send>\n"


def _expect(code: int, *, optional: bool = False, has: str = "", route: bool = False) -> str:
    attributes = (' optional="true"' if optional else "") + (' rrs="true"' if route else "")
    if not has:
        return f'<recv response="{code}"{attributes}/>\n'
    # sipp wants a variable for the match, and every variable used.
    look = f'<action><ereg regexp="{has}" search_in="msg" check_it="true" assign_to="1"/><log message="[$1]"/></action>'
    return f'<recv response="{code}"{attributes}>{look}</recv>\n'


def _provisional() -> str:
    return _expect(100, optional=True) + _expect(180, optional=True) + _expect(183, optional=True)


def _ack_failure() -> str:
    """The ACK of a failure belongs to the INVITE's transaction and repeats its Via (RFC 3261 section 17.1.1.3)."""
    return _send(
        "ACK sip:[field2]@[remote_ip]:[remote_port] SIP/2.0\n[last_Via:]\n[last_From:]\n[last_To:]\n"
        "[last_Call-ID:]\nCSeq: 1 ACK\nMax-Forwards: 70\nContent-Length: 0\n\n"
    )


def _bye(number: int) -> str:
    return _request("BYE", number, uri="[next_url]") + _expect(200)


def _pause(seconds: float) -> str:
    return f'<pause milliseconds="{int(seconds * 1000)}"/>\n'


def _play(media: Path) -> str:
    return f'<nop><action><exec rtp_stream="{media},-1,0,PCMU/8000"/></action></nop>\n'
