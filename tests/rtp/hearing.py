"""What a leg does with a datagram, without the leg: parse it, refuse it or take it."""

from collections.abc import Container

from sipagent.rtp.packet import RtpPacket, parse
from sipagent.rtp.session import RtpSession


def hear(us: RtpSession, datagram: bytes, arrival: float, payload_types: Container[int]) -> RtpPacket | None:
    """Return the packet with its extended sequence number; None if it is not to be played."""
    packet = parse(datagram)
    if packet is None or packet.payload_type not in payload_types:
        us.refuse(packet)
        return None
    sequence = us.receive(packet, arrival)
    return packet._replace(sequence=sequence) if sequence is not None else None
