"""What the kernel says of processes and cores."""

import os
import subprocess
import sys
import time

from sipagent.bench.host import Calibration, Core, Usage, alone, cores, lost_by_kernel, machine, resident_kb


def test_the_time_that_a_process_used_grows_by_what_it_does() -> None:
    before, begun = Usage.of(os.getpid()), time.process_time()
    while time.process_time() - begun < 0.05:
        pass
    used = Usage.of(os.getpid()).since(before)
    assert 0.04 < used.processor < 5
    assert used.waiting >= 0
    assert used.at >= 0.04


def test_worker_and_load_have_cores_of_their_own_where_there_are_two() -> None:
    worker, others = cores()
    assert len(worker) == 1
    assert worker | others == os.sched_getaffinity(0)
    assert not worker & others or len(others) == 1
    before = Core.of(min(worker))
    assert Core.of(min(worker)).since(before).idle < before.idle


def test_a_machine_is_calibrated_in_microseconds() -> None:
    calibration = Calibration.measure()
    assert 0 < calibration.send < 1000
    assert 0 < calibration.python < 10_000
    assert calibration.call_second > 0
    assert f"{calibration.send:g} µs" in str(calibration)


def test_memory_lost_datagrams_and_machine_are_told() -> None:
    assert resident_kb(os.getpid()) > 1000
    assert lost_by_kernel() >= 0
    assert "Python 3" in machine()


def test_two_benchmarks_do_not_measure_each_other() -> None:
    name, told = f"test {os.getpid()}", []
    first = "import sys\nfrom sipagent.bench.host import alone\nwith alone(print, sys.argv[1]):\n    input(1)"
    argv, path = [sys.executable, "-c", first, name], {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, env=path) as process:
        first_ends, runs = process.stdin, process.stdout
        assert first_ends is not None
        assert runs is not None
        runs.read(1)

        def end_the_first(line: str) -> None:
            told.append(line)
            first_ends.close()

        with alone(end_the_first, name):
            assert "another benchmark is running" in told[0]
