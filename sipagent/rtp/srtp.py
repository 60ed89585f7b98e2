"""SRTP of one leg (RFC 3711): what leaves is protected, what arrives is authenticated and opened.

    plain ─► protect ─► wire        open: None for a packet that somebody without the key has made, or one seen before

The cryptography is libsrtp's. Roll-over counters are too, but for one thing that it cannot be told: where the counter
stands when the peer changes its key in the midst of a call.
"""

import struct
from dataclasses import dataclass, field

from pylibsrtp import Error, Policy, Session
from pylibsrtp._binding import ffi

from sipagent.rtp.packet import is_rtcp

FAILURES_IN_A_ROW = 50
"""Packets (1 s) that must fail before it is said: a few are an attacker's, or late ones of before a change of keys."""

_SHORT = "_32"
"""How the name of a suite ends whose RTP has a short tag; its RTCP has the long one (RFC 4568 section 6.2.2)."""
_SHORT_TAG, _LONG_TAG = 4, 10
_LONGEST = 1500
"""Octets that pylibsrtp takes; no packet of audio is as long."""
_POLICY = struct.Struct("=6I")
_AES_CM_128 = (1, 30)
_AES_CM_256 = (5, 46)
"""Number of the cipher in libsrtp, and octets of key and salt."""
_HEADER = struct.Struct("!BBHII")
_STRIDE = 0x4000
"""Less than half a cycle of sequence numbers: a step that no receiver takes for one back (section 3.3.1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SrtpKeys:
    """A suite by its name in SDP, and master key and salt of each way; `mki_length`: octets of MKI in what arrives."""

    suite: str
    sending: bytes = field(repr=False)
    receiving: bytes = field(repr=False)
    mki_length: int = 0


class Srtp:
    """Both directions of a leg. `rejected` counts what failed authentication, `replayed` what came twice or late."""

    def __init__(self, keys: SrtpKeys) -> None:
        self.rejected = 0
        self.replayed = 0
        self._keys = keys
        self._sender = _session(keys.suite, keys.sending, Policy.SSRC_ANY_OUTBOUND)
        self._receivers = [_session(keys.suite, keys.receiving, Policy.SSRC_ANY_INBOUND)]
        self._source = 0
        self._index = 0
        """48 bits in the RFC: roll-over counter and sequence number of the last packet from `_source`."""
        self._failures, self._told = 0, False

    def take_failure(self) -> bool:
        """Tell, once for each agreement, that nothing of what comes can be authenticated: the peer has another key."""
        if self._told or self._failures < FAILURES_IN_A_ROW:
            return False
        self._told = True
        return True

    def rekey(self, keys: SrtpKeys) -> None:
        """Go on with the keys of a new agreement; those that are the same keep their roll-over counters.

        A key of ours is new when the peer is, which counts from zero. A new key of the peer's goes on counting where
        the old one stood (section 3.3.1), or from zero if it has moved (RFC 4568 section 7.1.4) or does not know
        better: whichever authenticates first.
        """
        before, self._keys = self._keys, keys
        if (before.suite, before.sending) != (keys.suite, keys.sending):
            self._sender = _session(keys.suite, keys.sending, Policy.SSRC_ANY_OUTBOUND)
        if (before.suite, before.receiving) != (keys.suite, keys.receiving):
            self._receivers = [_session(keys.suite, keys.receiving, Policy.SSRC_ANY_INBOUND)]
            if self._index:
                self._receivers.append(_advanced(keys, self._source, self._index))
        self._failures, self._told = 0, False

    def protect(self, datagram: bytes) -> bytes:
        """Encrypt and sign an RTP or RTCP packet of ours."""
        if is_rtcp(datagram):
            return self._sender.protect_rtcp(datagram)
        return self._sender.protect(datagram)

    def open(self, datagram: bytes) -> bytes | None:
        """Authenticate and decrypt what came; None, and a count, for what is not the peer's or came before."""
        if len(datagram) > _LONGEST:
            self._reject()
            return None
        is_report = is_rtcp(datagram)
        packet, reason = self._without_mki(datagram, is_report), ""
        for receiver in self._receivers:
            try:
                opened = receiver.unprotect_rtcp(packet) if is_report else receiver.unprotect(packet)
            except Error as error:
                reason = str(error)
            else:
                self._accept(receiver, opened, is_report)
                return opened
        if reason.startswith("replay"):
            self.replayed += 1
        else:
            self._reject()
        return None

    def _accept(self, receiver: Session, packet: bytes, is_report: bool) -> None:
        """Take note of what was opened: which receiver can, and how far the peer has counted."""
        self._failures = 0
        if is_report:
            return
        if len(self._receivers) > 1:
            self._receivers = [receiver]
        _, _, sequence, _, source = _HEADER.unpack_from(packet)
        if source == self._source:
            ahead = (sequence - self._index + 0x8000) % 0x10000 - 0x8000
            self._index += max(ahead, 0)
        else:
            self._source, self._index = source, sequence

    def _reject(self) -> None:
        self.rejected += 1
        self._failures += 1

    def _without_mki(self, packet: bytes, is_report: bool) -> bytes:
        """Leave the MKI out, which stands before the tag and is not authenticated (section 3.1): we have one key."""
        length = self._keys.mki_length
        if not length:
            return packet
        tag = _SHORT_TAG if self._keys.suite.endswith(_SHORT) and not is_report else _LONG_TAG
        return packet[: -tag - length] + packet[-tag:]


def _session(suite: str, key: bytes, direction: int) -> Session:
    short = suite.endswith(_SHORT)
    policy = Policy(
        key=key,
        ssrc_type=direction,
        srtp_profile=Policy.SRTP_PROFILE_AES128_CM_SHA1_32 if short else Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
    )
    if suite.startswith("AES_256"):
        _widen(policy)
    return Session(policy)


def _widen(policy: Policy) -> None:
    """Make a policy one of AES-256 (RFC 6188), which libsrtp has and pylibsrtp has no name for.

    Cipher and length are the first two numbers of libsrtp's `srtp_crypto_policy_t`, for RTP and for RTCP.
    """
    for part in (policy._policy.rtp, policy._policy.rtcp):
        memory = ffi.buffer(ffi.addressof(part))
        cipher, length, *rest = _POLICY.unpack(memory)
        if (cipher, length) != _AES_CM_128:
            raise RuntimeError("this pylibsrtp has another libsrtp than those we know: AES_256 cannot be asked of it")
        memory[:] = _POLICY.pack(*_AES_CM_256, *rest)


def _advanced(keys: SrtpKeys, source: int, index: int) -> Session:
    """A receiver whose roll-over counter stands where the old one's stood.

    libsrtp only moves it by packets, so it is shown some: made with the peer's key, and never to be heard of again.
    """
    maker = _session(keys.suite, keys.receiving, Policy.SSRC_ANY_OUTBOUND)
    receiver = _session(keys.suite, keys.receiving, Policy.SSRC_ANY_INBOUND)
    for place in (*range(0, index, _STRIDE), index):
        receiver.unprotect(maker.protect(_HEADER.pack(0x80, 0, place & 0xFFFF, 0, source)))
    return receiver
