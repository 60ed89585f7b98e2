"""What a peer writes, for the tests of offer and answer."""

from sipagent.sdp.description import SessionDescription


def description(*lines: str, host: str = "203.0.113.5") -> bytes:
    """A session of a peer at `host`, with these further lines."""
    head = ["v=0", f"o=peer 1 1 IN IP4 {host}", "s=-", f"c=IN IP4 {host}", "t=0 0"]
    return "".join(f"{line}\r\n" for line in [*head, *lines]).encode()


def media_of(body: bytes) -> list[tuple[str, int, str, tuple[str, ...]]]:
    """The m= lines: medium, port, profile, formats."""
    return [(m.media, m.port, m.protocol, m.formats) for m in SessionDescription.parse(body).media]


def attributes_of(body: bytes, name: str) -> list[str]:
    """The values of an attribute, wherever it is."""
    return [value for media in SessionDescription.parse(body).media for value in media.values(name)]
