"""What the headers of an INVITE say of where it comes from."""

import pytest

from sipagent.sip.message import Headers
from sipagent.sip.origin import Origin, origin_of


@pytest.mark.parametrize(
    ("fields", "origin"),
    [
        ([], Origin()),
        ([("P-Asserted-Identity", '"Shop" <sip:+15551234@example.com;user=phone>')], "sip:+15551234@example.com"),
        ([("P-Asserted-Identity", "<tel:+15551234>, <sip:other@example.com>")], "tel:+15551234"),
        ([("P-Asserted-Identity", "sip:")], Origin()),
        (
            [("Diversion", "<sip:200@pbx>;reason=no-answer"), ("Diversion", "<sip:100@pbx>")],
            Origin(diverted_by="sip:200@pbx"),
        ),
        (
            [
                ("History-Info", "<sip:100@pbx>;index=1"),
                ("History-Info", "<sip:200@pbx?Reason=SIP%3Bcause%3D302>;index=1.1, <sip:agent@us>;index=1.2"),
            ],
            Origin(diverted_by="sip:200@pbx"),
        ),
        ([("History-Info", "<sip:agent@us>;index=1")], Origin()),
        ([("Diversion", "nonsense >")], Origin()),
    ],
)
def test_where_a_call_comes_from(fields: list[tuple[str, str]], origin: Origin | str) -> None:
    expected = origin if isinstance(origin, Origin) else Origin(asserted=origin)
    assert origin_of(Headers(fields)) == expected
