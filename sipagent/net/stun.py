"""STUN, as much of it as asks one question: which address does the world see us at (RFC 8489; RFC 5389 before it)."""

import asyncio
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address

from sipagent.sip.flow import Address

DEFAULT_PORT = 3478
MAGIC_COOKIE = 0x2112A442
BINDING_REQUEST, BINDING_SUCCESS, BINDING_ERROR = 0x0001, 0x0101, 0x0111
MAPPED_ADDRESS, ERROR_CODE, XOR_MAPPED_ADDRESS, FINGERPRINT = 0x0001, 0x0009, 0x0020, 0x8028
FINGERPRINT_XOR = 0x5354554E
ADDRESS_SIZES = {1: 4, 2: 16}
"""By family, the octets of an address (section 14.1)."""
RETRANSMISSIONS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 8.0)
"""Seconds to wait after each request (RFC 8489 section 6.2.1: RTO 500 ms, Rc 7, Rm 16)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StunMessage:
    """A message whose attributes are whole. `mapped` is the address that it tells, `error` its code, if any."""

    kind: int
    transaction: int
    mapped: Address | None = None
    error: int = 0


def is_stun(data: bytes) -> bool:
    """Whether a datagram of a SIP port is STUN: no SIP message begins with a zero bit pair and has the cookie."""
    return len(data) >= 20 and data[0] < 0x40 and data[4:8] == MAGIC_COOKIE.to_bytes(4, "big")


def binding_request(transaction: int) -> bytes:
    """Return the request of a transaction: 96 random bits, which nobody else can answer."""
    header = BINDING_REQUEST.to_bytes(2, "big") + bytes(2) + MAGIC_COOKIE.to_bytes(4, "big")
    return header + transaction.to_bytes(12, "big")


def parse(data: bytes) -> StunMessage | None:
    """Read a datagram; None for what is no STUN message, or a mangled one (section 6.3)."""
    if not is_stun(data) or len(data) != 20 + int.from_bytes(data[2:4], "big"):
        return None
    attributes = _attributes(data)
    if attributes is None:
        return None
    mapped = _address(attributes.get(XOR_MAPPED_ADDRESS, b""), data[4:20])
    if mapped is None:  # a server of RFC 3489
        mapped = _address(attributes.get(MAPPED_ADDRESS, b""), bytes(16))
    error = attributes.get(ERROR_CODE, b"").ljust(4, b"\0")
    return StunMessage(
        kind=int.from_bytes(data[:2], "big"),
        transaction=int.from_bytes(data[8:20], "big"),
        mapped=mapped,
        error=(error[2] & 7) * 100 + error[3],
    )


def _attributes(data: bytes) -> dict[int, bytes] | None:
    """The first attribute of each type; None where one does not fit, or a FINGERPRINT is wrong (section 14.7)."""
    found: dict[int, bytes] = {}
    at = 20
    while at < len(data):
        kind, length = int.from_bytes(data[at : at + 2], "big"), int.from_bytes(data[at + 2 : at + 4], "big")
        value = data[at + 4 : at + 4 + length]
        if len(value) != length:
            return None
        if kind == FINGERPRINT and value != (zlib.crc32(data[:at]) ^ FINGERPRINT_XOR).to_bytes(4, "big"):
            return None
        found.setdefault(kind, value)
        at += 4 + length + -length % 4
    return found if at == len(data) else None


def _address(value: bytes, mask: bytes) -> Address | None:
    """Read an address attribute, its port and host XORed with `mask` (section 14.2)."""
    if len(value) < 8 or ADDRESS_SIZES.get(value[1]) != len(value) - 4:
        return None
    port, host = _masked(value[2:4], mask), _masked(value[4:], mask)
    return Address(str(ip_address(host)), int.from_bytes(port, "big"))


def _masked(value: bytes, mask: bytes) -> bytes:
    return bytes(octet ^ cover for octet, cover in zip(value, mask, strict=False))


class StunClient:
    """Asks one server, over the socket whose address is in question. `send` sends there; `draw` makes transactions."""

    def __init__(self, send: Callable[[bytes], None], draw: Callable[[], int]) -> None:
        self._send = send
        self._draw = draw
        self._transaction: int | None = None
        self._answer: asyncio.Future[StunMessage] | None = None

    async def ask(self) -> Address | None:
        """Return the address that the server sees us at; None if it does not answer, or refuses."""
        self._transaction = self._draw()
        answer: asyncio.Future[StunMessage] = asyncio.get_running_loop().create_future()
        self._answer = answer
        try:
            for wait in RETRANSMISSIONS:
                self._send(binding_request(self._transaction))
                await asyncio.wait({answer}, timeout=wait)
                if answer.done():
                    return answer.result().mapped
            return None
        finally:
            self._transaction = self._answer = None

    def receive(self, data: bytes) -> None:
        """Take a datagram; what answers no question of ours is dropped."""
        message = parse(data)
        if message is None or message.transaction != self._transaction or self._answer is None:
            return
        if message.kind in (BINDING_SUCCESS, BINDING_ERROR) and not self._answer.done():
            self._answer.set_result(message)
