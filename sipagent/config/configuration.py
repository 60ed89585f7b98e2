"""The whole configuration, as one frozen value."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from sipagent.config.options import (
    Account,
    AgentSection,
    Cartesia,
    Console,
    General,
    OpenAI,
    Record,
    Tls,
    Transfer,
    Trunk,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """All that sip.conf, environment and command line say. Mappings are by the name in the section's header."""

    file: Path | None = field(default=None, compare=False)
    general: General = field(default_factory=General)
    tls: Tls = field(default_factory=Tls)
    accounts: Mapping[str, Account] = field(default_factory=dict)
    trunks: Mapping[str, Trunk] = field(default_factory=dict)
    agents: Mapping[str, AgentSection] = field(default_factory=lambda: {"": AgentSection()})
    """`""` is [agent], and always there."""
    openai: OpenAI = field(default_factory=OpenAI)
    cartesia: Cartesia = field(default_factory=Cartesia)
    transfer: Transfer = field(default_factory=Transfer)
    record: Record = field(default_factory=Record)
    console: Console | None = None
    """None: no [console] section, and so no console."""
    unset: Mapping[str, tuple[str, ...]] = field(default_factory=dict, compare=False)
    """By kind of section, what it lacks (`sip.conf:9: ${KEY} is not set`): an error once the section is used."""

    def with_accounts(self, accounts: Iterable[Account]) -> "Configuration":
        """Return the configuration with more accounts; one of the same name takes the place of the old."""
        return replace(self, accounts={**self.accounts, **{account.name: account for account in accounts}})
