"""The agent: turns, conversation, tools, and what was really heard. It knows neither SIP nor sockets."""
