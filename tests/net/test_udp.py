"""UDP on loopback, with real sockets: datagrams, their flows, and peers that are not there."""

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest
import uvloop

from sipagent.errors import ConfigurationError
from sipagent.net.udp import UdpEndpoint
from sipagent.sip.flow import Address, Flow, Transport

Received = tuple[bytes, Flow]
DEADLINE = 5.0


async def endpoint(bind: str, received: "asyncio.Queue[Received]") -> UdpEndpoint:
    return await UdpEndpoint.open(Address(bind, 0), lambda data, flow: received.put_nowait((data, flow)))


def run(main: Callable[[], Awaitable[None]]) -> None:
    async def in_time() -> None:
        async with asyncio.timeout(DEADLINE):
            await main()

    asyncio.run(in_time())


def peer(host: str = "127.0.0.1") -> socket.socket:
    """A plain UDP socket of somebody else."""
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((host, 0))
    made.settimeout(DEADLINE)
    return made


def test_a_datagram_comes_with_the_flow_it_came_by() -> None:
    async def main() -> None:
        received: asyncio.Queue[Received] = asyncio.Queue()
        ours = await endpoint("127.0.0.1", received)
        with peer("127.0.0.2") as theirs:
            theirs.sendto(b"OPTIONS", (ours.local.host, ours.local.port))
            data, flow = await received.get()
            assert data == b"OPTIONS"
            assert flow == Flow(
                transport=Transport.UDP, local=ours.local, remote=Address("127.0.0.2", theirs.getsockname()[1])
            )
        ours.close()

    run(main)


def test_an_answer_goes_back_on_its_requests_flow() -> None:
    async def main() -> None:
        received: asyncio.Queue[Received] = asyncio.Queue()
        ours = await endpoint("127.0.0.1", received)
        with peer() as theirs:
            theirs.sendto(b"ping", (ours.local.host, ours.local.port))
            _, flow = await received.get()
            ours.send(b"pong", flow)
            assert theirs.recvfrom(100) == (b"pong", ("127.0.0.1", ours.local.port))
        ours.close()

    run(main)


def test_the_largest_datagram_is_received_whole() -> None:
    async def main() -> None:
        received: asyncio.Queue[Received] = asyncio.Queue()
        ours = await endpoint("127.0.0.1", received)
        with peer() as theirs:
            theirs.sendto(bytes(65507), (ours.local.host, ours.local.port))
            data, _ = await received.get()
            assert len(data) == 65507
        ours.close()

    run(main)


def test_on_a_wildcard_the_flow_tells_which_address_was_called_and_the_answer_leaves_from_it() -> None:
    async def main() -> None:
        received: asyncio.Queue[Received] = asyncio.Queue()
        ours = await endpoint("0.0.0.0", received)
        with peer() as theirs:
            theirs.connect(("127.0.0.77", ours.local.port))  # takes answers from there only
            theirs.send(b"ping")
            _, flow = await received.get()
            assert flow.local == Address("127.0.0.77", ours.local.port)
            ours.send(b"pong", flow)
            assert theirs.recv(100) == b"pong"
        ours.close()

    run(main)


def test_on_a_wildcard_a_new_flow_says_where_our_packets_leave_from() -> None:
    async def main() -> None:
        ours = await endpoint("0.0.0.0", asyncio.Queue())
        assert ours.flow_to(Address("127.0.0.9", 5060)) == Flow(
            transport=Transport.UDP,
            local=Address("127.0.0.1", ours.local.port),
            remote=Address("127.0.0.9", 5060),
        )
        ours.close()

    run(main)


@pytest.mark.parametrize("bind", ["127.0.0.1", "0.0.0.0"])
def test_a_peer_that_is_not_there_is_told_at_once(bind: str) -> None:
    async def main() -> None:
        told: asyncio.Queue[tuple[Flow, str]] = asyncio.Queue()
        ours = await UdpEndpoint.open(
            Address(bind, 0), lambda data, flow: None, lambda flow, reason: told.put_nowait((flow, reason))
        )
        flow = ours.flow_to(nobody())
        ours.send(b"REGISTER", flow)
        assert await told.get() == (flow, "Connection refused")
        ours.close()

    run(main)


@pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_after_a_peer_that_is_not_there_the_others_are_heard(
    loop_factory: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def main() -> None:
        received: asyncio.Queue[Received] = asyncio.Queue()
        refused = asyncio.Event()
        ours = await UdpEndpoint.open(
            Address("127.0.0.1", 0),
            lambda data, flow: received.put_nowait((data, flow)),
            lambda flow, reason: refused.set(),
        )
        with peer() as theirs:
            for number in range(3):
                refused.clear()
                ours.send(b"REGISTER", ours.flow_to(nobody()))
                await refused.wait()
                theirs.sendto(b"%d" % number, (ours.local.host, ours.local.port))
                assert (await received.get())[0] == b"%d" % number
        ours.close()

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(asyncio.wait_for(main(), DEADLINE))


def test_a_dead_peer_costs_no_other_peer_a_datagram() -> None:
    async def main() -> None:
        ours = await endpoint("127.0.0.1", asyncio.Queue())
        dead = nobody()
        with peer() as theirs:
            alive = Address(*theirs.getsockname())
            for number in range(50):
                ours.send(b"to nobody", ours.flow_to(dead))
                ours.send(b"%d" % number, ours.flow_to(alive))
            assert [theirs.recv(100) for _ in range(50)] == [b"%d" % number for number in range(50)]
        ours.close()

    run(main)


def test_what_is_too_large_for_udp_is_told() -> None:
    async def main() -> None:
        told: list[str] = []
        ours = await UdpEndpoint.open(
            Address("127.0.0.1", 0), lambda data, flow: None, lambda flow, reason: told.append(reason)
        )
        ours.send(bytes(70000), ours.flow_to(Address("127.0.0.1", 5060)))
        assert told == ["Message too long"]
        ours.close()

    run(main)


def test_a_port_that_is_taken_is_told_with_the_cure() -> None:
    async def main() -> None:
        with peer() as theirs:
            taken = Address(*theirs.getsockname())
            with pytest.raises(ConfigurationError) as caught:
                await UdpEndpoint.open(taken, lambda data, flow: None)
            assert str(caught.value).startswith(
                f"cannot listen on {taken} (udp): Address already in use: another program"
            )
            assert isinstance(caught.value.__cause__, OSError)

    run(main)


def test_an_address_of_another_machine_is_told_with_the_cure() -> None:
    async def main() -> None:
        with pytest.raises(ConfigurationError, match="it is no address of this machine; write bind ="):
            await UdpEndpoint.open(Address("192.0.2.1", 5060), lambda data, flow: None)

    run(main)


def test_a_closed_endpoint_gives_its_port_back() -> None:
    async def main() -> None:
        ours = await endpoint("127.0.0.1", asyncio.Queue())
        ours.close()
        ours.close()
        again = await UdpEndpoint.open(ours.local, lambda data, flow: None)
        again.close()

    run(main)


def nobody() -> Address:
    """An address that nobody listens at."""
    with peer() as gone:
        return Address(*gone.getsockname())
