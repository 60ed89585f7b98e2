"""The payload formats of an audio stream: what a number means, what we offer, and what two sides have in common.

`a=rtpmap:111 opus/48000/2` says it of a number; RFC 3551 section 6 says it of some where no rtpmap does.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from sipagent.sdp.description import Attribute, MediaDescription


class Format(NamedTuple):
    """What a payload type stands for: a name without case, the rate of its RTP clock, channels."""

    name: str
    clock: int
    channels: int = 1

    @property
    def same(self) -> tuple[str, int]:
        """What two writers of the same format agree in."""
        return self.name.lower(), self.clock

    def __str__(self) -> str:
        return f"{self.name}/{self.clock}" + (f"/{self.channels}" if self.channels > 1 else "")


CODECS: Mapping[str, Format] = {
    "pcmu": Format("PCMU", 8000),
    "pcma": Format("PCMA", 8000),
    "g722": Format("G722", 8000),  # sampled at 16,000, and yet 8000 here (RFC 3551 section 4.5.2)
    "opus": Format("opus", 48000, 2),
}
"""The codecs of this house by their name in it."""
EVENTS = {clock: Format("telephone-event", clock) for clock in (8000, 48000)}
"""Key presses (RFC 4733), by the clock of the audio that they interrupt."""
COMFORT_NOISE = Format("CN", 8000)

_STATIC = {0: CODECS["pcmu"], 8: CODECS["pcma"], 9: CODECS["g722"], 13: COMFORT_NOISE}
_CUSTOMARY = {
    **{format.same: number for number, format in _STATIC.items()},
    CODECS["opus"].same: 111,
    EVENTS[8000].same: 101,
    EVENTS[48000].same: 110,
}
"""The numbers that our offers give, where nothing else was said before."""
_DYNAMIC = range(96, 128)
_PARAMETERS = {
    # Rate of what we play (RFC 7587 section 6.1): more bandwidth would be bits for nothing.
    CODECS["opus"].same: "maxplaybackrate=24000",
    # Keys and hook flash (RFC 4733 section 3.2).
    **dict.fromkeys((event.same for event in EVENTS.values()), "0-16"),
}
_CODEC_NAMES = {format.same: codec for codec, format in CODECS.items()}


def formats_of(media: MediaDescription) -> dict[int, Format]:
    """The formats of a stream by number, in its order; numbers that say nothing certain are left out."""
    mapped = {}
    for value in media.values("rtpmap"):
        number, _, text = value.partition(" ")
        mapped[number] = _parse(text.strip())
    types = [text for text in media.formats if text.isascii() and text.isdecimal() and len(text) <= 3]
    formats = {int(text): mapped.get(text, _STATIC.get(int(text))) for text in types}
    return {number: format for number, format in formats.items() if format is not None and number < 128}


def offered(codecs: Iterable[str], before: Mapping[int, Format], *, key_events: bool = True) -> dict[int, Format]:
    """What we offer: `codecs`, best first, and with `key_events` key presses for each of their clocks.

    Numbers that the session has given keep their meaning in it, whatever is offered again (RFC 3264 section 8.3.2).
    """
    audio = [CODECS[codec] for codec in codecs]
    events = [EVENTS[clock] for clock in dict.fromkeys(format.clock for format in audio) if key_events]
    numbers: dict[tuple[str, int], int] = {}
    for number, format in before.items():
        numbers.setdefault(format.same, number)
    free = [number for number in _DYNAMIC if number not in {*before, *_CUSTOMARY.values()}]
    for format in (*audio, *events):
        if format.same not in numbers:
            customary = _CUSTOMARY[format.same]
            numbers[format.same] = customary if customary not in before else free.pop(0)
    return {numbers[format.same]: format for format in (*audio, *events)}


def codecs_in(formats: Mapping[int, Format], codecs: Iterable[str]) -> dict[int, str]:
    """Those of `codecs` that are in `formats`, by number and in the order of `formats`."""
    ours = set(codecs)
    return {number: codec for number, format in formats.items() if (codec := _codec_of(format)) in ours and codec}


def events_in(formats: Mapping[int, Format]) -> dict[int, int]:
    """The clock of each number that means key presses."""
    same = {event.same for event in EVENTS.values()}
    return {number: format.clock for number, format in formats.items() if format.same in same}


def events_for(codec: str, formats: Mapping[int, Format]) -> tuple[int | None, int]:
    """The number for key presses beside `codec`, None without one, and its clock: the codec's own if there is one."""
    clock = CODECS[codec].clock
    numbers = _events_for({clock}, events_in(formats))
    return next(((number, format.clock) for number, format in numbers.items()), (None, clock))


def comfort_noise_in(formats: Mapping[int, Format]) -> int | None:
    """The number of comfort noise (RFC 3389); only the static one is spoken."""
    number = _CUSTOMARY[COMFORT_NOISE.same]
    return number if number in formats and formats[number].same == COMFORT_NOISE.same else None


def common(formats: Mapping[int, Format], codecs: Iterable[str], *, key_events: bool = True) -> dict[int, Format]:
    """What we answer to `formats`, under the same numbers: codecs of ours, their key presses, comfort noise."""
    kept = {number: CODECS[codec] for number, codec in codecs_in(formats, codecs).items()}
    if key_events:
        kept |= _events_for({format.clock for format in kept.values()}, events_in(formats))
    if (number := comfort_noise_in(formats)) is not None:
        kept[number] = COMFORT_NOISE
    return kept


def parameters_of(media: MediaDescription, number: int) -> dict[str, str]:
    """What `a=fmtp` asks of a format: `useinbandfec=1;stereo=0`; names in lower case."""
    text = next((value.partition(" ")[2] for value in media.values("fmtp") if value.split(" ")[0] == str(number)), "")
    pairs = (pair.partition("=") for pair in text.split(";"))
    return {name.strip().lower(): value.strip() for name, equals, value in pairs if equals}


def attributes_of(formats: Mapping[int, Format]) -> list[Attribute]:
    """The rtpmap of each format, and the fmtp of those that need one."""
    attributes = []
    for number, format in formats.items():
        attributes.append(Attribute("rtpmap", f"{number} {format}"))
        if format.same in _PARAMETERS:
            attributes.append(Attribute("fmtp", f"{number} {_PARAMETERS[format.same]}"))
    return attributes


def _parse(text: str) -> Format | None:
    name, *numbers = text.split("/")
    if not name or not 1 <= len(numbers) <= 2 or not all(n.isascii() and n.isdecimal() and len(n) < 8 for n in numbers):
        return None
    return Format(name, *map(int, numbers))


def _codec_of(format: Format) -> str | None:
    """The codec that a format is. Opus always says two channels (RFC 7587 section 7), and is understood without."""
    codec = _CODEC_NAMES.get(format.same)
    return codec if format.channels == 1 or codec == "opus" else None


def _events_for(clocks: set[int], events: Mapping[int, int]) -> dict[int, Format]:
    """One number of key presses for each clock. Who has none for Opus means those at 8000, as many phones do."""
    first: dict[int, int] = {}
    for number, clock in events.items():
        first.setdefault(clock, number)
    usable = [clock for clock in first if clock in clocks] or [clock for clock in first if clock == 8000]
    return {first[clock]: EVENTS[clock] for clock in usable}
