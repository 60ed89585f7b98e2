"""The protocol machines drawn from their tables: `python -m tests.drawings` writes docs/machines.md anew."""

from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from sipagent.agent.turn import TABLE as TURN
from sipagent.sip.invite_table import SESSION
from sipagent.sip.modification import CHANGE
from sipagent.sip.referred import REFERRED
from sipagent.sip.referring import REFERRING
from sipagent.sip.registration import REGISTRATION
from sipagent.sip.transaction import CLIENT, INVITE_CLIENT, INVITE_SERVER, SERVER
from sipagent.sip.transfer import TRANSFER

PAGE = Path(__file__).parents[1] / "docs" / "machines.md"
INTRODUCTION = """# The machines

Drawn from the tables that run, by `python -m tests.drawings`; a test holds this page to them. An arrow says what comes
in and, behind the stroke, what is done. What a state has no arrow for is absorbed.
"""
MACHINES: Mapping[str, Mapping[Any, Any]] = {
    "INVITE client transaction (`sip/transaction.py`; RFC 3261 section 17.1.1, RFC 6026)": INVITE_CLIENT,
    "Client transaction (RFC 3261 section 17.1.2)": CLIENT,
    "INVITE server transaction (RFC 3261 section 17.2.1, RFC 6026)": INVITE_SERVER,
    "Server transaction (RFC 3261 section 17.2.2)": SERVER,
    "A call's INVITE session, called or calling (`sip/invite_table.py`)": SESSION,
    "A change of ours to a call: an offer, or a refresh (`sip/modification.py`; RFC 3261 section 14.1)": CHANGE,
    "A REFER of ours (`sip/referring.py`; RFC 3515)": REFERRING,
    "A REFER that came (`sip/referred.py`; RFC 3515)": REFERRED,
    "A transfer (`sip/transfer.py`; RFC 5589)": TRANSFER,
    "Registration (`sip/registration.py`; RFC 3261 section 10)": REGISTRATION,
    "The agent's turn (`agent/turn.py`)": TURN,
}


def page() -> str:
    """Return docs/machines.md as the tables have it now."""
    return "\n".join([INTRODUCTION, *(f"## {title}\n\n{drawing(table)}\n" for title, table in MACHINES.items())])


def drawing(table: Mapping[tuple[Enum, Enum], tuple[Enum, Any]]) -> str:
    """Return a table {(state, input): (state, action or actions)} as a Mermaid state diagram."""
    arrows = [f"    {_word(before)} --> {_word(after)}: {_label(what, done)}"
              for (before, what), (after, done) in table.items()]  # fmt: skip
    return "\n".join(["```mermaid", "stateDiagram-v2", *arrows, "```"])


def _word(state: Enum) -> str:
    return state.name.lower()


def _label(what: Enum, done: Any) -> str:
    actions = done if isinstance(done, tuple) else (done,)
    said = [str(action.value) for action in actions if action.name != "NOTHING"]
    label = str(what.value) + (f" / {', '.join(said)}" if said else "")
    return label.replace(":", ",")  # Mermaid ends a label at a second colon


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
