"""Which of our addresses a peer is told."""

import pytest

from sipagent.config import General
from sipagent.net.nat import advertised_host, is_private, local_address_towards, unreachable_note

OURS = "192.168.1.20"
PUBLIC = "203.0.113.7"


def test_loopback_is_reached_from_loopback() -> None:
    assert local_address_towards("127.0.0.9") == "127.0.0.1"


def test_where_no_route_leads_there_is_no_address() -> None:
    assert local_address_towards("255.255.255.255") is None


@pytest.mark.parametrize("host", ["10.1.2.3", "172.31.0.1", "192.168.0.1", "127.0.0.1", "169.254.1.1", "100.64.0.1"])
def test_addresses_that_the_internet_cannot_reach(host: str) -> None:
    assert is_private(host)


@pytest.mark.parametrize("host", ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111"])
def test_addresses_that_it_can(host: str) -> None:
    assert not is_private(host)


@pytest.mark.parametrize(
    ("remote", "external", "told"),
    [
        ("192.168.1.5", PUBLIC, OURS),
        ("10.9.8.7", PUBLIC, OURS),
        ("127.0.0.1", PUBLIC, OURS),
        ("8.8.8.8", PUBLIC, PUBLIC),
        ("8.8.8.8", "", OURS),
    ],
)
def test_a_peer_near_us_sees_us_as_we_are_and_others_see_the_external_address(
    remote: str, external: str, told: str
) -> None:
    assert advertised_host(OURS, remote, external, General().local_net) == told


def test_one_way_speech_is_foretold_with_its_cure() -> None:
    note = unreachable_note(OURS, "8.8.8.8")
    assert note is not None
    assert "8.8.8.8 is told to send speech to 192.168.1.20" in note
    assert "external_address" in note


@pytest.mark.parametrize(("host", "remote"), [(OURS, "192.168.1.5"), ("8.8.4.4", "8.8.8.8"), ("8.8.4.4", OURS)])
def test_speech_that_can_arrive_is_not_remarked_upon(host: str, remote: str) -> None:
    assert unreachable_note(host, remote) is None
