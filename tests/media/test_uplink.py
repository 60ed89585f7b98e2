"""What is heard: gapless blocks, whatever the network and the peer do."""

import pytest

from sipagent.audio import g711
from sipagent.audio.comfort import noise
from sipagent.audio.level import level
from sipagent.media import Latched, LegClosed, RtpTimeout, UplinkBlock
from sipagent.rtp.rtcp import ReceiverReport, ReportBlock, serialise
from tests.media.desk import PEER, Desk, Peer, frame, settings


def talk(desk: Desk, peer: Peer, numbers: range, *, lost: frozenset[int] = frozenset()) -> None:
    """Let the peer say one frame a tick; those lost are said, and never come."""
    for n in numbers:
        datagram = peer.say(frame(n))
        if n not in lost:
            desk.arrive(datagram)
        desk.step()


def test_the_providers_get_the_very_bytes_of_the_caller() -> None:
    desk, peer = Desk(), Peer()
    desk.open()
    talk(desk, peer, range(90))
    audio = desk.uplink()
    first = audio.index(frame(0))
    assert first <= 3 * 160
    assert audio[first:] == b"".join(frame(n) for n in range(90))[: len(audio) - first]


@pytest.mark.parametrize("block_ms", [20, 40, 60, 100])
def test_blocks_are_as_long_as_they_were_ordered(block_ms: int) -> None:
    desk, peer = Desk(), Peer()
    desk.open(uplink_ms=block_ms)
    talk(desk, peer, range(60))
    blocks = desk.happened(UplinkBlock)
    assert {len(block.audio) for block in blocks} == {block_ms * 8}
    assert len(blocks) == 60 * 20 // block_ms


def test_the_clock_of_the_provider_runs_before_the_caller_is_heard() -> None:
    desk = Desk()
    desk.open()
    desk.step(100)
    assert desk.uplink() == b"".join(noise(tick, "pcmu") for tick in range(1, 101))


def test_losses_are_concealed_and_nothing_gets_shorter() -> None:
    desk, peer = Desk(), Peer()
    leg = desk.open()
    talk(desk, peer, range(90), lost=frozenset({20, 40, 41, 60, 61, 62}))
    audio = desk.uplink()
    first = audio.index(frame(0))
    played = [audio[start : start + 160] for start in range(first, len(audio), 160)]
    assert len(audio) == 90 * 160
    assert [n for n, one in enumerate(played) if one != frame(n)] == [20, 40, 41, 60, 61, 62]
    leg.close()
    desk.step()
    assert desk.happened(LegClosed)[0].statistics.frames_concealed == 6


def test_neighbours_that_change_places_are_put_right() -> None:
    desk, peer = Desk(), Peer()
    desk.open()
    talk(desk, peer, range(10))
    for _ in range(10):
        early, late = peer.say(frame(peer.sequence - 100)), peer.say(frame(peer.sequence - 100))
        desk.arrive(late)
        desk.arrive(early)
        desk.step(2)
    audio = desk.uplink()
    first = audio.index(frame(0))
    assert audio[first : first + 28 * 160] == b"".join(frame(n) for n in range(28))


def test_a_pause_of_the_caller_is_filled_with_quiet() -> None:
    desk, peer = Desk(), Peer()
    desk.open()
    talk(desk, peer, range(30))
    peer.skip(100 * 160)
    desk.step(100)
    talk(desk, peer, range(30, 60))
    audio = desk.uplink()
    assert len(audio) == 160 * 160
    assert audio.count(frame(29)) == 1
    assert audio.count(frame(35)) == 1


def test_packets_of_forty_milliseconds_come_out_the_same() -> None:
    desk, peer = Desk(), Peer()
    desk.open()
    for n in range(0, 60, 2):
        desk.arrive(peer.say(frame(n) + frame(n + 1)))
        desk.step(2)
    audio = desk.uplink()
    first = audio.index(frame(0))
    assert audio[first : first + 50 * 160] == b"".join(frame(n) for n in range(50))


def test_on_hold_nothing_comes_out_and_after_it_only_what_is_new() -> None:
    desk, peer = Desk(), Peer()
    leg = desk.open()
    talk(desk, peer, range(20))
    leg.set_media(settings(receives=False))
    before = len(desk.uplink())
    talk(desk, peer, range(20, 70))
    assert len(desk.uplink()) == before
    leg.set_media(settings())
    talk(desk, peer, range(70, 90))
    audio = desk.uplink()
    assert frame(50) not in audio
    assert frame(85) in audio
    assert len(audio) == before + 20 * 160


