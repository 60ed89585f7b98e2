"""`sipagent bench`: one real run, of three calls; how quick they were depends on who else is on the machine."""

import json

import pytest

from sipagent.cli.options import FAILED, OK, QUALITY, USAGE
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
    assert [name for name, value in line["figures"].items() if value is None] == []
    assert line["figures"]["stopped"]["count"] == 3
    assert line["figures"]["voiced"]["count"] == 3
    missed = any(bar["verdict"] == "missed" for bar in line["bars"])
    assert (result.exit_code == QUALITY) == missed


@pytest.mark.parametrize("wrong", [["--calls", "0"], ["--append", "30"], ["--pipeline", "cascade"], ["--seconds", "1"]])
def test_what_cannot_be_run_is_a_usage_error(sipagent: Command, wrong: list[str]) -> None:
    assert sipagent("bench", *wrong).exit_code == USAGE
