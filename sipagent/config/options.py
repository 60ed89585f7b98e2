"""The sections of sip.conf as values: every key, its type and its default. What is not written has the default.

The dataclasses serve code as well: `Account("sip:6001@pbx.example.com", password="…")` needs no file.
A field whose type has a reader (see `values`) is an option of the file; the others are filled in by code.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

from sipagent.config.values import (
    Answer,
    Capture,
    Codec,
    Codecs,
    Directory,
    Dtmf,
    InputFile,
    IpLiteral,
    Line,
    Nat,
    Networks,
    Pipeline,
    PortRange,
    Ports,
    Recording,
    RtpPorts,
    Server,
    SipServer,
    Srtp,
    Text,
    TransportName,
    Transports,
    TurnDetection,
    UnknownCallers,
    Words,
    ip_and_port,
    number,
    provider_url,
)
from sipagent.errors import ConfigurationError
from sipagent.sip.flow import Address, Transport
from sipagent.sip.uri import Uri

SUCH_AS = ' such as "sip:6001@pbx.example.com"'
CARTESIA_VOICE = "a0e99841-438c-4a64-b679-ae501e7d6091"
USER_CHARACTERS = "-_.!~*'()&=+$,;?/"
"""What the user part of a SIP URI holds unescaped, beside letters and digits (RFC 3261 section 25.1)."""
PRIVATE_NETWORKS = tuple(ip_network(private) for private in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))


@dataclass(frozen=True, slots=True, kw_only=True)
class General:
    """[general]: the phone itself."""

    bind: Annotated[Address, ip_and_port(5060)] = field(default=Address("0.0.0.0", 5060))
    transports: Transports = (Transport.UDP, Transport.TCP, Transport.TLS)
    external_address: IpLiteral = ""
    local_net: Networks = PRIVATE_NETWORKS
    stun_server: Server = ""
    nat: Nat = Nat.AUTO
    rtp_ports: Ports = field(default=PortRange(40000, 41999))
    rtp: RtpPorts = RtpPorts.PORT_PER_CALL
    codecs: Codecs = tuple(Codec)
    max_calls: Annotated[int, number(1, 32000)] = 100
    rtp_timeout: Annotated[int, number(0, 86400)] = 60
    """Seconds without a packet from the caller after which a call is over; 0 is never."""
    unknown_callers: UnknownCallers = UnknownCallers.DROP
    user_agent: Line = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """[tls]: our certificate, and whom we believe."""

    certificate: InputFile = None
    key: InputFile = None
    ca: InputFile = None
    verify: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """[account NAME]: an extension of a PBX, to which we register.

    Either `address` (`sip:6001@pbx.example.com`, in code) or `registrar` and `username` (in sip.conf) say which; the
    one is made of the other. Raises ConfigurationError if neither does.
    """

    address: str = field(default="", kw_only=False)
    """The address of record (RFC 3261 section 6): what From and To of a REGISTER say."""
    name: str = ""
    registrar: SipServer = ""
    username: Line = ""
    password: Line = field(default="", repr=False)
    auth_username: Line = ""
    display_name: Line = ""
    transport: TransportName = Transport.UDP
    outbound_proxy: SipServer = ""
    expires: Annotated[int, number(30, 86400)] = 300
    srtp: Srtp = Srtp.OFF
    dtmf: Dtmf = Dtmf.RFC4733
    codecs: Codecs = ()
    """Empty: those of [general]."""
    agent: Line = ""

    def __post_init__(self) -> None:
        if self.address:
            self._read_address()
        if not self.username or not self.registrar:
            raise ConfigurationError(f"an account needs an address{SUCH_AS}")
        server = Uri.parse(self.registrar)
        user = quote(self.username, safe=USER_CHARACTERS)
        # RFC 3261 section 10.2: an address of record has no port and no parameters
        self._fill(address=str(Uri(scheme=server.scheme, user=user, host=server.host)))
        self._fill(name=self.name or self.username)

    def _read_address(self) -> None:
        try:
            uri = Uri.parse(self.address)
        except ValueError as error:
            raise ConfigurationError(f"an account has an address{SUCH_AS}; this is {error}") from error
        if not uri.is_sip or not uri.user or ":" in uri.user:
            raise ConfigurationError(f"an account has an address{SUCH_AS}; it has a user and no password")
        self._fill(username=self.username or uri.username)
        self._fill(registrar=self.registrar or str(replace(uri, user="")))

    def _fill(self, **values: str) -> None:
        """Set fields that others imply; only while the account is being made."""
        for key, value in values.items():
            object.__setattr__(self, key, value)

    @property
    def digest_username(self) -> str:
        """The name that goes with the password (RFC 7616 section 3.4); some PBXs have one apart from the extension."""
        return self.auth_username or self.username


@dataclass(frozen=True, slots=True, kw_only=True)
class Trunk:
    """[trunk NAME]: a carrier or PBX that is known by its address and never registered to."""

    name: str = ""
    peers: Networks = ()
    host: SipServer = ""
    username: Line = ""
    password: Line = field(default="", repr=False)
    caller_id: Line = ""
    transport: TransportName = Transport.UDP
    srtp: Srtp = Srtp.OFF
    codecs: Codecs = ()
    """Empty: those of [general]."""
    called: Words = ()
    """Patterns of the numbers we answer, with `*` and `?`; empty: all."""
    agent: Line = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSection:
    """[agent] or [agent NAME]: who answers, and how. `instructions` also holds the text of instructions_file."""

    name: str = ""
    pipeline: Pipeline = Pipeline.HALF_CASCADE
    instructions: Text = ""
    instructions_file: InputFile = None
    greeting: Text = ""
    greeting_instructions: Text = ""
    language: Line = ""
    turn_detection: TurnDetection = TurnDetection.SERVER_VAD
    silence_ms: Annotated[int | None, number(50, 10000)] = None
    """Milliseconds of silence that end the caller's turn; None: the recogniser's own."""
    max_duration: Annotated[int | None, number(1, 86400)] = None
    """Seconds after which a call is brought to a polite end; None: never."""
    answer: Answer = Answer.READY


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAI:
    """[openai]: how to reach OpenAI, or a server that speaks as it does. `base_url` ends in /v1."""

    api_key: Line = field(default="", repr=False)
    base_url: Annotated[str, provider_url("/v1")] = ""
    model: Line = "gpt-realtime-1.5"
    organization: str = ""
    project: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cartesia:
    """[cartesia]: how to reach Cartesia, or a server that speaks as it does. `base_url` has no path."""

    api_key: Line = field(default="", repr=False)
    base_url: Annotated[str, provider_url("")] = ""
    model: Line = "sonic-3"
    voice: Line = CARTESIA_VOICE
    agent_id: Line = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """[transfer]: the only places a call can be sent to, by name."""

    targets: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """[record]: what is kept of a call, and where. `directory` is relative to the working directory."""

    calls: Recording = Recording.OFF
    directory: Directory = field(default=Path("calls"))
    capture: Capture = Capture.OFF
    announce: Text = ""
    """What the caller is told about the recording before the greeting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """[console]: where the web console listens."""

    listen: Annotated[Address, ip_and_port(8080)] = field(default=Address("127.0.0.1", 8080))
