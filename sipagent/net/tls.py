"""The two TLS contexts of the house: one for connections that we open, one for those that peers open to us.

Names are verified as SIP asks for (RFC 5922 section 7.2): a server's certificate must name the domain of the URI that
was looked for, not the host that DNS gave for it.
"""

import ssl
from dataclasses import dataclass
from pathlib import Path

from sipagent.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """PEM files of [tls]: our certificate (with its chain) and key, and the CAs that we believe beside the system's.

    `verify = False` takes any certificate of a server for good.
    """

    certificate: Path | None = None
    key: Path | None = None
    ca: Path | None = None
    verify: bool = True


def client_context(files: Certificates) -> ssl.SSLContext:
    """Return the context of connections that we open. Our certificate is shown to servers that ask for one.

    Raises ConfigurationError for files that cannot be used.
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if files.ca is not None:
        try:
            context.load_verify_locations(files.ca)
        except OSError as error:  # ssl.SSLError is one
            raise ConfigurationError(f"[tls] ca = {files.ca} is no PEM file with certificates: {error}") from error
    if not files.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if files.certificate is not None:
        _show(context, files)
    return context


def server_context(files: Certificates) -> ssl.SSLContext | None:
    """Return the context of connections that peers open; None without a certificate of ours, when nobody can.

    Raises ConfigurationError for files that cannot be used.
    """
    if files.certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _show(context, files)
    return context


def _show(context: ssl.SSLContext, files: Certificates) -> None:
    assert files.certificate is not None
    try:
        # Without this, OpenSSL asks the terminal for the passphrase of an encrypted key.
        context.load_cert_chain(files.certificate, files.key, password=lambda: "")
    except OSError as error:  # ssl.SSLError is one
        raise ConfigurationError(
            f"[tls] certificate = {files.certificate} and key = {files.key or files.certificate} are no PEM files that"
            f" belong together, or the key has a passphrase: {error}"
        ) from error
