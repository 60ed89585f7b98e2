"""A stream of events with two doors: handlers (`on`, `off`) and iterators (`subscribe`)."""

import asyncio
import contextvars
import inspect
from collections import deque
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from sipagent.events import Event, ProviderEvent

E = TypeVar("E", bound=Event)
Handler = Callable[[E], object]

BACKLOG = 256
"""Events kept for the first subscriber: a scenario that is late to listen misses nothing but audio."""
AUDIO = 2048
"""Characters in one field of a provider's frame from which on it is audio: kept, it would be most of a call."""


@dataclass(frozen=True, slots=True)
class _Listener:
    """A handler with the context of whoever named it: there it may use what its scenario may use."""

    kind: type[Event]
    handler: Handler[Any]
    context: contextvars.Context


class EventStream:
    """Delivers every published event, in order, to each handler of its type and to each subscriber.

    A handler may be a coroutine function; it then runs as a task. Either way it runs in the context in which it was
    named. What a handler raises goes to `failed`, and neither stops the other handlers nor reaches whoever published.
    """

    def __init__(self, failed: Callable[[BaseException], None]) -> None:
        self._failed = failed
        self._listeners: list[_Listener] = []
        self._queues: list[asyncio.Queue[Event | None]] = []
        self._backlog: deque[Event] | None = deque(maxlen=BACKLOG)
        self._tasks: set[asyncio.Task[object]] = set()
        self._closed = False

    def on(self, kind: type[E], handler: Handler[E]) -> None:
        """Call `handler` with each event of `kind` (`Event` for all). Raises TypeError for what cannot be called."""
        if not callable(handler):
            raise TypeError(f"a handler must be callable, not {type(handler).__name__}")
        if not (isinstance(kind, type) and issubclass(kind, Event)):
            raise TypeError(f"events are named by their class, such as SpeechStarted, not {kind!r}")
        self._listeners.append(_Listener(kind, handler, contextvars.copy_context()))

    def off(self, kind: type[E], handler: Handler[E] | None = None) -> None:
        """Remove `handler`, or every handler of `kind`; removing what is not there is no error."""
        self._listeners = [
            listener
            for listener in self._listeners
            if listener.kind is not kind or handler not in (None, listener.handler)
        ]

    def publish(self, event: Event) -> None:
        """Deliver `event`; handlers have run, and subscribers can read it, when this returns."""
        if self._closed:
            return
        self._keep(event)
        for listener in tuple(self._listeners):
            self._tell(listener, event)

    def finish(self, event: Event) -> None:
        """Deliver the last event, and end every iterator once it has read it. Later events go nowhere.

        Who listens longest is told last: what others publish on hearing of the end comes before it. Then every listener
        is let go, and with it what it knows.
        """
        if self._closed:
            return
        for listener in reversed(self._listeners):
            self._tell(listener, event)
        self._keep(event)
        self._closed = True
        self._listeners.clear()
        for queue in self._queues:
            queue.put_nowait(None)

    async def handled(self, patience: float) -> None:
        """Wait until the handlers that run as tasks are through; after `patience` seconds cancel them."""
        try:
            if self._tasks:
                await asyncio.wait(set(self._tasks), timeout=patience)
        finally:
            for task in self._tasks:
                task.cancel()

    def subscribe(self) -> AsyncGenerator[Event, None]:
        """Iterate over the events from now on, until the last; the first subscriber also gets those so far."""
        queue: asyncio.Queue[Event | None] = asyncio.Queue()
        for event in self._backlog or ():
            queue.put_nowait(event)
        self._backlog = None
        if self._closed:
            queue.put_nowait(None)
        self._queues.append(queue)
        return self._drain(queue)

    def forget(self) -> None:
        """Nobody will subscribe who wants to know what happened so far: keep no events."""
        self._backlog = None

    async def _drain(self, queue: "asyncio.Queue[Event | None]") -> AsyncGenerator[Event, None]:
        try:
            while (event := await queue.get()) is not None:
                yield event
        finally:
            self._queues.remove(queue)

    def _keep(self, event: Event) -> None:
        if self._backlog is not None and not _is_audio(event):
            self._backlog.append(event)
        for queue in self._queues:
            queue.put_nowait(event)

    def _tell(self, listener: _Listener, event: Event) -> None:
        if not isinstance(event, listener.kind):
            return
        context = listener.context.copy()  # one handler may be running already, and publish what it is told of again
        try:
            result = context.run(listener.handler, event)
        except Exception as error:  # a scenario's code: it fails its own call, not whoever published
            self._failed(error)
            return
        if inspect.iscoroutine(result):
            task = asyncio.get_running_loop().create_task(result, context=context)
            self._tasks.add(task)
            task.add_done_callback(self._finished)

    def _finished(self, task: "asyncio.Task[object]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failed(error)


def _is_audio(event: Event) -> bool:
    return isinstance(event, ProviderEvent) and any(
        isinstance(field, str) and len(field) >= AUDIO for field in event.data.values()
    )
