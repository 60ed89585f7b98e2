"""A captured call as a test: it fails when anything leaves otherwise than it did."""

import os
from pathlib import Path

from sipagent.agent.agent import Agent
from sipagent.capture.replay import run as captured
from sipagent.performance import Scenario


def replay(path: str | os.PathLike[str], *, agent: Agent | Scenario | None = None) -> None:
    """Run a captured call again, with `agent` or that of its sip.conf. Raises AssertionError with the differences.

    `path` names the capture or one of its files. Tools are not run, and no provider is called: all that came in then
    comes in now. Raises CaptureError when something of the capture is missing or damaged.
    """
    comparison = captured.replay(Path(path), agent).compare()
    assert comparison.equal, f"{path} does not replay as it was\n{comparison}"
