"""Many identities on one phone: whose call it is, who answers it, and who we are when we call."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from ipaddress import ip_network

import pytest

from sipagent import Account, InboundCall
from sipagent.config import AgentSection, Configuration, General, Trunk
from sipagent.config.values import Codec, Pipeline, UnknownCallers
from sipagent.errors import CallFailed, ConfigurationError, LocalProtocolError
from sipagent.events import Notice
from sipagent.sip.digest import Credentials, authorization, challenges
from sipagent.sip.flow import Transport
from sipagent.sip.message import Request, Response, parse
from sipagent.sip.targets import Target
from sipagent.sip.uri import Uri
from sipagent.testing.network import HostPort, Network
from sipagent.trunk import RESOLVE_AGAIN, identity_of
from tests.exchange import Exchange
from tests.handset import HANDSET, PHONE, Registrar, sdp
from tests.sip.bench import request

CARRIER = ip_network(HANDSET)
STRANGER = "203.0.113.9"


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What a scenario saw of a call."""

    by: str
    caller: str
    asserted: str
    diverted_by: str
    header: str


class Desk:
    """Scenarios that write down what they are given, and answer."""

    def __init__(self) -> None:
        self.taken: list[Taken] = []

    def named(self, name: str) -> Callable[[InboundCall], Awaitable[None]]:
        async def take(incoming: InboundCall) -> None:
            self.taken.append(
                Taken(
                    by=name,
                    caller=incoming.caller,
                    asserted=incoming.asserted_identity,
                    diverted_by=incoming.diverted_by,
                    header=incoming.headers.get("x-queue", ""),
                )
            )
            call = await incoming.answer()
            call.hang_up()

        return take

    @property
    def by(self) -> list[str]:
        return [taken.by for taken in self.taken]


class Sender:
    """Somewhere in the network from which INVITEs come."""

    def __init__(self, network: Network, host: str) -> None:
        self.responses: list[Response] = []
        self.host = host
        self._network = network
        self._endpoint = network.bind(host, 5062, self._take)
        self._sent = 0

    async def rings(self, number: str, *headers: str) -> Response:
        """Send an INVITE, and return its final response; what is left of the call is no longer followed."""
        self._sent += 1
        contact = f"Contact: <sip:x@{self.host}:5062>"
        text = request(
            "INVITE",
            uri=f"sip:{number}@{PHONE}",
            via=f"Via: SIP/2.0/UDP {self.host}:5062;rport;branch=z9hG4bK{self.host}-{self._sent}",
            call_id=f"{self.host}-call",
            cseq=self._sent,
            headers=headers,
            body=sdp(),
        ).replace("Contact: <sip:alice@127.0.0.2:5060>", contact)
        self._endpoint.send(text.encode(), (PHONE, 5060))
        await asyncio.sleep(1)
        return next(response for response in reversed(self.responses) if response.code >= 200)

    def _take(self, data: bytes, source: HostPort) -> None:
        message = parse(data)
        if isinstance(message, Response):
            self.responses.append(message)
            if message.cseq.method == "INVITE" and message.code >= 200:
                self._acknowledge(message)
        elif message is not None and message.method == "BYE":
            rows = [f"{name}: {value}" for name, value in message.headers if name in ("via", "from", "to", "cseq")]
            lines = ["SIP/2.0 200 OK", *rows, f"Call-ID: {message.call_id}", "Content-Length: 0", "", ""]
            self._endpoint.send("\r\n".join(lines).encode(), source)

    def _acknowledge(self, response: Response) -> None:
        branch = f"{response.via.branch}{'ack' if response.code < 300 else ''}"
        text = request(
            "ACK",
            uri=f"sip:x@{PHONE}",
            via=f"Via: SIP/2.0/UDP {self.host}:5062;rport;branch={branch}",
            recipient=response.headers.get("to") or "",
            call_id=response.call_id,
            cseq=response.cseq.number,
        )
        self._endpoint.send(text.encode(), (PHONE, 5060))


