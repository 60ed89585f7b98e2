"""Which response of a Realtime conversation is running, which may still speak, and which is to come.

One response at a time runs in a conversation; a request while one runs is refused with
`conversation_already_has_active_response`. The server's own (after the caller's turn) may cross ours on the wire.

    FREE ── ask ─► ASKED ── created ─► RUNNING ── done ─► FREE
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any


class SlotState(Enum):
    FREE = "free"
    ASKED = "asked"
    """Our request is on its way."""
    RUNNING = "running"


class SlotInput(Enum):
    ASK = "ask"
    CREATED = "created"
    DONE = "done"
    REFUSED = "refused"


class SlotAction(Enum):
    NOTHING = "nothing"
    SEND = "send"
    WAIT = "wait"
    NEXT = "next"


_TABLE = {
    (SlotState.FREE, SlotInput.ASK): (SlotState.ASKED, SlotAction.SEND),
    (SlotState.ASKED, SlotInput.ASK): (SlotState.ASKED, SlotAction.WAIT),
    (SlotState.RUNNING, SlotInput.ASK): (SlotState.RUNNING, SlotAction.WAIT),
    (SlotState.FREE, SlotInput.CREATED): (SlotState.RUNNING, SlotAction.NOTHING),
    (SlotState.ASKED, SlotInput.CREATED): (SlotState.RUNNING, SlotAction.NOTHING),
    (SlotState.RUNNING, SlotInput.CREATED): (SlotState.RUNNING, SlotAction.NOTHING),
    (SlotState.FREE, SlotInput.DONE): (SlotState.FREE, SlotAction.NEXT),
    (SlotState.ASKED, SlotInput.DONE): (SlotState.FREE, SlotAction.NEXT),
    (SlotState.RUNNING, SlotInput.DONE): (SlotState.FREE, SlotAction.NEXT),
    # refused: one was running that we had not seen; if its end has come already, ask again at once
    (SlotState.FREE, SlotInput.REFUSED): (SlotState.ASKED, SlotAction.SEND),
    (SlotState.ASKED, SlotInput.REFUSED): (SlotState.RUNNING, SlotAction.WAIT),
    (SlotState.RUNNING, SlotInput.REFUSED): (SlotState.RUNNING, SlotAction.WAIT),
}


@dataclass(frozen=True, slots=True)
class Request:
    """A response that we want. `number` finds it again: it travels as metadata, and in the event id."""

    number: int
    instructions: str | None = None

    def frame(self) -> Mapping[str, Any]:
        """The client event, to be serialised."""
        response: dict[str, Any] = {"metadata": {"request": str(self.number)}}
        if self.instructions is not None:
            response["instructions"] = self.instructions
        return {"type": "response.create", "event_id": f"response-{self.number}", "response": response}


class Responses:
    """The slot, its queue, and the dead: responses that were cut off and must not be heard of again."""

    def __init__(self) -> None:
        self.state = SlotState.FREE
        self.active = ""
        """The id of the running response; empty while none is known."""
        self._count = 0
        self._asked: Request | None = None
        self._waiting: deque[Request] = deque()
        self._unwanted: set[int] = set()
        self._known: set[str] = set()
        self._dead: set[str] = set()

    def ask(self, instructions: str | None) -> list[Request]:
        """Want a response; returns what to send now. Two plain wishes in the queue are one."""
        if instructions is None and any(request.instructions is None for request in self._waiting):
            return []
        self._count += 1
        return self._step(SlotInput.ASK, Request(self._count, instructions))

    def created(self, response_id: str, request: str | None) -> bool:
        """A response has begun; `request` is its metadata's number. True when it was given up meanwhile: cancel it."""
        self._step(SlotInput.CREATED)
        self.active = response_id
        self._known.add(response_id)
        if request is None:
            return False
        if self._asked is not None and request == str(self._asked.number):
            self._asked = None
        unwanted = request.isdecimal() and int(request) in self._unwanted
        if unwanted:
            self._dead.add(response_id)
        return unwanted

    def done(self, response_id: str) -> list[Request]:
        """A response is over; returns what to send next. The end of one that is not the running one changes nothing."""
        self._known.add(response_id)
        if self.active and response_id != self.active:
            return []
        self.active = ""
        return self._step(SlotInput.DONE)

    def refused(self, number: int) -> list[Request]:
        """Our request met a running response; it is asked again after that one."""
        if self._asked is None or self._asked.number != number:
            return []
        request, self._asked = self._asked, None
        if number in self._unwanted:
            return []
        return self._step(SlotInput.REFUSED, request)

    def interrupt(self, *, forget_waiting: bool) -> None:
        """Everything so far is dead: the running response, the one on its way and, if asked for, the waiting ones."""
        self._dead |= self._known
        if self._asked is not None:
            self._unwanted.add(self._asked.number)
        if forget_waiting:
            self._waiting.clear()

    def is_dead(self, response_id: str) -> bool:
        """Was it cut off?"""
        return response_id in self._dead

    def reset(self) -> None:
        """A new session: nothing runs in it, and what ran in the old one is dead."""
        self._dead |= self._known
        self._asked = None
        self._waiting.clear()
        self.state, self.active = SlotState.FREE, ""

    def _step(self, what: SlotInput, request: Request | None = None) -> list[Request]:
        self.state, action = _TABLE[self.state, what]
        if action is SlotAction.SEND:
            self._asked = request
            return [request] if request else []
        if action is SlotAction.WAIT and request is not None:
            self._waiting.append(request)
        if action is SlotAction.NEXT:
            self._asked = None
            if self._waiting:
                return self._step(SlotInput.ASK, self._waiting.popleft())
        return []
