"""A captured call run again: the same phone, on a world that the journal plays."""
