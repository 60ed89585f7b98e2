"""Two legs joined: what the one peer says leaves to the other in the next tick, byte for byte."""

from hypothesis import given, settings
from hypothesis import strategies as st

from sipagent.audio import g711
from sipagent.media import UplinkBlock
from tests.media import desk
from tests.media.desk import Desk, Ear, Peer, Sent, frame

OTHER = ("192.0.2.2", 8000)


def joined(encoding: str = "pcmu") -> Desk:
    """Legs 1 and 2 with peers of their own, joined both ways."""
    table = Desk()
    first = table.open(1)
    second = table.open(2, desk.settings(encoding, remote_host=OTHER[0], remote_port=OTHER[1]))
    first.bridge(second)
    second.bridge(first)
    return table


def talk(table: Desk, ticks: int, *, peer: Peer | None = None) -> None:
    """The peer of leg 1 says a new frame every tick."""
    peer = peer or Peer()
    for number in range(ticks):
        table.arrive(peer.say(frame(number)))
        table.step()


def to_other(table: Desk) -> list[Sent]:
    return [one for one in table.sent if one.destination == OTHER]


def test_what_one_peer_says_the_other_gets_byte_for_byte() -> None:
    table = joined()
    talk(table, 40)
    spoken = [frame(number) for number in range(40)]
    relayed = [one.packet.payload for one in to_other(table) if one.packet.payload in spoken]
    assert relayed == spoken[: len(relayed)]
    assert len(relayed) >= 35


def test_the_bridge_costs_one_tick() -> None:
    alone, bridged = Desk(), joined()
    alone.open(uplink_ms=20)
    talk(alone, 20)
    talk(bridged, 20)
    heard_at = alone.uplink().find(frame(5)) // g711.FRAME + alone.first_tick
    (sent_at,) = [one.tick for one in to_other(bridged) if one.packet.payload == frame(5)]
    assert sent_at == heard_at + 1


def test_legs_of_different_laws_understand_each_other() -> None:
    table = joined("pcma")
    talk(table, 20)
    assert g711.transcode(frame(3), "pcmu", "pcma") in [one.packet.payload for one in to_other(table)]


def test_the_loop_hears_nothing_of_it_until_the_bridge_ends() -> None:
    table = joined()
    table.step()
    table.events.clear()
    peer = Peer()
    talk(table, 20, peer=peer)
    assert table.happened(UplinkBlock) == []
    table.legs[1].bridge(None)
    talk(table, 20, peer=peer)
    assert frame(19) in table.uplink()
    after = [one.packet.payload for one in to_other(table)[-10:]]
    assert frame(15) not in after


def test_each_leg_has_its_own_stream_of_packets() -> None:
    table = joined()
    talk(table, 30)
    sent = to_other(table)
    assert [one.packet.sequence for one in sent] == list(range(1, 31))
    assert {one.packet.timestamp - 160 * one.packet.sequence for one in sent} == {-160}


def test_when_one_leg_ends_the_other_goes_on_alone() -> None:
    table = joined()
    talk(table, 10)
    table.legs[1].close()
    table.step()
    already = len(to_other(table))
    table.step(20)
    assert len(to_other(table)) == already + 20
    assert table.media.failures == 0


def test_our_own_speech_comes_before_the_other_leg() -> None:
    table = joined()
    ear = Ear()
    peer = Peer()
    talk(table, 5, peer=peer)
    table.legs[2].speak(b"\x01" * 800, marks=[(800, "end")], listener=ear)
    talk(table, 20, peer=peer)
    payloads = [one.packet.payload for one in to_other(table)]
    at = payloads.index(b"\x01" * 160)
    assert payloads[at : at + 5] == [b"\x01" * 160] * 5
    assert frame(15) in payloads[at + 5 :], "nothing is heard late because of it"
    assert ear.passed == [("end", 800)]


@given(st.lists(st.sampled_from([0, 0, 0, 1, 2, 3, 9, 60]), max_size=20))
@settings(max_examples=30, deadline=None)
def test_after_late_ticks_the_other_is_heard_no_later_than_before(missed: list[int]) -> None:
    table, peer = joined(), Peer()
    talk(table, 10, peer=peer)
    for late in missed:
        for _ in range(1 + late):
            table.arrive(peer.say(frame(50)))
        table.step(missed=late)
    talk(table, 300, peer=peer)
    table.sent.clear()
    start = table.tick
    for number in range(20):
        table.arrive(peer.say(frame(60 + number)))
        table.step()
    arrived = [one.tick for one in to_other(table) if one.packet.payload.count(frame(60)[:1]) > 40]
    assert arrived
    assert arrived[0] - start <= 12
    assert table.media.failures == 0
