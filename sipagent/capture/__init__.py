"""A call on disk: what came in, what went out, and the means to run it again."""
