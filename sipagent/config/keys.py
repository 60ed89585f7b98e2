"""Which providers a pipeline needs, and what to say when one of them has no key."""

from collections.abc import Collection

from sipagent.config.configuration import Configuration
from sipagent.config.values import Pipeline
from sipagent.errors import ConfigurationError

PROVIDERS = {
    Pipeline.HALF_CASCADE: ("openai", "cartesia"),
    Pipeline.REALTIME: ("openai",),
    Pipeline.CASCADE: ("openai", "cartesia"),
    Pipeline.CARTESIA_AGENT: ("cartesia",),
    Pipeline.ECHO: (),
}
NAMES = {"openai": "OpenAI", "cartesia": "Cartesia"}
LOCAL_LEGS = {"openai": "ai", "cartesia": "tts"}


def require_keys(configuration: Configuration, providers: Collection[str], local: Collection[str] = ()) -> None:
    """Raise ConfigurationError, with the ways out, if one of `providers` (`openai`, `cartesia`) can not be used.

    `local` has the legs that local engines do: `ai`, `tts`. A provider with a base_url of its own may do without a key.
    """
    needed = [name for name in providers if LOCAL_LEGS[name] not in local]
    unset = [line for name in needed for line in configuration.unset.get(name, ())]
    missing = [name for name in needed if not is_usable(configuration, name)]
    if missing:
        everything = len(missing) == len(LOCAL_LEGS)
        raise ConfigurationError("\n".join([*unset, _ways_out(missing, "" if everything else LOCAL_LEGS[missing[0]])]))


def is_usable(configuration: Configuration, provider: str) -> bool:
    """Tell whether a provider can be called: it has a key, or a server that may do without."""
    options = configuration.openai if provider == "openai" else configuration.cartesia
    return not configuration.unset.get(provider) and bool(options.api_key or options.base_url)


def _ways_out(missing: list[str], leg: str) -> str:
    """Return the three cures; `leg` is the one that a local engine would take over, empty for both."""
    variables = [f"{name.upper()}_API_KEY" for name in missing]
    sections = " and ".join(f"[{name}]" for name in missing)
    local = f"--local={leg}: an engine on this machine takes its place" if leg else "--local: no keys, no cloud"
    return (
        f"no API key for {' and '.join(NAMES[name] for name in missing)}; do one of these:\n"
        f"  - set {' and '.join(variables)} in the environment ({variables[0]}_FILE may name a file)\n"
        f"  - write api_key = ... under {sections} in sip.conf\n"
        f"  - start with {local}"
    )
