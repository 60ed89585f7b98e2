"""The RTP ports: pairs, rest after a call, and never a refusal while one could be had."""

import socket

import pytest

from sipagent.errors import ConfigurationError, NoPortFree
from sipagent.net.ports import PortPool


def pool(low: int, high: int) -> PortPool:
    return PortPool(low, high, "127.0.0.1")


@pytest.mark.parametrize(("low", "high", "even"), [(27090, 27091, 27090), (27091, 27094, 27092), (27091, 27093, 27092)])
def test_a_pair_is_an_even_port_and_the_next(low: int, high: int, even: int) -> None:
    ports = pool(low, high)
    pair = ports.lease(0.0)
    assert [bound.getsockname()[1] for bound in (pair.rtp, pair.rtcp)] == [even, even + 1]
    with pytest.raises(NoPortFree):
        ports.lease(0.0)
    ports.release(pair, 0.0)


@pytest.mark.parametrize(("low", "high"), [(40001, 40002), (40000, 40000), (41000, 40000)])
def test_a_range_without_a_pair_is_a_mistake_of_the_configuration(low: int, high: int) -> None:
    with pytest.raises(ConfigurationError, match=f"rtp_ports = {low}-{high}"):
        pool(low, high)


def test_both_sockets_are_bound_and_do_not_block() -> None:
    ports = pool(27000, 27009)
    pair = ports.lease(0.0)
    assert pair.port % 2 == 0
    assert pair.rtp.getsockname() == ("127.0.0.1", pair.port)
    assert pair.rtcp.getsockname() == ("127.0.0.1", pair.port + 1)
    with pytest.raises(BlockingIOError):
        pair.rtp.recv(1)
    ports.release(pair, 0.0)


@pytest.mark.parametrize(
    ("host", "level", "option"),
    [
        ("127.0.0.1", socket.IPPROTO_IP, socket.IP_TOS),
        ("::1", socket.IPPROTO_IPV6, socket.IPV6_TCLASS),
    ],
)
def test_voice_is_marked_for_expedited_forwarding(host: str, level: int, option: int) -> None:
    ports = PortPool(27060, 27069, host)
    try:
        pair = ports.lease(0.0)
    except OSError:
        pytest.skip(f"this machine has no {host}")
    assert [one.getsockopt(level, option) >> 2 for one in (pair.rtp, pair.rtcp)] == [46, 46]
    ports.release(pair, 0.0)


def test_a_port_rests_ten_seconds_after_a_call() -> None:
    ports = pool(27010, 27015)
    first = ports.lease(0.0)
    ports.release(first, 0.0)
    others = [ports.lease(9.9), ports.lease(9.9)]
    assert {pair.port for pair in others} == {27012, 27014}
    again = ports.lease(10.0)
    assert again.port == 27010
    for pair in (*others, again):
        ports.release(pair, 10.0)


def test_rest_is_cut_short_before_a_call_is_refused() -> None:
    ports = pool(27020, 27023)
    first, second = ports.lease(0.0), ports.lease(0.0)
    ports.release(second, 1.0)
    ports.release(first, 2.0)
    taken = [ports.lease(3.0), ports.lease(3.0)]
    assert [pair.port for pair in taken] == [second.port, first.port], "the longest rested first"
    with pytest.raises(NoPortFree, match=r"rtp_ports"):
        ports.lease(4.0)
    for pair in taken:
        ports.release(pair, 4.0)


@pytest.mark.parametrize("held", [27030, 27031])
def test_a_port_of_another_program_is_stepped_over_and_found_again(held: int) -> None:
    ports = pool(27030, 27033)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", held))
        pair = ports.lease(0.0)
        assert pair.port == 27032
        with pytest.raises(NoPortFree):
            ports.lease(0.0)
    found = ports.lease(0.0)
    assert found.port == 27030
    for one in (pair, found):
        ports.release(one, 0.0)


def test_released_sockets_are_closed() -> None:
    ports = pool(27040, 27041)
    pair = ports.lease(0.0)
    ports.release(pair, 0.0)
    assert pair.rtp.fileno() == pair.rtcp.fileno() == -1


def test_an_address_that_is_not_ours_is_told_and_not_taken_for_a_busy_port() -> None:
    with pytest.raises(OSError, match="assign"):
        PortPool(27050, 27059, "192.0.2.1").lease(0.0)
