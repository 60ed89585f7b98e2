"""What the calls of an account, or a trunk, are made of: codecs, how keys are pressed, whether speech is encrypted."""

from collections.abc import Mapping

from sipagent.config import Account, Configuration, Trunk
from sipagent.config.values import Dtmf
from sipagent.sdp.crypto import SUITES, Encryption
from sipagent.sdp.offer_answer import LocalMedia
from sipagent.tap import TappedIds


class Terms:
    """Reads sip.conf for a call. Without an account, as for a caller who knows our address, [general] says all."""

    def __init__(self, configuration: Configuration, ids: TappedIds) -> None:
        self._configuration = configuration
        self._ids = ids

    def describe(self, account: str, call_id: str, *, host: str, port: int) -> LocalMedia:
        """Say in SDP what we are ready for on the port of a call, for the first time."""
        session_id = self._ids.number("sdp-session", 31, call_id)
        return LocalMedia(
            host=host,
            port=port,
            codecs=self._codecs(account),
            key_events=self._dtmf(account) is not Dtmf.INBAND,
            encryption=self._encryption(account),
            keys=self.draw_keys(account, call_id),
            session_id=session_id,
            version=session_id,
        )

    def draw_keys(self, account: str, call_id: str) -> Mapping[str, bytes]:
        """Return fresh keys for every suite of SRTP, where calls of this account may be encrypted."""
        if self._encryption(account) is Encryption.OFF:
            return {}
        return {suite: self._ids.key(length, call_id) for suite, length in SUITES.items()}

    def keys_by_info(self, account: str) -> bool:
        """Keys are pressed by SIP INFO."""
        return self._dtmf(account) is Dtmf.INFO

    def _codecs(self, account: str) -> tuple[str, ...]:
        """Return what we may speak, best first."""
        section = self._section(account)
        wanted = (section.codecs if section else ()) or self._configuration.general.codecs
        return tuple(codec.house for codec in wanted)

    def _dtmf(self, account: str) -> Dtmf:
        """Return how keys are pressed; a trunk takes events, as nearly all do."""
        section = self._section(account)
        return section.dtmf if isinstance(section, Account) else Dtmf.RFC4733

    def _encryption(self, account: str) -> Encryption:
        section = self._section(account)
        return Encryption(section.srtp.value) if section else Encryption.OFF

    def _section(self, account: str) -> Account | Trunk | None:
        return self._configuration.accounts.get(account) or self._configuration.trunks.get(account)
