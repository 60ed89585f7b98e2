"""The driver, on virtual time: order of what leaves, one timer, and orders given from within events.

The machine here answers each datagram with a datagram and an event, and repeats itself when its timer runs out; SIP
itself is tested with its own driver-less tests.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from sipagent.net.driver import SipDriver
from sipagent.sip.admission import Verdict
from sipagent.sip.flow import Address, Flow, Transport
from sipagent.sip.outputs import CallerTurnedAway, Output, Send
from sipagent.testing.clock import run

FLOW = Flow(transport=Transport.UDP, local=Address("192.0.2.1", 5060), remote=Address("192.0.2.2", 5060))
EVENT = CallerTurnedAway(source=FLOW.remote, method="INVITE", verdict=Verdict.DROP, cure="")


@dataclass
class Machine:
    """A protocol machine that notes what it is told, and when."""

    told: list[tuple[str, float]] = field(default_factory=list)
    deadline: float | None = None
    ready: list[Output] = field(default_factory=list)

    def receive(self, data: bytes, flow: Flow, now: float) -> None:
        self.told.append((data.decode(), now))
        self.say(b"answer to " + data)
        self.ready.append(EVENT)
        self.say(b"after the event of " + data)

    def transport_failed(self, flow: Flow, now: float, why: str) -> None:
        self.told.append((why, now))

    def handle_timer(self, now: float) -> None:
        self.told.append(("timer", now))
        self.deadline = None
        self.say(b"again")

    def next_timer(self) -> float | None:
        return self.deadline

    def outputs(self) -> list[Output]:
        drained, self.ready = self.ready, []
        return drained

    def say(self, data: bytes) -> None:
        self.ready.append(Send(data=data, flow=FLOW, call_id="call"))


@dataclass
class Wire:
    """What left."""

    sent: list[bytes] = field(default_factory=list)

    def send(self, data: bytes, flow: Flow) -> None:
        self.sent.append(data)


def started(on_event: Callable[[Output], None] = lambda event: None) -> tuple[Machine, Wire, SipDriver]:
    machine, wire = Machine(), Wire()
    return machine, wire, SipDriver(machine, wire, on_event)


def test_datagrams_and_events_leave_in_the_order_of_the_machine() -> None:
    async def main() -> None:
        wire_at_event: list[list[bytes]] = []
        _, wire, driver = started(lambda event: wire_at_event.append(list(wire.sent)))
        driver.receive(b"INVITE", FLOW)
        assert wire_at_event == [[b"answer to INVITE"]]
        assert wire.sent == [b"answer to INVITE", b"after the event of INVITE"]

    run(main())


def test_an_order_given_from_within_an_event_leaves_after_what_was_ready_before_it() -> None:
    async def main() -> None:
        def accept(event: Output) -> None:
            machine.say(b"200")
            driver.transmit()

        machine, wire, driver = started(accept)
        driver.receive(b"INVITE", FLOW)
        assert wire.sent == [b"answer to INVITE", b"after the event of INVITE", b"200"]

    run(main())


def test_the_timer_runs_out_at_its_time_and_once() -> None:
    async def main() -> None:
        machine, wire, driver = started()
        machine.deadline = driver.now() + 32.0
        driver.transmit()
        driver.transmit()
        await asyncio.sleep(100)
        assert machine.told == [("timer", 32.0)]
        assert wire.sent == [b"again"]

    run(main())


def test_a_nearer_deadline_takes_the_place_of_a_far_one() -> None:
    async def main() -> None:
        machine, _, driver = started()
        for deadline in (32.0, 0.5):
            machine.deadline = deadline
            driver.transmit()
        await asyncio.sleep(100)
        assert machine.told == [("timer", 0.5)]

    run(main())


def test_a_deadline_that_is_gone_wakes_nobody() -> None:
    async def main() -> None:
        machine, _, driver = started()
        machine.deadline = 0.5
        driver.transmit()
        machine.deadline = None
        driver.transmit()
        await asyncio.sleep(100)
        assert machine.told == []

    run(main())


def test_a_peer_that_is_not_there_is_told_to_the_machine_with_the_time() -> None:
    async def main() -> None:
        machine, _, driver = started()
        await asyncio.sleep(2)
        driver.unreachable(FLOW, "Connection refused")
        assert machine.told == [("Connection refused", 2.0)]

    run(main())


def test_a_closed_driver_keeps_no_time() -> None:
    async def main() -> None:
        machine, _, driver = started()
        machine.deadline = 0.5
        driver.transmit()
        driver.close()
        driver.close()
        await asyncio.sleep(100)
        assert machine.told == []

    run(main())
