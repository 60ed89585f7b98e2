"""SRTP with real peers: keys by SDES, with Asterisk over TLS and with a baresip that will have nothing else."""

import socket
import subprocess
import sys
import time
from base64 import b64encode
from pathlib import Path

import pytest

from sipagent.rtp import packet
from sipagent.rtp.srtp import Srtp, SrtpKeys
from tests.interop.conftest import StartAgent, StartPhone
from tests.interop.peers import sound
from tests.interop.peers.asterisk import Asterisk
from tests.interop.peers.baresip import Baresip, Phone
from tests.interop.peers.raw_caller import RawCaller, to_tag
from tests.interop.peers.sipagent import HOST, PORT, Sipagent, account
from tests.interop.peers.sound import Sound

ECHO = "pipeline = echo"
AGENT = f"sip:agent@{HOST}:{PORT}"
SECURE = (
    "v=0\r\no=raw 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 39000 RTP/SAVP 0\r\n"
    "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{key}\r\n"
)


def desk(srtp: str) -> str:
    """Whoever calls from this machine, as a trunk."""
    return f"[trunk desk]\npeers = 127.0.0.0/8\nsrtp = {srtp}\n"


def sdes(asterisk: Asterisk, srtp: str) -> str:
    """The account that Asterisk speaks to by SDES, over TLS."""
    lines = account("6101", "transport = tls", f"srtp = {srtp}").replace("127.0.0.1:5060", "127.0.0.1:5061")
    return f"{lines}[tls]\nca = {asterisk.ca}\n"


def heard_back(caller: Baresip, seconds: float = 3) -> float:
    """The amplitude of the phone's own tone in what it hears, where it said 0.5."""
    caller.listen(seconds)
    caller.hang_up()
    return Sound.read(caller.heard).between(1, seconds).amplitude(1000)


def kept(agent: Sipagent) -> bytes:
    return b"".join(path.read_bytes() for path in agent.calls.rglob("*") if path.is_file())


@pytest.fixture
def microphone(tmp_path: Path) -> Path:
    return sound.tone(1000, 30, tmp_path / "tone.wav")


@pytest.mark.parametrize("srtp", ["require", "offer"])
def test_asterisk_calls_the_agent_with_keys_over_tls(
    asterisk: Asterisk, agent: StartAgent, phone: StartPhone, microphone: Path, srtp: str
) -> None:
    callee = agent(account=sdes(asterisk, srtp), agent=ECHO)
    callee.wait_until_registered()
    caller = phone(Phone(microphone=microphone))
    caller.dial("sip:6101@127.0.0.1")
    assert heard_back(caller) > 0.3
    callee.events.wait("Disconnected")
    callee.stop()
    files = kept(callee)
    assert b"RTP/SAVP" in files
    assert b"inline:AAAAAAAAAAAAAAAA" in files
    (capture,) = callee.calls.glob("**/*.pcap")
    done = subprocess.run([sys.executable, "-m", "sipagent", "replay", str(capture)], capture_output=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]


def test_the_agent_calls_asterisk_with_keys_over_tls(asterisk: Asterisk, agent: StartAgent, tmp_path: Path) -> None:
    record = tmp_path / "call.wav"
    caller = agent(
        *("608", "--from", "pbx", "--record", str(record), "--duration", "2"),
        command="dial",
        account=sdes(asterisk, "require"),
    )
    assert caller.wait() == 0
    assert Sound.read(record).between(0.5, 1.5).amplitude(1004) > 0.2


@pytest.mark.parametrize(("srtp", "encryption"), [("require", "srtp-mand"), ("offer", "srtp")])
def test_a_phone_that_encrypts_is_heard_and_hears(
    agent: StartAgent, phone: StartPhone, microphone: Path, srtp: str, encryption: str
) -> None:
    callee = agent(account=desk(srtp), agent=ECHO)
    callee.wait_until_up()
    caller = phone(Phone(registrar="", microphone=microphone, encryption=encryption))
    caller.dial(AGENT)
    assert heard_back(caller) > 0.3
    callee.events.wait("Disconnected")
    assert not [notice for notice in callee.events.all("Notice") if "authentication" in notice["text"]]


def test_hold_and_resume_keep_an_encrypted_call(agent: StartAgent, phone: StartPhone, microphone: Path) -> None:
    callee = agent(account=desk("require"), agent=ECHO)
    callee.wait_until_up()
    caller = phone(Phone(registrar="", microphone=microphone, encryption="srtp-mand"))
    caller.dial(AGENT)
    caller.listen(1)
    caller.command("hold")
    callee.events.wait("HoldChanged", where=lambda event: event["held"])
    caller.listen(1)
    caller.command("resume")
    callee.events.wait("HoldChanged", where=lambda event: not event["held"])
    caller.listen(3)
    caller.hang_up()
    heard = Sound.read(caller.heard)
    assert heard.between(heard.seconds - 2, heard.seconds).amplitude(1000) > 0.3
    assert not [notice for notice in callee.events.all("Notice") if "authentication" in notice["text"]]


@pytest.mark.parametrize(("srtp", "encryption"), [("require", ""), ("off", "srtp-mand")])
def test_where_only_one_side_encrypts_there_is_no_call(
    agent: StartAgent, phone: StartPhone, microphone: Path, srtp: str, encryption: str
) -> None:
    callee = agent(account=desk(srtp), agent=ECHO)
    callee.wait_until_up()
    caller = phone(Phone(registrar="", microphone=microphone, encryption=encryption))
    caller.command("dial", AGENT)
    assert "488" in caller.events.wait("CALL_CLOSED")["param"]
    assert f"srtp = {srtp}" in callee.events.wait("Disconnected")["reason"]


def test_a_caller_that_encrypts_with_another_key_than_it_says_is_told_of_once(agent: StartAgent) -> None:
    callee = agent(account=desk("require"), agent=ECHO)
    callee.wait_until_up()
    told, used = bytes(30), bytes(range(30))
    with RawCaller((HOST, PORT)) as caller:
        caller.send(caller.request("INVITE", body=SECURE.format(key=b64encode(told).decode())))
        answer = caller.receive()
        while not answer.startswith("SIP/2.0 200"):
            answer = caller.receive()
        caller.send(caller.request("ACK", number=1, to_tag=to_tag(answer)))
        speak(answer, Srtp(SrtpKeys(suite="AES_CM_128_HMAC_SHA1_80", sending=used, receiving=used)))
        notice = callee.events.wait("Notice", where=lambda event: "fail authentication" in event["text"])
        assert b64encode(told).decode() not in notice["text"]
        caller.send(caller.request("BYE", to_tag=to_tag(answer)))
    assert callee.events.wait("CallMeasured")["unauthentic"] > 90
    assert len(callee.events.all("Notice")) == 1


def speak(answer: str, cipher: Srtp) -> None:
    """Two seconds of speech to where the answer says."""
    port = int(answer.partition("m=audio ")[2].split()[0])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind((HOST, 39000))
        for number in range(100):
            udp.sendto(cipher.protect(packet.build(0, number, number * 160, 7, bytes(160))), (HOST, port))
            time.sleep(0.02)