def test_what_comes_in_another_law_is_put_into_ours() -> None:
    desk, peer = Desk(), Peer()
    desk.open()
    for n in range(30):
        desk.arrive(peer.say(g711.transcode(frame(n), "pcmu", "pcma"), payload_type=8))
        desk.step()
    assert {block.encoding for block in desk.happened(UplinkBlock)} == {"pcmu"}
    once_around = g711.transcode(g711.transcode(frame(9), "pcmu", "pcma"), "pcma", "pcmu")
    assert once_around in desk.uplink()


def test_no_frame_changes_its_law_in_the_middle_of_a_call() -> None:
    desk, peer = Desk(), Peer()
    leg = desk.open()
    talk(desk, peer, range(21))
    leg.set_media(settings("pcma"))
    for n in range(30):
        desk.arrive(peer.say(g711.transcode(frame(n), "pcmu", "pcma"), payload_type=8))
        desk.step()
    blocks = desk.happened(UplinkBlock)
    laws = [block.encoding for block in blocks]
    assert laws == sorted(laws, reverse=True), "pcmu, then pcma, never mixed"
    assert sum(len(block.audio) for block in blocks) == 51 * 160
    assert g711.transcode(frame(9), "pcmu", "pcma") in b"".join(b.audio for b in blocks if b.encoding == "pcma")


def test_the_level_meter_says_when_somebody_speaks() -> None:
    desk, peer = Desk(), Peer()
    desk.open(uplink_ms=20)
    for n in range(30):
        desk.arrive(peer.say(noise(n, "pcmu") if n < 15 else frame(n)))
        desk.step()
    voiced = [block.voiced for block in desk.happened(UplinkBlock)]
    assert voiced == sorted(voiced)
    assert 10 <= sum(voiced) <= 15


def test_silence_on_the_wire_is_told_once_and_again_after_it_ended() -> None:
    desk, peer = Desk(), Peer()
    desk.open(rtp_timeout=5.0)
    desk.step(249)
    assert desk.happened(RtpTimeout) == []
    desk.step(500)
    assert desk.happened(RtpTimeout) == [RtpTimeout(leg=1)]
    talk(desk, peer, range(10))
    desk.step(300)
    assert desk.happened(RtpTimeout) == [RtpTimeout(leg=1)] * 2


def test_without_a_timeout_silence_may_last() -> None:
    desk = Desk()
    desk.open(rtp_timeout=0.0)
    desk.step(500)
    assert desk.happened(RtpTimeout) == []


def test_on_hold_nobody_waits_for_rtp() -> None:
    desk = Desk()
    leg = desk.open(media=settings(receives=False), rtp_timeout=5.0)
    desk.step(500)
    leg.set_media(settings())
    desk.step(200)
    assert desk.happened(RtpTimeout) == []


def test_packets_go_back_to_where_the_callers_come_from() -> None:
    desk, peer = Desk(), Peer()
    desk.open()
    nat = ("203.0.113.5", 31000)
    assert desk.step()[0].destination == PEER
    desk.arrive(peer.say(frame(0)), source=nat)
    desk.step()
    assert desk.happened(Latched) == [Latched(leg=1, address=nat)]
    assert desk.step()[0].destination == nat


@pytest.mark.parametrize(
    "data", [b"", b"\x80", b"\x00\x01\x00\x00!\x12\xa4B" * 2, Peer().say(b"sound", payload_type=116)]
)
def test_what_is_no_media_never_moves_ours(data: bytes) -> None:
    desk = Desk()
    desk.open()
    desk.arrive(data, source=("203.0.113.5", 31000))
    desk.step()
    assert desk.happened(Latched) == []
    assert desk.step()[0].destination == PEER


def test_what_is_no_media_keeps_no_source_alive() -> None:
    desk, peer, other = Desk(), Peer(), Peer(ssrc=7)
    desk.open()
    talk(desk, peer, range(20))
    for _ in range(160):
        desk.arrive(b"\x80 keep alive")
        desk.step()
    desk.arrive(other.say(frame(0)), source=("203.0.113.5", 31000))
    desk.step()
    assert desk.step()[0].destination == ("203.0.113.5", 31000)


def test_a_stranger_is_neither_heard_nor_answered() -> None:
    desk, peer, stranger = Desk(), Peer(), Peer(ssrc=0xBAD)
    leg = desk.open()
    for n in range(60):
        desk.arrive(peer.say(frame(1)))
        if n > 20:
            desk.arrive(stranger.say(frame(77)), source=("203.0.113.66", 6666))
        desk.step()
    assert frame(77) not in desk.uplink()
    assert desk.step()[0].destination == PEER
    leg.close()
    desk.step()
    assert desk.happened(LegClosed)[0].statistics.foreign == 39


