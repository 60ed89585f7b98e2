"""What a provider's refusal means to whoever runs the phone: the likely cause, and the cure."""

from sipagent.errors import ProviderError

_CURES = {
    401: "refused the API key: set {variable}, or api_key in [{name}] of sip.conf, to a valid key",
    402: "says that the account has no credit left: top it up, or use another key",
    403: "does not allow this to the API key: use a key of an account that may",
    404: "does not know the model or voice that was asked for: see model and voice in [{name}] of sip.conf",
    429: "refused because of too many requests at once: raise the account's limit, or lower max_calls",
}


def explain(provider: str, status: int | None, message: str, *, secret: str = "") -> str:
    """Return one sentence for the operator: the likely cause and cure by `status`, then the provider's own words.

    A provider may quote the key that it refuses; `secret` is taken out.
    """
    if secret:
        message = message.replace(secret, "[key]")
    cure = _CURES.get(status or 0)
    if cure is None:
        return f"{provider}: {message}"
    return f"{provider} {cure.format(name=provider, variable=f'{provider.upper()}_API_KEY')} ({message})"


def missing_key(provider: str) -> ProviderError:
    """The failure of a provider for which no key is configured."""
    variable = f"{provider.upper()}_API_KEY"
    cure = f"there is no API key: set {variable}, or api_key in [{provider}] of sip.conf, or run with --local"
    return ProviderError(provider, cure, status=401)
