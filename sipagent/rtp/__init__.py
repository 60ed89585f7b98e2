"""RTP, RTCP and telephone events as pure machines (RFC 3550, 3551, 4733): bytes and times in, bytes and values out."""
