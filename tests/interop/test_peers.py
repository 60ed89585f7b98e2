"""The peers without the agent: when these fail, look at the machine first."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.interop.conftest import StartPhone
from tests.interop.peers import scenarios, sound
from tests.interop.peers.asterisk import Asterisk
from tests.interop.peers.baresip import Phone
from tests.interop.peers.sipp import Sipp
from tests.interop.peers.sound import Sound
from tests.interop.peers.wire import Wire, media_port


def test_a_phone_hears_its_echo_and_the_wire_shows_every_packet(
    asterisk: Asterisk, phone: StartPhone, tmp_path: Path
) -> None:
    caller = phone(Phone(microphone=sound.tone(1000, 60, tmp_path / "tone.wav")))
    with Wire(tmp_path / "wire.pcap") as wire:
        caller.dial("sip:600@127.0.0.1")
        caller.listen(2)
        caller.hang_up()
    assert Sound.read(caller.heard).between(0.5, 1.5).amplitude(1000) > 0.2
    ours = wire.rtp(destination=media_port(wire.sip("SIP/2.0 200", of="INVITE")[0]))
    assert len(ours) > 80


def test_asterisk_reads_the_digits_a_phone_presses(asterisk: Asterisk, phone: StartPhone, tmp_path: Path) -> None:
    caller = phone(Phone(microphone=sound.silence(60, tmp_path / "silence.wav")))
    caller.dial("sip:618@127.0.0.1")
    for digit in "4711":
        caller.press(digit)
    asterisk.wait_for_log("DIGITS=4711")
    caller.hang_up()


def test_sipp_holds_a_call_and_takes_it_back(asterisk: Asterisk, tmp_path: Path) -> None:
    media = sound.mu_law(sound.tone(700, 10, tmp_path / "tone.wav"), tmp_path / "tone.ulaw")
    Sipp(
        tmp_path / "sipp",
        scenarios.hold(media, authenticated=True, seconds=0.5),
        "127.0.0.1:5060",
        caller="6002",
        password="pw6002",
        called="600",
    ).wait()


@pytest.mark.parametrize(
    ("scenario", "extension"),
    [
        (lambda media: scenarios.talk(media, 0.5), "600"),
        (lambda media: scenarios.delayed_offer(media, 0.5), "600"),
        (lambda media: scenarios.cancel(), "632"),
        (lambda media: scenarios.refused(486), "630"),
        (lambda media: scenarios.hung_up_on(media), "638"),
        (lambda media: scenarios.options(), "600"),
    ],
    ids=["talk", "delayed_offer", "cancel", "refused", "hung_up_on", "options"],
)
def test_asterisk_plays_its_part_of_every_scenario(
    asterisk: Asterisk, tones: Path, tmp_path: Path, scenario: Callable[[Path], str], extension: str
) -> None:
    Sipp(tmp_path, scenario(tones), "127.0.0.1:5060", called=extension).wait()
