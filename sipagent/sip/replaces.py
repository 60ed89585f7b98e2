"""The Replaces header (RFC 3891): this call takes the place of that one, which is named by its dialog."""

from dataclasses import dataclass
from urllib.parse import quote as percent_encode

from sipagent.sip.dialog import Dialog
from sipagent.sip.message import Headers
from sipagent.sip.parameters import Parameters

_UNESCAPED = "-_.!~*'()"
"""What stands in any part of a URI as it is, beside letters and digits (RFC 3261 section 25.1, mark)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replaces:
    """Names a dialog, seen from whoever receives it: `to_tag` is its own tag, `from_tag` that of its far end."""

    call_id: str
    to_tag: str
    from_tag: str
    early_only: bool = False

    @classmethod
    def parse(cls, text: str) -> "Replaces":
        """Read a header value; ValueError says what is wrong with it."""
        call_id, _, rest = text.partition(";")
        parameters = Parameters.parse(rest)
        to_tag, from_tag = parameters.get("to-tag"), parameters.get("from-tag")
        if not call_id.strip() or not to_tag or not from_tag:
            raise ValueError("a Replaces without Call-ID, to-tag or from-tag")
        early_only = "early-only" in parameters
        return cls(call_id=call_id.strip(), to_tag=to_tag, from_tag=from_tag, early_only=early_only)

    @classmethod
    def of_headers(cls, headers: Headers) -> "Replaces | None":
        """The dialog that an INVITE replaces, if it does. ValueError for several, or one that cannot be read (400)."""
        rows = headers.rows("replaces")
        if len(rows) > 1:
            raise ValueError("several Replaces headers")
        return cls.parse(rows[0]) if rows else None

    @classmethod
    def of_far_end(cls, dialog: Dialog) -> "Replaces":
        """Name a dialog of ours as its far end knows it: what that is to find in an INVITE of somebody else."""
        return cls(call_id=dialog.call_id, to_tag=dialog.remote_tag, from_tag=dialog.local_tag)

    def __str__(self) -> str:
        early_only = ";early-only" if self.early_only else ""
        return f"{self.call_id};to-tag={self.to_tag};from-tag={self.from_tag}{early_only}"

    @property
    def in_uri(self) -> str:
        """The header as a part of a URI: what Refer-To carries in an attended transfer (RFC 5589 section 7.3)."""
        return f"Replaces={percent_encode(str(self), safe=_UNESCAPED)}"