def trunks(*lines: Trunk, **general: object) -> Configuration:
    return Configuration(
        general=replace(General(), **general),  # type: ignore[arg-type]
        trunks={line.name: line for line in lines},
        agents={"": AgentSection(), "sales": AgentSection(name="sales", pipeline=Pipeline.ECHO)},
    )


# ---- called


def test_calls_go_to_the_agent_of_the_number_that_was_dialled() -> None:
    desk = Desk()

    async def story(exchange: Exchange) -> None:
        exchange.phone.answer_with(
            desk.named("reception"), accounts={"sales": desk.named("sales"), "help": desk.named("help")}
        )
        for number in ("5551", "666", "777"):
            await Sender(exchange.network, f"127.0.1.{number[0]}").rings(number)

    net = (ip_network("127.0.1.0/24"),)
    configuration = trunks(
        Trunk(name="sales", peers=net, called=("555*",)),
        Trunk(name="help", peers=net, called=("666", "112")),
        Trunk(name="rest", peers=net),
    )
    Exchange(None, configuration=configuration).tell(story)
    assert desk.by == ["sales", "help", "reception"]


def test_a_number_that_no_trunk_has_is_not_found() -> None:
    desk = Desk()

    async def story(exchange: Exchange) -> None:
        exchange.phone.answer_with(desk.named("reception"))
        assert (await Sender(exchange.network, "127.0.1.1").rings("666")).code == 404

    line = Trunk(name="sales", peers=(ip_network("127.0.1.0/24"),), called=("555*",))
    Exchange(None, configuration=trunks(line)).tell(story)
    assert desk.taken == []


def test_an_account_and_a_trunk_have_each_their_agent() -> None:
    desk = Desk()

    async def story(exchange: Exchange) -> None:
        await asyncio.sleep(1)
        exchange.phone.answer_with(
            desk.named("nobody"), accounts={"6001": desk.named("office"), "carrier": desk.named("carrier")}
        )
        (register,) = exchange.handset.of("REGISTER")
        await Sender(exchange.network, "127.0.1.1").rings("5551")
        await Sender(exchange.network, STRANGER).rings(register.contact.uri.user)

    configuration = trunks(Trunk(name="carrier", peers=(ip_network("127.0.1.1"),)))
    account = Account(f"sip:6001@{HANDSET}", password="pass")
    Exchange(None, configuration=configuration, accounts=(account,), handset_type=Registrar).tell(story)
    assert desk.by == ["carrier", "office"]


def test_a_trunk_s_agent_section_answers() -> None:
    async def story(exchange: Exchange) -> None:
        assert (await Sender(exchange.network, "127.0.1.1").rings("5551")).code == 200
        await asyncio.sleep(1)
        exchange.phone.end_calls()
        await asyncio.sleep(1)

    configuration = trunks(Trunk(name="carrier", peers=(ip_network("127.0.1.1"),), agent="sales"))
    Exchange(None, configuration=configuration, serves=True).tell(story)


def test_a_trunk_speaks_its_own_codecs() -> None:
    bodies: list[str] = []

    async def story(exchange: Exchange) -> None:
        exchange.phone.answer_with(Desk().named("reception"))
        bodies.append((await Sender(exchange.network, "127.0.1.1").rings("5551")).reason)

    line = Trunk(name="carrier", peers=(ip_network("127.0.1.1"),), codecs=(Codec.ALAW,))
    Exchange(None, configuration=trunks(line)).tell(story)
    assert bodies == ["Not Acceptable Here"], "the caller offers PCMU alone"


ORIGIN = ("P-Asserted-Identity: <sip:+15551234@carrier>", "Diversion: <sip:100@pbx>", "X-Queue: gold")


def test_what_a_peer_says_of_the_caller_is_on_the_call() -> None:
    desk = Desk()

    async def story(exchange: Exchange) -> None:
        exchange.phone.answer_with(desk.named("reception"))
        await Sender(exchange.network, "127.0.1.1").rings("5551", *ORIGIN)

    Exchange(None, configuration=trunks(Trunk(name="carrier", peers=(ip_network("127.0.1.1"),)))).tell(story)
    (taken,) = desk.taken
    assert (taken.asserted, taken.diverted_by, taken.header) == ("sip:+15551234@carrier", "sip:100@pbx", "gold")
    assert taken.caller == "sip:alice@127.0.0.2"


