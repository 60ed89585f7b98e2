"""What the media plane counted of a call, as the event that ends its story."""

from sipagent.events import CallMeasured
from sipagent.media import LegStatistics
from sipagent.rtp.quality import Quality

_FRAME_MS = 20


def measured(statistics: LegStatistics) -> CallMeasured:
    """Sum a leg up, in the units that people read: milliseconds, fractions of packets, mean opinions."""
    rtp, heard, sent = statistics.rtp, statistics.received_quality, statistics.sent_quality
    return CallMeasured(
        score=_score(heard) if rtp.packets_received else None,
        packets_received=rtp.packets_received,
        loss=round(heard.loss, 4),
        lost=rtp.lost,
        late=statistics.jitter.late + statistics.jitter.dropped,
        duplicates=rtp.duplicates,
        foreign=statistics.foreign,
        unauthentic=statistics.unauthentic,
        concealed_ms=statistics.frames_concealed * _FRAME_MS,
        jitter_ms=round(rtp.jitter * 1000, 1),
        delay_ms=round(statistics.jitter.delay * 1000, 1),
        remote_score=_score(sent),
        packets_sent=rtp.packets_sent,
        remote_loss=round(sent.loss, 4) if sent is not None else None,
        remote_jitter_ms=_milliseconds(rtp.remote_jitter),
        round_trip_ms=_milliseconds(rtp.round_trip),
        frames_bunched=statistics.frames_bunched,
        frames_skipped=statistics.frames_skipped,
    )


def _score(quality: Quality | None) -> float | None:
    return round(quality.score, 2) if quality is not None else None


def _milliseconds(seconds: float | None) -> float | None:
    return round(seconds * 1000, 1) if seconds is not None else None
