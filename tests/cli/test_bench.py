"""`sipagent bench`: one real run, of three calls; how quick they were depends on who else is on the machine."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sipagent.cli.options import FAILED, INTERRUPTED, OK, QUALITY, USAGE
from tests.cli.conftest import Command


def test_a_short_run_measures_every_figure_and_judges_by_it(sipagent: Command) -> None:
    result = sipagent("bench", "--calls", "3", "--seconds", "2", "--append", "40", "--json")
    assert result.exit_code in (OK, QUALITY, FAILED), result.output
    line = json.loads(result.stdout.splitlines()[-1])
    window = line["figures"]["window"]
    assert line["type"] == "Bench"
    assert line["setting"] == {"pipeline": "half-cascade", "append": 40, "shared": False, "tls": True}
    assert window["calls"] == 3
    assert window["gone"] == 0
    assert window["reception"]["packets"] in range(280, 320)
    assert 90 < window["heard_percent"] < 110
    assert {bar["verdict"] for bar in line["bars"]} <= {None, "met", "missed", "unknown"}
    assert [name for name, value in line["figures"].items() if value is None] == ["carried"]  # nobody searched
    assert line["figures"]["stopped"]["count"] == 3
    assert line["figures"]["voiced"]["count"] == 3
    missed = any(bar["verdict"] == "missed" for bar in line["bars"])
    assert (result.exit_code == QUALITY) == missed


@pytest.mark.parametrize("wrong", [["--calls", "0"], ["--append", "30"], ["--pipeline", "cascade"], ["--seconds", "1"]])
def test_what_cannot_be_run_is_a_usage_error(sipagent: Command, wrong: list[str]) -> None:
    assert sipagent("bench", *wrong).exit_code == USAGE


def test_ctrl_c_leaves_nothing_running(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "sipagent", "bench", "--calls", "1", "--seconds", "600", "--pipeline", "echo"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, cwd=tmp_path, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"echo, an RTP port a call\n"
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        while len(started := children.read_text().split()) < 2:  # the worker, then the load generator
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode == INTERRUPTED
    until = time.monotonic() + 30  # one that was being started when we left finds its input at an end
    while any(Path(f"/proc/{child}").exists() for child in started):
        assert time.monotonic() < until
