"""Session descriptions from elsewhere: broken ones are refused, good ones parsed, none breaks anything."""

from pathlib import Path

import pytest

from sipagent.errors import NotAcceptable
from sipagent.sdp.description import SessionDescription
from sipagent.sdp.offer_answer import LocalMedia, make_answer

pytestmark = pytest.mark.corpora

LOCAL = LocalMedia(host="192.0.2.10", port=40000, session_id=1, version=1)


def test_bodies_with_an_error_are_refused(corpora: Path) -> None:
    bodies = sorted((corpora / "sdp").glob("gortc-sdp_session_ex_err*.txt"))
    assert len(bodies) == 30
    for body in bodies:
        with pytest.raises(NotAcceptable):
            make_answer(body.read_bytes(), LOCAL)


def test_real_bodies_are_parsed_and_survive_serialising(corpora: Path) -> None:
    bodies = sorted((corpora / "sdp").glob("sdptransform-*.sdp"))
    assert len(bodies) == 15
    for body in bodies:
        description = SessionDescription.parse(body.read_bytes())
        assert SessionDescription.parse(description.serialise()) == description


def test_every_body_is_answered_line_for_line_or_refused(corpora: Path) -> None:
    for path in sorted((corpora / "sdp").iterdir()):
        body = path.read_bytes()
        try:
            answer, _ = make_answer(body, LOCAL)
        except NotAcceptable:
            continue
        answered = SessionDescription.parse(answer).media
        offered = SessionDescription.parse(body).media
        assert [media.media for media in answered] == [media.media for media in offered], path.name