@pytest.mark.parametrize(
    "data", [b"", b"\x80", b"\x80\x00" + bytes(9), b"\xff" * 300, b"\x80\x60" + bytes(170), bytes(2000)]
)
def test_mangled_datagrams_are_counted_and_change_nothing(data: bytes) -> None:
    desk, peer = Desk(), Peer()
    desk.open()
    for n in range(40):
        desk.arrive(peer.say(frame(n)))
        desk.arrive(data)
        desk.arrive(data, kind="rtcp")
        desk.step()
    audio = desk.uplink()
    first = audio.index(frame(0))
    assert audio[first:] == b"".join(frame(n) for n in range(40))[: len(audio) - first]
    assert desk.media.failures == 0


@pytest.mark.parametrize("marker", [True, False], ids=["with a marker", "without"])
def test_a_pause_with_comfort_noise_sounds_as_loud_as_the_peer_says_and_conceals_nothing(marker: bool) -> None:
    desk, peer = Desk(), Peer()
    leg = desk.open()
    talk(desk, peer, range(30))
    desk.arrive(peer.say(bytes([50]), payload_type=13))
    peer.skip(60 * 160 - 1)
    desk.step(60)
    pause = desk.uplink()[-20 * 160 :]
    assert level(pause, "pcmu") == pytest.approx(-50, abs=1)
    desk.arrive(peer.say(frame(40), marker=marker))
    desk.step()
    talk(desk, peer, range(41, 60))
    desk.step(4)
    assert b"".join(frame(n) for n in range(40, 60)) in desk.uplink()
    leg.close()
    desk.step()
    statistics = desk.happened(LegClosed)[0].statistics
    assert statistics.rtp.unexpected == 0
    assert statistics.frames_concealed <= 4, "only what the end of the stream left open"


@pytest.mark.parametrize("marker", [True, False], ids=["with a marker", "without"])
def test_while_a_key_is_held_there_is_quiet_and_nothing_is_concealed(marker: bool) -> None:
    desk, peer = Desk(), Peer()
    leg = desk.open()
    talk(desk, peer, range(30))
    began = peer.timestamp
    for packet in range(13):
        peer.timestamp = began
        duration, is_over = min(packet + 1, 10) * 160, packet >= 10
        desk.arrive(peer.say(bytes([5, 0x8A if is_over else 0x0A]) + duration.to_bytes(2), payload_type=101))
        if not is_over:
            desk.step()
    peer.timestamp = began + 10 * 160
    desk.arrive(peer.say(frame(40), marker=marker))
    desk.step()
    talk(desk, peer, range(41, 60))
    desk.step(3)
    audio = desk.uplink()
    spoken, pressed, again = (audio.index(frame(29)) + 160, 10 * 160, audio.index(frame(40)))
    assert again >= spoken + pressed
    assert level(audio[spoken:again], "pcmu") < -60
    assert b"".join(frame(n) for n in range(40, 60)) in audio
    leg.close()
    desk.step()
    assert desk.happened(LegClosed)[0].statistics.frames_concealed <= 3, "only what the end of the stream left open"


@pytest.mark.parametrize("payload", [b"", b"\x00", b"\xff\x01\x02\x03"])
def test_comfort_noise_of_any_sort_is_borne(payload: bytes) -> None:
    desk, peer = Desk(), Peer()
    desk.open()
    talk(desk, peer, range(10))
    desk.arrive(peer.say(payload, payload_type=13))
    desk.step(40)
    assert level(desk.uplink()[-160:], "pcmu") < -29
    assert desk.media.failures == 0


def test_the_quality_of_a_call_follows_from_its_losses_and_from_the_reports_of_the_peer() -> None:
    desk, peer = Desk(), Peer()
    leg = desk.open()
    talk(desk, peer, range(500), lost=frozenset(range(0, 500, 20)))
    report = ReportBlock(
        ssrc=0x5EED, fraction_lost=0, cumulative_lost=50, highest_sequence=500, jitter=0, last_report=0, delay=0
    )
    desk.arrive(serialise([ReceiverReport(ssrc=7, blocks=(report,))]), kind="rtcp")
    leg.close()
    desk.step()
    statistics = desk.happened(LegClosed)[0].statistics
    assert statistics.received_quality.loss == pytest.approx(0.05, abs=0.003)
    assert statistics.received_quality.score == pytest.approx(3.9, abs=0.1)
    assert statistics.sent_quality.loss == pytest.approx(0.1, abs=0.003)
    assert statistics.sent_quality.score < statistics.received_quality.score


def test_without_reports_nobody_knows_how_we_sound() -> None:
    desk = Desk()
    leg = desk.open()
    desk.step(10)
    leg.close()
    desk.step()
    statistics = desk.happened(LegClosed)[0].statistics
    assert statistics.sent_quality is None
    assert statistics.received_quality.loss == 0.0
