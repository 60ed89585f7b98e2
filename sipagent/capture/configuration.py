"""The part of a configuration that a replay needs: how the phone and its agents behave, and no secret.

{"general": {"codecs": "alaw"}, "account office": {"registrar": "sip:pbx.example.com", …}, "agent": {…}}
"""

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, replace
from ipaddress import ip_network
from typing import Any

from sipagent.config import Configuration, load_text
from sipagent.config.options import Transfer
from sipagent.config.values import UnknownCallers, readers_of, written

Sections = Mapping[str, Mapping[str, str]]
"""By title of a section (`agent sales`), its options as sip.conf would write them."""

LEFT_OUT = frozenset({"api_key", "password", "auth_username", "base_url", "instructions_file"})
"""Secrets, and what leads to servers and files that a replay must not touch (`instructions` has the file's text)."""
EVERYBODY = (ip_network("0.0.0.0/0"), ip_network("::/0"))
"""Who calls over the trunk of a replay: some were let in by their password, which is not kept."""
STAND_IN = "replay"
"""In the place of secrets: they are sent to nobody."""


def portable(configuration: Configuration) -> Sections:
    """Return what differs from the defaults, by section."""
    sections = {
        "general": configuration.general,
        "openai": configuration.openai,
        "cartesia": configuration.cartesia,
        **{f"agent {name}".strip(): section for name, section in configuration.agents.items()},
        **{f"account {name}": section for name, section in configuration.accounts.items()},
        **{f"trunk {name}": section for name, section in configuration.trunks.items()},
    }
    found = {title: _differing(section) for title, section in sections.items()}
    found["transfer"] = dict(configuration.transfer.targets)  # the model is told their names
    return {title: options for title, options in found.items() if options}


def restored(sections: Sections, account: str = "") -> Configuration:
    """Return the configuration of the phone that took a call for `account`, which may be a trunk; empty is for none.

    The other accounts, trunks and files are left behind, and whoever rang then may ring again.
    """
    lines = (f"account {account}", f"trunk {account}")
    overrides = [
        f"{title}.{key}={value}"
        for title, options in sections.items()
        if title != "transfer" and (not title.startswith(("account ", "trunk ")) or title in lines)
        for key, value in options.items()
    ]
    configuration = load_text("", {}, overrides)
    return replace(
        configuration,
        general=replace(configuration.general, unknown_callers=UnknownCallers.ACCEPT),
        openai=replace(configuration.openai, api_key=STAND_IN),
        cartesia=replace(configuration.cartesia, api_key=STAND_IN),
        accounts={name: replace(each, password=STAND_IN) for name, each in configuration.accounts.items()},
        transfer=Transfer(targets=sections.get("transfer", {})),
        trunks={name: replace(each, peers=EVERYBODY, called=()) for name, each in configuration.trunks.items()},
    )


def reached_at(configuration: Configuration, host: str) -> Configuration:
    """Return the configuration of a phone that tells its callers `host`, whatever it learnt that from then."""
    return replace(configuration, general=replace(configuration.general, external_address=host, local_net=()))


def _differing(section: Any) -> dict[str, str]:
    """Return the options of a section that are not as they come."""
    options = readers_of(type(section)).keys() - LEFT_OUT
    return {
        each.name: written(getattr(section, each.name))
        for each in fields(section)
        if each.name in options and getattr(section, each.name) != _default(each)
    }


def _default(option: "Field[Any]") -> object:
    return option.default if option.default_factory is MISSING else option.default_factory()
