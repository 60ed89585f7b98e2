"""The keyless default: the providers' protocols on loopback, in child processes, with local engines behind them.

    openai_server    ─► service ─► ears (Silero) ─► pool of recognisers (pocketsphinx) ─► receptionist
    cartesia_server  ─► service ─► voice (espeak-ng)

The agent talks to them as it talks to the providers; only the URL differs. They are written from the providers'
references and judged by the official SDKs' types, but they are stand-ins: what passes here is proven against our
reading of the protocols, not against the services. Left out on purpose: understanding of language, emotions,
phonemes and dictionaries of the voice, true token counts, the services' waiting times (there are options for them),
images, MCP, REST.
"""
