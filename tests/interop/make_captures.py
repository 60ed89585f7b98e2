"""Records the calls of `pcaps/` anew: real ones, with Asterisk, baresip and sipp, and only synthetic speech.

    sudo .venv/bin/python -m tests.interop.make_captures [NAME …]

Each becomes NAME.pcap, NAME.journal.jsonl and NAME.golden.jsonl. What they show is told in `pcaps/README.md`.
"""

import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.interop.peers import scenarios, sound
from tests.interop.peers.asterisk import Asterisk
from tests.interop.peers.baresip import Baresip, Phone
from tests.interop.peers.namespace import enter_private_network
from tests.interop.peers.other_servers import OtherServers
from tests.interop.peers.sipagent import HOST, PORT, Sipagent
from tests.interop.peers.sipp import Sipp

PCAPS = Path(__file__).parents[2] / "pcaps"
_HERE = f"{HOST}:{PORT}"


def plain(directory: Path) -> Sipagent:
    """baresip dials through Asterisk, asks for the address, and hangs up after the answer."""
    microphone = sound.speak("what is your address", directory / "microphone.wav", before=3, after=20)
    with Asterisk(directory / "pbx"), Sipagent(directory, "--local") as agent:
        agent.wait_until_registered()
        with Baresip(directory / "phone", Phone(microphone=microphone)) as phone:
            phone.dial("sip:601@127.0.0.1")
            _answered(agent)
            phone.hang_up()
            agent.events.wait("Disconnected")
    return agent


def delayed_offer(directory: Path) -> Sipagent:
    """sipp sends an INVITE without SDP; our 200 has the offer."""
    with _alone(directory) as agent:
        Sipp(directory / "sipp", scenarios.delayed_offer(_tone(directory), 4), _HERE).wait()
        agent.events.wait("Disconnected")
    return agent


def digits(directory: Path) -> Sipagent:
    """baresip presses 3 and hears the address."""
    silence = sound.silence(30, directory / "silence.wav")
    with _alone(directory) as agent, Baresip(directory / "phone", Phone(registrar="", microphone=silence)) as phone:
        phone.dial(f"sip:agent@{_HERE}")
        agent.events.wait("AgentSaid")
        seen = len(agent.events)
        phone.press("3")
        agent.events.wait("AgentSaid", 20, after=seen)
        phone.hang_up()
        agent.events.wait("Disconnected")
    return agent


def hold(directory: Path) -> Sipagent:
    """sipp holds by sendonly, then inactive, and takes the call back."""
    with _alone(directory) as agent:
        Sipp(directory / "sipp", scenarios.hold(_tone(directory)), _HERE).wait()
        agent.events.wait("Disconnected")
    return agent


def cancelled(directory: Path) -> Sipagent:
    """sipp gives up while it rings: the recogniser never came up in time."""
    with OtherServers(mute=True) as servers, Sipagent(directory, account="", environment=servers.environment) as agent:
        agent.wait_until_up()
        Sipp(directory / "sipp", scenarios.cancel(), _HERE).wait()
        agent.events.wait("Disconnected")
    return agent


def barge_in(directory: Path) -> Sipagent:
    """baresip asks for help and talks into the answer."""
    ask = sound.speak("what can you do", directory / "ask.wav", before=3, after=3.5)
    stop = sound.speak("what is your address", directory / "stop.wav", after=20)
    microphone = sound.join([ask, stop], directory / "microphone.wav")
    with _alone(directory) as agent, Baresip(directory / "phone", Phone(registrar="", microphone=microphone)) as phone:
        phone.dial(f"sip:agent@{_HERE}")
        agent.events.wait("AgentSaid", 20, where=lambda event: event["interrupted"])
        agent.events.wait("AgentSaid", 20, after=len(agent.events))
        phone.hang_up()
        agent.events.wait("Disconnected")
    return agent


def goodbye(directory: Path) -> Sipagent:
    """baresip says goodbye, confirms it, and the agent hangs up when its farewell was heard."""
    leave = sound.speak("goodbye", directory / "goodbye.wav", before=3, after=4.5)
    confirm = sound.speak("yes please", directory / "yes.wav", after=20)
    microphone = sound.join([leave, confirm], directory / "microphone.wav")
    with _alone(directory) as agent, Baresip(directory / "phone", Phone(registrar="", microphone=microphone)) as phone:
        phone.dial(f"sip:agent@{_HERE}")
        phone.events.wait("CALL_CLOSED", 30)
        agent.events.wait("Disconnected")
    return agent


def wrong_key(directory: Path) -> Sipagent:
    """The recogniser refuses our key; sipp hears the apology, and the agent hangs up."""
    with OtherServers() as servers:
        environment = {**servers.environment, "OPENAI_API_KEY": "sk-wrong"}
        with Sipagent(directory, account="", environment=environment) as agent:
            agent.wait_until_up()
            Sipp(directory / "sipp", scenarios.hung_up_on(_tone(directory)), _HERE).wait()
            agent.events.wait("Disconnected")
    return agent


CALLS: tuple[Callable[[Path], Sipagent], ...] = (
    plain,
    delayed_offer,
    digits,
    hold,
    cancelled,
    barge_in,
    goodbye,
    wrong_key,
)


def _alone(directory: Path) -> Sipagent:
    """An agent without account, up."""
    agent = Sipagent(directory, "--local", account="")
    agent.wait_until_up()
    return agent


def _answered(agent: Sipagent) -> None:
    """Return when the agent has answered what the caller said."""
    agent.events.wait("CallerSaid", 20)
    agent.events.wait("AgentSaid", 20, after=len(agent.events))


def _tone(directory: Path) -> Path:
    return sound.mu_law(sound.tone(1000, 10, directory / "tone.wav"), directory / "tone.ulaw")


def main(names: list[str]) -> None:
    enter_private_network()
    PCAPS.mkdir(exist_ok=True)
    for call in CALLS:
        name = call.__name__.replace("_", "-")
        if names and name not in names:
            continue
        with tempfile.TemporaryDirectory() as directory:
            (capture,) = call(Path(directory)).calls.glob("**/*.pcap")
            for suffix in (".pcap", ".journal.jsonl", ".golden.jsonl"):
                shutil.copy(capture.with_suffix(suffix), PCAPS / (name + suffix))
        print(f"{name}: {call.__doc__}")


if __name__ == "__main__":
    main(sys.argv[1:])
