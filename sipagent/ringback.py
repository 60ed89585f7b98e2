"""The ringing tone that keeps a caller company while somebody else is being called."""

from sipagent.agent.interfaces import Cleared
from sipagent.audio import tones
from sipagent.audio.encoding import duration, encode, rate
from sipagent.line import CallMedia


class Ringback:
    """Plays the tone, after what is queued already, until it is stopped or the call is over."""

    def __init__(self, media: CallMedia) -> None:
        self._media = media
        self._stopped = False
        self._play()

    def stop(self) -> None:
        """Stop now, with all that is queued."""
        if not self._stopped:
            self._stopped = True
            self._media.drop_speech()

    def mark_passed(self, name: str, position: int) -> None:
        """One period has left."""
        if not self._stopped:
            self._play()

    def cleared(self, report: Cleared) -> None:
        """The rest will never leave."""
        self._stopped = True

    def _play(self) -> None:
        encoding = self._media.encoding
        audio = encode(tones.ringback(rate(encoding)), encoding)
        self._media.speak(audio, marks=((duration(audio, encoding), "end"),), listener=self)
