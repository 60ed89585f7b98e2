"""The callers of a soak: all kinds of them, and the same ones again from the same seed."""

from itertools import islice

from tests.soak.plan import CODECS, LONGEST, Deed, Ending, plans

PLANS = list(islice(plans(seed=7), 2000))


def test_the_same_seed_brings_the_same_callers() -> None:
    assert list(islice(plans(seed=7), 50)) == PLANS[:50]
    assert list(islice(plans(seed=8), 50)) != PLANS[:50]


def test_callers_of_every_codec_end_in_every_way_and_do_everything() -> None:
    assert {plan.codec for plan in PLANS} == set(CODECS)
    assert {plan.ending for plan in PLANS} == {Ending.CALLER, Ending.AGENT, Ending.CANCEL, Ending.VANISH}
    assert {deed for plan in PLANS for _, deed in plan.deeds} == set(Deed)
    assert sum(plan.codec in ("pcmu", "pcma") for plan in PLANS) > len(PLANS) * 0.8


def test_deeds_are_in_order_and_within_the_call_and_a_hold_ends() -> None:
    for plan in PLANS:
        times = [at for at, _ in plan.deeds]
        assert times == sorted(times)
        assert all(at < plan.seconds <= LONGEST for at in times)
        held = [deed for _, deed in plan.deeds if deed in (Deed.HOLD, Deed.HOLD_WITH_MUSIC, Deed.RESUME)]
        assert held == [] or held[1:] == [Deed.RESUME]


def test_what_only_the_phone_can_do_it_is_ordered_to() -> None:
    by_ending = {plan.ending: plan for plan in PLANS}
    leaver = by_ending[Ending.AGENT]
    assert leaver.order == f"leave {leaver.seconds:.2f}"
    assert by_ending[Ending.CALLER].order == by_ending[Ending.VANISH].order == "talk 0"
    caller = by_ending[Ending.CANCEL]
    assert float(caller.order.removeprefix("ring ")) > caller.seconds
