"""Whatever is asked and whatever comes, in any order, at any ticks: streams stay whole, and everybody is answered."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sipagent.audio.encoding import duration, width
from sipagent.media import RTCP, RTP, HostPort, SpeechCleared, UplinkBlock
from sipagent.rtp import packet
from tests.media import desk
from tests.media.desk import Desk, Ear, Peer

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("speak"), st.integers(0, 900)),
        st.tuples(st.just("drop"), st.just(0)),
        st.tuples(st.just("digit"), st.sampled_from([40, 110])),
        st.tuples(st.just("hold"), st.just(0)),
        st.tuples(st.just("resume"), st.sampled_from([0, 8])),
        st.tuples(st.just("tick"), st.sampled_from([0, 0, 0, 1, 2, 3, 9, 60])),
    ),
    max_size=20,
)


def play(steps: list[tuple[str, int]]) -> tuple[Desk, list[Ear]]:
    """Do the steps on one leg, then let everything that waits leave, and end the call."""
    table, ears = Desk(), list[Ear]()
    leg = table.open()
    for step, value in steps:
        match step:
            case "speak":
                ears.append(Ear())
                marks = [(value // 2, "middle"), (value, "end")]
                assert leg.speak(b"\x55" * value, marks=marks, listener=ears[-1]) == leg.position - value
            case "drop":
                leg.drop_speech()
            case "digit":
                leg.send_digit("1", duration_ms=value)
            case "hold":
                leg.set_media(desk.settings(sends=False, receives=False))
            case "resume":
                leg.set_media(desk.settings("pcma" if value else "pcmu"))
            case "tick":
                table.step(missed=value)
    leg.set_media(desk.settings())
    table.step(400)
    leg.close()
    table.step()
    return table, ears


@given(STEPS)
@settings(max_examples=40, deadline=None)
def test_the_stream_is_one_and_on_the_grid(steps: list[tuple[str, int]]) -> None:
    table, _ = play(steps)
    sequences = [one.packet.sequence for one in table.sent]
    assert sequences == list(range(1, len(sequences) + 1))
    last_of_tick = {one.tick: one.packet for one in table.sent}
    audio = {tick: last for tick, last in last_of_tick.items() if last.payload_type != 101}
    assert {last.timestamp - 160 * (tick - table.first_tick) for tick, last in audio.items()} == {0}
    assert all(len(last.payload) == 160 for last in audio.values())


@given(STEPS)
@settings(max_examples=40, deadline=None)
def test_every_speech_ends_in_its_mark_or_in_a_clear(steps: list[tuple[str, int]]) -> None:
    table, ears = play(steps)
    for ear in ears:
        names = [name for name, _ in ear.passed]
        assert names == ["middle", "end"][: len(names)]
        assert (len(names) == 2) != bool(ear.reports)
        assert len(ear.reports) <= 1
    reports = table.happened(SpeechCleared)
    assert len(reports) == sum(step == "drop" for step, _ in steps) + 1
    positions = [report.sent_until for report in reports]
    assert positions == sorted(positions)
    assert table.media.failures == 0


DATAGRAMS = st.one_of(
    st.binary(max_size=64),
    st.builds(
        packet.build,
        st.sampled_from([0, 8, 9, 111, 101, 13, 127]),
        st.integers(0, 65535),
        st.integers(0, 2**32 - 1),
        st.sampled_from([0xCA11E4, 1, 2]),
        st.binary(max_size=500),
        st.booleans(),
    ),
)
SOURCES = st.sampled_from([desk.PEER, desk.PEER_RTCP, ("203.0.113.66", 6666)])


CODECS = st.sampled_from(sorted(desk.PAYLOAD_TYPES.values()))


@given(st.lists(st.tuples(DATAGRAMS, SOURCES, st.sampled_from([RTP, RTCP]), st.integers(0, 4)), max_size=60), CODECS)
@settings(max_examples=100, deadline=None)
def test_whatever_comes_the_clock_of_the_provider_runs(
    arrivals: list[tuple[bytes, HostPort, str, int]], codec: str
) -> None:
    table = Desk()
    leg = table.open(media=desk.settings(codec), uplink_ms=20, quiet_uplink_ms=20)
    for data, source, kind, ticks in arrivals:
        table.arrive(data, source=source, kind=kind)
        table.step(ticks)
    table.step(10)
    assert table.media.failures == 0
    assert duration(table.uplink(), leg.encoding) == table.tick * 160


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("codec"), CODECS),
            st.tuples(st.just("speak"), st.integers(0, 900)),
            st.tuples(st.just("digit"), st.sampled_from([40, 110])),
            st.tuples(st.just("hear"), st.tuples(st.sampled_from([0, 8, 9, 111, 101]), st.binary(max_size=200))),
            st.tuples(st.just("tick"), st.sampled_from([0, 0, 0, 1, 3, 9])),
        ),
        max_size=25,
    ),
    st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_whatever_the_codec_becomes_nothing_is_lost_and_nothing_fails(steps: list[tuple[str, Any]], keys: bool) -> None:
    table, peer, ears = Desk(), Peer(), list[Ear]()
    events: dict[str, Any] = {} if keys else {"event_payload_type": None, "receive_event_payload_types": {}}
    leg = table.open(media=desk.settings(**events), uplink_ms=20, quiet_uplink_ms=20)
    for step, value in steps:
        match step:
            case "codec":
                leg.set_media(desk.settings(value, **events))
            case "speak":
                ears.append(Ear())
                speech = b"\x55" * value * width(leg.encoding)
                assert leg.speak(speech, marks=[(value, "end")], listener=ears[-1]) == leg.position - value
            case "digit":
                leg.send_digit("1", duration_ms=value)
            case "hear":
                table.arrive(peer.say(value[1], payload_type=value[0]))
            case "tick":
                table.step(missed=value)
    table.step(400)
    assert table.media.failures == 0
    assert all([name for name, _ in ear.passed] == ["end"] for ear in ears)
    sequences = [one.packet.sequence for one in table.sent]
    assert sequences == list(range(1, len(sequences) + 1))
    heard = sum(duration(block.audio, block.encoding) for block in table.happened(UplinkBlock))
    assert heard % 160 == 0
    assert heard >= 400 * 160


@given(
    st.lists(
        st.tuples(st.sampled_from([1, 1, 1, 1, 2, 3, 0, -1, 70]), st.sampled_from([0, 0, 1, 2]), st.booleans()),
        max_size=120,
    )
)
@settings(max_examples=60, deadline=None)
def test_a_packet_that_takes_the_long_way_is_heard_no_different(steps: list[tuple[int, int, bool]]) -> None:
    """The same arrivals, lost, doubled and late, once as plain packets and once each with a contributing source."""
    heard = []
    for contributors in (b"", b"mix1"):
        table = Desk()
        leg = table.open()
        number = 0
        for ahead, ticks, marker in steps:
            number += ahead
            datagram = packet.build(0, number % 65536, number * 160 % 2**32, 7, desk.frame(number), marker)
            header = bytes([0x80 + len(contributors) // 4]) + datagram[1:12] + contributors
            table.arrive(header + datagram[12:])
            table.step(ticks)
        table.step(30)
        leg.close()
        table.step()
        heard.append((table.events, table.departures))
    assert heard[0] == heard[1]
