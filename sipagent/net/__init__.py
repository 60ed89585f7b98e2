"""Every socket, clock and thread of the house."""