def test_what_a_stranger_says_of_himself_is_not() -> None:
    desk = Desk()

    async def story(exchange: Exchange) -> None:
        exchange.phone.answer_with(desk.named("reception"))
        await Sender(exchange.network, STRANGER).rings("5551", *ORIGIN)

    line = Trunk(name="carrier", peers=(ip_network("127.0.1.1"),))
    Exchange(None, configuration=trunks(line, unknown_callers=UnknownCallers.ACCEPT)).tell(story)
    assert [taken.asserted for taken in desk.taken] == [""]


def test_an_unknown_caller_with_the_password_of_a_trunk_has_its_agent() -> None:
    desk = Desk()

    async def story(exchange: Exchange) -> None:
        exchange.phone.answer_with(desk.named("nobody"), accounts={"roaming": desk.named("roaming")})
        sender = Sender(exchange.network, STRANGER)
        asked = await sender.rings("5551")
        assert asked.code == 401
        header = authorization(
            Credentials(username="carrier", password="s3cr3t"),
            challenges(asked)[0],
            method="INVITE",
            uri=f"sip:5551@{PHONE}",
            count=1,
            cnonce="c",
        )
        assert (await sender.rings("5551", f"Authorization: {header}")).code == 200

    line = Trunk(name="roaming", username="carrier", password="s3cr3t")
    Exchange(None, configuration=trunks(line, unknown_callers=UnknownCallers.DIGEST)).tell(story)
    assert desk.by == ["roaming"]


# ---- calling

OUT = Trunk(name="carrier", host=f"sip:{HANDSET}", username="us", password="s3cr3t", caller_id="+15551234")


def test_a_number_is_called_over_a_trunk_under_its_caller_id() -> None:
    async def story(exchange: Exchange) -> None:
        await asyncio.sleep(0.1)
        outbound = exchange.phone.call("+4930123", account="carrier")
        invite = await exchange.handset.rings()
        assert invite.uri == f"sip:+4930123@{HANDSET}"
        assert str(invite.from_.uri) == f"sip:+15551234@{HANDSET}"
        assert invite.headers.get("p-asserted-identity") == f"<sip:+15551234@{HANDSET}>"
        challenge = 'WWW-Authenticate: Digest realm="carrier", nonce="n", qop="auth", algorithm=SHA-256'
        exchange.handset.answers(401, invite, headers=(challenge,))
        await asyncio.sleep(0.1)
        again = exchange.handset.of("INVITE")[-1]
        assert 'username="us"' in (again.headers.get("authorization") or "")
        assert again.headers.get("p-asserted-identity") == f"<sip:+15551234@{HANDSET}>"
        exchange.handset.answers(603, again)
        with pytest.raises(CallFailed, match="603"):
            await outbound.answered()

    Exchange(None, configuration=trunks(OUT)).tell(story)


def test_of_several_lines_the_one_named_is_taken_and_the_first_account_without_a_name() -> None:
    senders: list[str] = []

    async def story(exchange: Exchange) -> None:
        await asyncio.sleep(1)
        for account in ("carrier", "", "6001"):
            outbound = exchange.phone.call("1", account=account)
            await asyncio.sleep(0.1)
            invite: Request = exchange.handset.of("INVITE")[-1]
            senders.append(invite.from_.uri.user)
            exchange.handset.answers(486, invite)
            with pytest.raises(CallFailed):
                await outbound.answered()
        with pytest.raises(ConfigurationError, match="no account"):
            exchange.phone.call("1", account="nobody")

    account = Account(f"sip:6001@{HANDSET}", password="pass")
    Exchange(None, configuration=trunks(OUT), accounts=(account,), handset_type=Registrar).tell(story)
    assert senders == ["+15551234", "6001", "6001"]


