"""Real peers on a loopback of their own: every pytest run of this directory has its own network namespace."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.interop.peers import sound
from tests.interop.peers.asterisk import Asterisk
from tests.interop.peers.baresip import Baresip, Phone
from tests.interop.peers.namespace import enter_private_network
from tests.interop.peers.sipagent import Sipagent
from tests.interop.peers.sloppy_caller import PYVOIP

_PROGRAMS = ("asterisk", "kamailio", "baresip", "sipp", "sox", "flite", "dumpcap", "ip", "openssl")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.interop)


@pytest.fixture(scope="session", autouse=True)
def private_network() -> None:
    """Without the peers or the right to a namespace these tests are skipped; in CI they fail."""
    missing = [name for name in _PROGRAMS if shutil.which(name) is None]
    missing += [] if PYVOIP.is_dir() else ["pyVoIP"]
    refuse = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
    if missing:
        refuse(f"not installed: {', '.join(missing)} (tests/interop/peers/install.sh)")
    try:
        enter_private_network()
    except OSError as error:
        refuse(f"no network namespace: {error}")


@pytest.fixture(scope="module")
def asterisk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asterisk]:
    """One PBX for the cases of a file."""
    with Asterisk(tmp_path_factory.mktemp("pbx")) as pbx:
        yield pbx


@pytest.fixture(scope="module")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A raw mu-law tone of 1000 Hz for sipp to stream."""
    directory = tmp_path_factory.mktemp("tones")
    return sound.mu_law(sound.tone(1000, 10, directory / "tone.wav"), directory / "tone.ulaw")


StartPhone = Callable[[Phone], Baresip]


@pytest.fixture
def phone(tmp_path: Path) -> Iterator[StartPhone]:
    """Start phones; they are gone when the test is over."""
    phones: list[Baresip] = []

    def start(settings: Phone) -> Baresip:
        phones.append(Baresip(tmp_path / f"phone{len(phones)}", settings))
        return phones[-1]

    yield start
    for each in phones:
        each.close()
        print(f"--- baresip {each.phone.user}\n{each.log[-4000:]}")


StartAgent = Callable[..., Sipagent]


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[StartAgent]:
    """Start agents with the arguments of `Sipagent`; they are stopped when the test is over."""
    agents: list[Sipagent] = []

    def start(*arguments: str, **settings: Any) -> Sipagent:
        agents.append(Sipagent(tmp_path / f"agent{len(agents)}", *arguments, **settings))
        return agents[-1]

    yield start
    for each in agents:
        each.stop()
        print(f"--- sipagent\n{each.log[-4000:]}")
