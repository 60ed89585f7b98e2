"""What users test their agents with: virtual time, a network in memory, scripted providers, a caller, a replay.

from sipagent.testing import replay

def test_the_call_of_last_friday():
    replay("calls/20261120-104455-a84b4c76e667.pcap", agent=agent)
"""

from sipagent.testing.clock import run
from sipagent.testing.captures import replay

__all__ = ["replay", "run"]
