"""Session descriptions, and the offer and answer that are made of them (RFC 8866, 3264): values and plain functions."""
