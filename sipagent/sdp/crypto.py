"""The keys of SRTP in SDP: `a=crypto` lines, read and written (RFC 4568).

A line holds the key that its writer sends with. Whoever can read the SDP can hear the call: it belongs into TLS.
"""

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

SUITES: Mapping[str, int] = {
    "AES_CM_128_HMAC_SHA1_80": 30,
    "AES_256_CM_HMAC_SHA1_80": 46,
    "AES_CM_128_HMAC_SHA1_32": 30,
}
"""What we speak, in the order in which we offer it: octets of master key and salt together (RFC 4568, RFC 6188)."""

_TAG = re.compile(r"0|[1-9][0-9]{0,8}")
_NAME = re.compile(r"[A-Z][A-Z0-9_]{1,40}")
_LIFETIME = re.compile(r"2\^[0-9]{1,2}|[0-9]+")
_MKI = re.compile(r"([0-9]+):([0-9]{1,3})")
_LONGEST_MKI = 128


class Encryption(Enum):
    """Whether a stream is encrypted: never, if the peer can, or always."""

    OFF = "off"
    OFFER = "offer"
    REQUIRE = "require"


@dataclass(frozen=True, slots=True, kw_only=True)
class Crypto:
    """One `a=crypto` line. `key` is master key and salt; `mki_length` the octets of MKI in each packet, 0 for none."""

    tag: int
    suite: str
    key: bytes = field(repr=False)
    mki_length: int = 0

    @classmethod
    def parse(cls, value: str) -> "Crypto | None":
        """Read the value of the attribute; None for a line that we cannot do all of (section 6.1: it is passed over).

        The lifetime is not kept: the shortest in use, 2^20 packets, is five hours.
        """
        fields = value.split()
        if len(fields) < 3:
            return None
        tag, suite, key_params, *session_params = fields
        method, _, rest = key_params.partition(":")
        key_text, *options = rest.split("|")
        key, mki_length = _decoded(key_text), _mki_length(options)
        if not _TAG.fullmatch(tag) or method.lower() != "inline" or not all(map(_is_harmless, session_params)):
            return None
        if key is None or mki_length is None or len(key) != SUITES.get(suite):
            return None
        return cls(tag=int(tag), suite=suite, key=key, mki_length=mki_length)

    def serialise(self) -> str:
        """The value of the attribute."""
        return f"{self.tag} {self.suite} inline:{b64encode(self.key).decode()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaKeys:
    """What both sides protect their packets with: one suite, a key for each way, and the MKI in what arrives."""

    suite: str
    sending: bytes = field(repr=False)
    receiving: bytes = field(repr=False)
    mki_length: int = 0


def lines_of(keys: Mapping[str, bytes]) -> tuple[Crypto, ...]:
    """The lines of an offer: tags count from 1."""
    return tuple(Crypto(tag=tag, suite=suite, key=key) for tag, (suite, key) in enumerate(keys.items(), start=1))


def chosen(values: Iterable[str], keys: Mapping[str, bytes]) -> Crypto | None:
    """The first line of the peer's whose suite we have a key for."""
    lines = map(Crypto.parse, values)
    return next((line for line in lines if line is not None and line.suite in keys), None)


def suites_in(values: Iterable[str]) -> list[str]:
    """What the peer has keys for, to be told to a person: names and nothing else of the lines."""
    named = (value.split()[1:2] for value in values)
    return [name for names in named for name in names if _NAME.fullmatch(name)]


def _is_harmless(parameter: str) -> bool:
    """A hint, or one marked as such; any other changes what a packet is, and we do none of them (section 6.3)."""
    return parameter.startswith(("-", "WSH="))


def _decoded(text: str) -> bytes | None:
    try:
        return b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _mki_length(options: list[str]) -> int | None:
    """The length of the MKI among what follows the key, 0 where there is none; None for what is neither that nor a
    lifetime. A second key on the line is no MKI either: which one a packet has would have to be read from it."""
    length = 0
    for place, option in enumerate(options):
        mki = _MKI.fullmatch(option)
        if mki is not None:
            length = int(mki[2])
        elif place or not _LIFETIME.fullmatch(option):
            return None
    return length if length <= _LONGEST_MKI else None
