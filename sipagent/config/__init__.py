"""Configuration: sip.conf, the environment and `--set`, as frozen values.

load(path, environ, overrides) -> Configuration      every mistake in one ConfigurationError, each with place and cure
secret(name)                                          a secret from the environment, a file or /run/secrets
"""

from sipagent.config.configuration import Configuration
from sipagent.config.load import load, load_text
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
from sipagent.config.secrets import secret

__all__ = [
    "Account",
    "AgentSection",
    "Cartesia",
    "Configuration",
    "Console",
    "General",
    "OpenAI",
    "Record",
    "Tls",
    "Transfer",
    "Trunk",
    "load",
    "load_text",
    "secret",
]
