"""The judgement of a soak: swings are no growth, growth is, and nothing that went wrong passes."""

import random
from dataclasses import replace

import pytest

from sipagent.bench.streams import Reception
from tests.soak.verdict import (
    ALL,
    Memory,
    Probe,
    Sample,
    astray,
    complaints,
    left_behind,
    not_collected,
    sounds_otherwise,
)

SAMPLE = Sample(at=0.0, resident_kb=90_000, descriptors=16, threads=3, tasks=2, ports=0, calls=0)
RECEPTION = Reception(packets=250, silent=0, lost=0, repeated=0, late=0, p50_ms=0.1, p99_ms=0.5, max_ms=2.0)
PROBE = Probe(reception=RECEPTION, level_db=-12.0)
SPOILT = "SPOILT ended by caller: its media failed"


def soaked(kb_a_second: float, *, kb_a_call: float = 300, warm_up_kb: float = 0) -> list[Sample]:
    """A soak of 200 s, with about a hundred calls, memory that swings, and some that is taken in the first 50 s."""
    chance = random.Random(5)
    samples = []
    for second in range(200):
        calls = 100 + chance.randint(-5, 5)
        kb = (
            90_000 + kb_a_call * calls + kb_a_second * second + chance.gauss(0, 1000) + warm_up_kb * min(second / 50, 1)
        )
        samples.append(replace(SAMPLE, at=float(second), resident_kb=round(kb), calls=calls))
    return samples


def test_memory_that_swings_and_warms_up_does_not_grow() -> None:
    memory = Memory.of(soaked(0.0, warm_up_kb=50_000))
    assert memory.faults() == []
    assert abs(memory.kb_a_minute) < 500
    assert "MB" in str(memory)


def test_memory_that_grows_is_told_with_how_much() -> None:
    (fault,) = Memory.of(soaked(200.0)).faults()
    assert 11_000 < Memory.of(soaked(200.0)).kb_a_minute < 13_000
    assert "kB a minute" in fault


def test_one_descriptor_more_than_before_is_told() -> None:
    assert left_behind(SAMPLE, replace(SAMPLE, at=9.0, resident_kb=1, tasks=1)) == []
    assert left_behind(SAMPLE, replace(SAMPLE, descriptors=17)) == ["descriptors: 17, and 16 before"]


def test_what_every_call_leaves_behind_is_told_by_its_type() -> None:
    before = {"a.Call": 2, "a.Cache": 1}
    assert not_collected(before, {"a.Call": 5, "a.Cache": 40}, served=1000) == []
    assert not_collected(before, {"a.Call": 900}, served=1000) == ["898 more of a.Call"]
    assert not_collected({ALL: 200_000}, {ALL: 215_000}, served=1000) == []
    assert not_collected({ALL: 200_000}, {ALL: 300_000}, served=1000) == ["100000 more blocks of memory"]


def test_the_last_call_must_sound_like_the_first() -> None:
    assert sounds_otherwise(PROBE, replace(PROBE, level_db=-12.9)) == []
    assert "dB" in sounds_otherwise(PROBE, replace(PROBE, level_db=-13.1))[0]
    assert "lost 1" in sounds_otherwise(PROBE, replace(PROBE, reception=replace(RECEPTION, lost=1)))[0]
    assert "p99" in sounds_otherwise(PROBE, replace(PROBE, reception=replace(RECEPTION, p99_ms=25)))[0]
    assert "packets" in sounds_otherwise(PROBE, replace(PROBE, reception=replace(RECEPTION, packets=200)))[0]


def test_a_probe_knows_its_level() -> None:
    silence, loud = Probe.of(RECEPTION, b"\xff" * 160), Probe.of(RECEPTION, b"\x00" * 160)
    assert silence.level_db < -100
    assert loud.level_db == pytest.approx(0, abs=0.5)


def test_late_wake_ups_and_the_spoilt_call_are_expected_and_nothing_else() -> None:
    late = "WARNING sipagent.media the media thread woke up 31 ms late; the loop waited\n"
    failed = "ERROR sipagent call ab12: its media failed\nTraceback (most recent call last):\n  …\nTypeError: str\n"
    info = "INFO sipagent.media all is well\n"
    assert complaints(late + failed + info + late) == ([], 2)
    assert complaints(failed + failed)[0] == [failed]
    assert complaints(info + "ERROR asyncio Task exception was never retrieved\n")[0] != []
    assert complaints("Exception in thread 7:\nTraceback …\n" + info)[0] != []


def test_calls_end_as_they_were_meant_to() -> None:
    seen = {"placed": 9, SPOILT: 1, "CALLER ended by us: ": 3, "CANCEL cancelled": 2, "HOLD": 2}
    assert astray(seen, {"CallAnswered": 7}, [RECEPTION], is_lossy=False) == []
    lost = {**seen, "CALLER ended by caller: no RTP for 5 s": 1}
    assert astray(lost, {}, [], is_lossy=False) == ["1 calls: CALLER ended by caller: no RTP for 5 s"]
    assert astray(seen, {"ProviderFailed": 2}, [], is_lossy=False) == ["2 ProviderFailed in the phone"]
    assert "media failed" in astray({}, {}, [], is_lossy=False)[0]


def test_packets_that_never_came_are_ours_unless_the_network_loses_them() -> None:
    lost = [replace(RECEPTION, lost=3), replace(RECEPTION, repeated=1)]
    assert astray({SPOILT: 1}, {}, lost, is_lossy=False) == ["callers missed 3 packets, and got 1 twice"]
    assert astray({SPOILT: 1}, {}, lost, is_lossy=True) == []
