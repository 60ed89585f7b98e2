"""The part of a configuration that a replay needs: how the phone and its agents behave, and no secret."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from sipagent.config import AgentSection, Cartesia, Configuration, General, OpenAI, load_text
from sipagent.config.grammar import quote
from sipagent.config.values import readers_of, written

AGENTS = "agents of accounts"
SECRETS = frozenset({"api_key", "base_url"})
"""A base URL is no secret, but the replay's providers have none."""


def portable(configuration: Configuration) -> Mapping[str, Any]:
    """Return what differs from the defaults, by section and key, as sip.conf would write it.

    Of an account there is only which agent it has.
    """
    sections: dict[str, General | OpenAI | Cartesia | AgentSection] = {
        "general": configuration.general,
        "openai": configuration.openai,
        "cartesia": configuration.cartesia,
        **{f"agent {name}".strip(): section for name, section in configuration.agents.items()},
    }
    found = {title: _differing(section) for title, section in sections.items()}
    found[AGENTS] = {name: account.agent for name, account in configuration.accounts.items() if account.agent}
    return {title: keys for title, keys in found.items() if keys}


def restored(sections: Mapping[str, Mapping[str, str]]) -> Configuration:
    """Return the configuration that `portable` was made of, but for accounts, trunks and files."""
    lines = []
    for title, keys in sections.items():
        if title == AGENTS:
            continue
        lines += [f"[{title}]", *(f"{key} = {quote(value)}" for key, value in keys.items())]
    return load_text("\n".join(lines) + "\n", {})


def _differing(section: General | OpenAI | Cartesia | AgentSection) -> dict[str, str]:
    """Return the options of a section that are not as they come."""
    usual = type(section)()
    return {
        each.name: written(getattr(section, each.name))
        for each in fields(section)
        if each.name in readers_of(type(section))
        and each.name not in SECRETS
        and getattr(section, each.name) != getattr(usual, each.name)
    }
