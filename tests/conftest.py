"""What every test may use: the corpora, and one line at the end that says what this machine left out.

`SIPAGENT_TEST_LOOP=uvloop` has every test of real sockets run on the loop that `sipagent run` uses, in asyncio's place.
"""

import asyncio
import os
from pathlib import Path

import pytest
import uvloop

_IN_CI = os.environ.get("CI") == "true"

if os.environ.get("SIPAGENT_TEST_LOOP") == "uvloop":
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())


@pytest.fixture(scope="session")
def corpora() -> Path:
    """The directory of test corpora, named by `SIPAGENT_CORPORA`. Without it the test is skipped; in CI it fails."""
    root = Path(os.environ.get("SIPAGENT_CORPORA", "")).expanduser()
    if os.environ.get("SIPAGENT_CORPORA") and root.is_dir():
        return root.resolve()
    if _IN_CI:
        pytest.fail("SIPAGENT_CORPORA names no directory, and CI tests with the corpora")
    pytest.skip("SIPAGENT_CORPORA names no directory")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was left out, so that a green run is not taken for more than it is."""
    left_out = []
    if not os.environ.get("SIPAGENT_CORPORA"):
        left_out.append("tests on the corpora (set SIPAGENT_CORPORA)")
    if "not interop" in (terminalreporter.config.option.markexpr or ""):
        left_out.append("calls with real peers (make interop)")
    if left_out:
        terminalreporter.write_line("left out here: " + "; ".join(left_out))
