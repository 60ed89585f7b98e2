"""SIP without I/O: bytes, `now` and ids come in; bytes, events and the next deadline come out (RFC 3261)."""
