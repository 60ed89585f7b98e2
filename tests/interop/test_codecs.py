"""Codecs with real peers: a tone that goes through the agent and back is heard as loud as it was said."""

import math
from pathlib import Path

import pytest

from tests.interop.conftest import StartAgent, StartPhone
from tests.interop.peers import sound
from tests.interop.peers.asterisk import Asterisk
from tests.interop.peers.baresip import Phone
from tests.interop.peers.sipagent import HOST, PORT, account
from tests.interop.peers.sound import Sound

ECHO = "pipeline = echo"
SAID = 0.5
"""The amplitude of the phone's tone."""


def decibels(heard: float) -> float:
    """What is heard against what was said."""
    return 20 * math.log10(max(heard, 1e-6) / SAID)


@pytest.mark.parametrize(("user", "codec"), [("6021", "pcmu"), ("6022", "pcma"), ("6023", "g722")])
def test_asterisk_speaks_one_codec_with_the_agent_and_another_with_the_phone(
    asterisk: Asterisk, agent: StartAgent, phone: StartPhone, tmp_path: Path, user: str, codec: str
) -> None:
    callee = agent(account=account(user), agent=ECHO)
    callee.wait_until_registered()
    caller = phone(Phone(microphone=sound.tone(1000, 30, tmp_path / "tone.wav")))
    caller.dial(f"sip:{user}@127.0.0.1")
    caller.listen(3)
    caller.hang_up()
    assert callee.events.wait("CallAnswered")["codec"] == codec
    assert abs(decibels(Sound.read(caller.heard).between(1, 3).amplitude(1000))) < 1


@pytest.mark.parametrize("user", ["6023", "6024"])
def test_what_the_pbx_plays_in_a_wide_codec_is_heard(
    asterisk: Asterisk, agent: StartAgent, tmp_path: Path, user: str
) -> None:
    record = tmp_path / "call.wav"
    caller = agent(
        *("608", "--from", "pbx", "--record", str(record), "--duration", "2"), command="dial", account=account(user)
    )
    assert caller.wait() == 0
    assert caller.events.all("CallAnswered")[0]["codec"] == {"6023": "g722", "6024": "opus"}[user]
    assert Sound.read(record).between(0.5, 1.5).amplitude(1004) > 0.2


@pytest.mark.parametrize(
    ("name", "codec", "rate"),
    [("PCMA/8000/1", "pcma", 8000), ("G722/16000/1", "g722", 16000), ("opus/48000/2", "opus", 48000)],
)
def test_a_phone_without_a_pbx_hears_its_own_tone(
    agent: StartAgent, phone: StartPhone, tmp_path: Path, name: str, codec: str, rate: int
) -> None:
    callee = agent(account="", agent=ECHO)
    callee.wait_until_up()
    channels = 2 if codec == "opus" else 1
    microphone = sound.tone(1000, 30, tmp_path / "tone.wav", rate=rate, channels=channels)
    caller = phone(Phone(registrar="", codecs=name, microphone=microphone))
    caller.dial(f"sip:agent@{HOST}:{PORT}")
    caller.listen(3)
    caller.hang_up()
    assert callee.events.wait("CallAnswered")["codec"] == codec
    heard = Sound.read(sound.narrow(caller.heard, tmp_path / "heard.wav")).between(1, 3)
    assert abs(decibels(heard.amplitude(1000))) < 1.5
