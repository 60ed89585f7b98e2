"""What the stand-ins have seen, for who measures. Times are nanoseconds since 1970, as the kernel stamps packets."""

import itertools
from dataclasses import dataclass, field


@dataclass(slots=True)
class Board:
    """Counts since the last `take`, and the numbers that go on."""

    appends: int = 0
    audio_bytes: int = 0
    chunks: int = 0
    heard: list[tuple[int, int, int]] = field(default_factory=list)
    """Call, frame and time of each mark of a caller that came in an append."""
    spoken: list[tuple[int, int]] = field(default_factory=list)
    """Utterance, and when its first chunk was sent."""
    stopped: list[tuple[int, int]] = field(default_factory=list)
    """Call, and when it was told that the caller speaks."""
    utterances: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def take(self) -> dict[str, object]:
        """Return what was counted, and begin anew."""
        counted = {
            "appends": self.appends,
            "audio_bytes": self.audio_bytes,
            "chunks": self.chunks,
            "heard": self.heard,
            "spoken": self.spoken,
            "stopped": self.stopped,
        }
        self.appends = self.audio_bytes = self.chunks = 0
        self.heard, self.spoken, self.stopped = [], [], []
        return counted
