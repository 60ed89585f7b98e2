"""Recognises a configuration that was written for Asterisk, and says what takes its place here."""

import re
from collections.abc import Iterable

from sipagent.config.grammar import Entry, Section

EQUIVALENTS = {
    "secret": "password",
    "defaultuser": "username",
    "fromuser": "username",
    "user": "username",
    "authuser": "auth_username",
    "remotesecret": "password",
    "aors": "username",
    "server_uri": "registrar",
    "callerid": "display_name",
    "outboundproxy": "outbound_proxy",
    "expiry": "expires",
    "defaultexpiry": "expires",
    "expiration": "expires",
    "dtmfmode": "dtmf",
    "dtmf_mode": "dtmf",
    "media_encryption": "srtp",
    "encryption": "srtp",
    "allow": "codecs",
    "disallow": "codecs",
    "match": "peers",
    "udpbindaddr": "bind",
    "bindaddr": "bind",
    "bindport": "bind",
    "externip": "external_address",
    "externaddr": "external_address",
    "external_media_address": "external_address",
    "external_signaling_address": "external_address",
    "localnet": "local_net",
    "useragent": "user_agent",
    "rtptimeout": "rtp_timeout",
    "allowguest": "unknown_callers",
    "tlscertfile": "certificate",
    "tlscafile": "ca",
    "context": "agent",
}
"""What the keys of Asterisk's sip.conf and pjsip.conf are called here."""

TYPES = set(
    ["friend", "peer", "user", "endpoint", "auth", "aor", "transport", "registration", "identify", "global", "system"]
)
REGISTER = re.compile(r"(?:(?:udp|tcp|tls)://)?(?P<user>[^:@]+)(?:@[^:@]+)?(?::[^@]*)?@(?P<host>[^/?~]+).*")


def recognise(sections: Iterable[Section]) -> tuple[str, str] | None:
    """Return the place of the first line that only Asterisk's files have and what to write instead, or None."""
    signs = [(entry, sign) for section in sections for entry in section.entries if (sign := _sign(section, entry))]
    if not signs:
        return None
    first, sign = signs[0]
    registers = [entry.value for entry, _ in signs if entry.key.lower() == "register"]
    return first.place, f"this is a file of Asterisk's own ({sign}). {_instead(registers)}"


def _sign(section: Section, entry: Entry) -> str | None:
    key, value = entry.key.lower(), entry.value.strip()
    if key == "register":
        return "register =>"
    if key == "type" and value.lower() in TYPES:
        return f"type={value}"
    if section.kind == "general" and key == "context":
        return "[general] with context="
    return None


def _instead(registers: list[str]) -> str:
    """Our equivalent, with user and host of the first `register` line filled in; never its secret."""
    found = REGISTER.fullmatch(registers[0].strip()) if registers else None
    host, user = (found["host"], found["user"]) if found else ("pbx.example.com", "6001")
    return (
        "sipagent reads a sip.conf of its own; keep Asterisk's as it is and write a new one:\n"
        f"    [account office]\n    registrar = sip:{host}\n    username = {user}\n    password = ..."
    )
