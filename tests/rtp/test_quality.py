"""The E-model: figures of G.107 and G.113, and that worse is never better."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sipagent.rtp.quality import Quality

FRACTION = st.floats(0, 1)
SECONDS = st.floats(0, 3)


def test_a_call_without_delay_or_loss_is_very_good() -> None:
    perfect = Quality(loss=0.0, delay=0.0)
    assert perfect.rating == pytest.approx(93.2)
    assert perfect.score == pytest.approx(4.41, abs=0.01)


@pytest.mark.parametrize(
    ("loss", "delay", "rating", "score"),
    [
        (0.0, 0.150, 89.6, 4.34),
        (0.0, 0.400, 59.1, 3.05),
        (0.01, 0.050, 88.4, 4.30),
        (0.05, 0.050, 76.2, 3.87),
        (0.20, 0.050, 49.9, 2.58),
    ],
)
def test_delay_and_loss_take_from_it_what_the_model_says(
    loss: float, delay: float, rating: float, score: float
) -> None:
    quality = Quality(loss=loss, delay=delay)
    assert quality.rating == pytest.approx(rating, abs=0.1)
    assert quality.score == pytest.approx(score, abs=0.02)


@settings(deadline=None)
@given(FRACTION, FRACTION, SECONDS, SECONDS)
def test_worse_is_never_better(loss: float, more: float, delay: float, longer: float) -> None:
    better, worse = Quality(loss=loss, delay=delay), Quality(loss=loss + more, delay=delay + longer)
    assert 0.0 <= worse.rating <= better.rating
    assert 1.0 <= worse.score <= better.score + 1e-9 <= 4.5


def test_more_received_than_sent_is_no_gain() -> None:
    assert Quality(loss=-0.1, delay=0.0).rating == pytest.approx(93.2)
