"""Identifiers from the operating system's random source."""

import secrets


class RandomIds:
    """Draws what nobody can guess. Satisfies `sipagent.sip.ids.Ids`."""

    def token(self, kind: str, scope: str = "") -> str:
        """Return 80 random bits as 20 hexadecimal digits."""
        return secrets.token_hex(10)

    def number(self, kind: str, bits: int, scope: str = "") -> int:
        """Return a number of `bits` random bits."""
        return secrets.randbits(bits)
