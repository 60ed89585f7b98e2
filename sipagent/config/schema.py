"""Which sections there are, and what each may and must have."""

from collections.abc import Mapping
from typing import Any

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
from sipagent.config.values import Reader, readers_of

SECTIONS: Mapping[str, type[Any]] = {
    "general": General,
    "tls": Tls,
    "account": Account,
    "trunk": Trunk,
    "agent": AgentSection,
    "openai": OpenAI,
    "cartesia": Cartesia,
    "transfer": Transfer,
    "record": Record,
    "console": Console,
}
READERS: Mapping[str, Mapping[str, Reader[Any]]] = {kind: readers_of(section) for kind, section in SECTIONS.items()}
"""By kind, the keys of its sections and how each is read. [transfer] has none of its own: its keys are names."""
REQUIRED = {"account": (("registrar",), ("username",)), "trunk": (("peers", "host"),)}
"""By kind, the keys without which a section is useless; one of each group is enough."""
NAMED = {"account", "trunk"}
"""Kinds whose sections must have a name."""
MAY_BE_NAMED = {*NAMED, "agent"}
USED_ON_DEMAND = {"tls", "openai", "cartesia"}
"""Kinds in which an unset `${NAME}` matters only when something needs the section."""
