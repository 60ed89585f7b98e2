"""`sipagent bench`: how many calls this machine carries, and what one costs.

    generator ─ SIP, RTP ─► worker, on a core of its own ─ TLS WebSockets ─► stand-ins of OpenAI and Cartesia
        ▲  ◄────────────────                             ◄────────────────            ▲
        └────────── pipes ── measure ── /proc of the worker ── pipes ─────────────────┘

Everything is counted where it arrives, with the kernel's time stamps, never where it is sent.
"""
