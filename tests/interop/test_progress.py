"""What Asterisk's lines tell without words: a machine's beep, a busy tone, a ringing one."""

from tests.interop.conftest import StartAgent
from tests.interop.peers.asterisk import Asterisk
from tests.interop.peers.sipagent import scene
from tests.interop.peers.sound import Sound

MACHINE, BUSY, RINGING = "641", "642", "643"


def test_a_message_is_left_after_the_beep_and_tones_are_told(asterisk: Asterisk, agent: StartAgent) -> None:
    callee = agent(scene("listen"))
    callee.wait_until_registered()
    heard = []
    for line, sign in ((MACHINE, "beep"), (BUSY, "busy"), (RINGING, "ringback")):
        seen = len(callee.events)
        asterisk.console(f"channel originate PJSIP/6001 extension {line}@peers")
        heard.append(callee.events.wait("ProgressHeard", 20, after=seen))
        assert heard[-1]["sign"] == sign
        callee.events.wait("Disconnected", after=seen)
    assert callee.events.all("ProgressHeard") == heard
    (message,) = asterisk.recordings.glob("ext641-*.wav")
    assert Sound.read(message).amplitude(700) > 0.05
