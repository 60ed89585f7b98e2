"""Where a benchmark takes place, and what is told when its phone is gone."""

import os
import signal
from pathlib import Path

import pytest

from sipagent.bench.children import ChildFailed
from sipagent.bench.measure import Bench
from sipagent.bench.site import Setting, built


def test_a_worker_that_ends_is_told_and_not_waited_for(tmp_path: Path) -> None:
    with built(Setting(pipeline="echo"), tmp_path) as site:
        os.kill(site.worker, signal.SIGKILL)
        with pytest.raises(ChildFailed, match="the worker has ended"):
            Bench(site)


def test_a_setting_says_what_it_is() -> None:
    assert str(Setting()) == ("half-cascade, appends that grow in silence, an RTP port a call, providers over TLS")
    assert str(Setting(append=20, shared=True, tls=False)) == (
        "half-cascade, appends of 20 ms, one RTP port for all, providers over plain sockets"
    )
    assert str(Setting(pipeline="echo")) == "echo, an RTP port a call"