def test_a_trunk_that_is_not_found_is_told_once_and_looked_for_again() -> None:
    asked: list[str] = []

    async def resolve(uri: Uri, transport: Transport | None) -> list[Target]:
        asked.append(uri.host)
        raise ConfigurationError("no address")

    async def story(exchange: Exchange) -> None:
        await asyncio.sleep(2 * RESOLVE_AGAIN + 1)
        with pytest.raises(ConfigurationError, match="cannot call"):
            exchange.phone.call("1", account="carrier")

    told = Exchange(None, configuration=trunks(OUT), resolve=resolve).tell(story)
    assert asked == [HANDSET] * 3
    assert told.of(Notice) == [Notice(text="[trunk carrier] cannot be called: no address")]


@pytest.mark.parametrize(
    ("caller_id", "name", "uri"),
    [
        ("+15551234", "", "sip:+15551234@t.example.com"),
        ("sip:me@example.com", "", "sip:me@example.com"),
        ('"Shop" <sip:+1555@example.com>', "Shop", "sip:+1555@example.com"),
        ("Shop <tel:+1555>", "Shop", "tel:+1555"),
        ("", "", "sip:us@t.example.com"),
    ],
)
def test_a_caller_id_is_a_number_or_an_address(caller_id: str, name: str, uri: str) -> None:
    identity = identity_of(Trunk(name="t", host="sip:t.example.com", username="us", caller_id=caller_id))
    assert (identity.display_name, str(identity.uri)) == (name, uri)
    assert bool(identity.headers) == bool(caller_id)


def test_a_caller_id_that_is_neither_is_told() -> None:
    with pytest.raises(ConfigurationError, match=r"\[trunk t\] caller_id is a number"):
        identity_of(Trunk(name="t", host="sip:t.example.com", caller_id="my shop"))


# ---- calling, and letting the agent talk


def test_a_scenario_has_a_call_that_we_placed_as_it_has_one_that_rang() -> None:
    heard: list[str] = []

    async def sells(incoming: InboundCall) -> None:
        incoming.ring()
        call = await incoming.answer()
        assert not incoming.is_ringing
        with pytest.raises(LocalProtocolError):
            incoming.reject()
        heard.append(call.called)
        await call.disconnected()

    async def story(exchange: Exchange) -> None:
        await asyncio.sleep(0.1)
        outbound = exchange.phone.call("4711", account="carrier")
        exchange.handset.answers(200, await exchange.handset.rings(), sdp())
        call = await outbound.answered()
        talking = asyncio.create_task(exchange.phone.converse(call, sells))
        await asyncio.sleep(3)
        assert not talking.done()
        call.hang_up()
        await talking
        await exchange.phone.converse(call, sells)

    told = Exchange(None, configuration=trunks(OUT)).tell(story)
    assert heard == [f"sip:4711@{HANDSET}"]
    assert len(told.handset.of("BYE")) == 1
    assert told.handset.codes() == []


def test_a_scenario_that_fails_on_a_call_that_we_placed_ends_it() -> None:
    async def fails(incoming: InboundCall) -> None:
        raise ValueError("nothing to say")

    async def story(exchange: Exchange) -> None:
        await asyncio.sleep(0.1)
        outbound = exchange.phone.call("4711", account="carrier")
        exchange.handset.answers(200, await exchange.handset.rings(), sdp())
        await exchange.phone.converse(await outbound.answered(), fails)
        await exchange.handset.is_hung_up_on()

    Exchange(None, configuration=trunks(OUT)).tell(story)


def test_the_agent_of_the_trunk_talks_where_none_is_given() -> None:
    async def story(exchange: Exchange) -> None:
        await asyncio.sleep(0.1)
        outbound = exchange.phone.call("4711")
        exchange.handset.answers(200, await exchange.handset.rings(), sdp())
        call = await outbound.answered()
        talking = asyncio.create_task(exchange.phone.converse(call, account="carrier"))
        await asyncio.sleep(1)
        assert not talking.done(), "an echo stays as long as the far end"
        call.hang_up()
        await talking

    Exchange(None, configuration=trunks(replace(OUT, agent="sales"))).tell(story)
