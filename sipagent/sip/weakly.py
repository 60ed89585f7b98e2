"""Callbacks that do not keep whom they call.

A session knows its parts, and they tell it what happens. Were both held, each call that is over would wait for the
garbage collector, which stops all others.
"""

from collections.abc import Callable
from typing import ParamSpec
from weakref import WeakMethod

P = ParamSpec("P")


def weakly(method: Callable[P, None]) -> Callable[P, None]:
    """Return what calls the bound `method` as long as its object is held by somebody, and then does nothing."""
    known = WeakMethod(method)

    def call(*args: P.args, **kwargs: P.kwargs) -> None:
        if (found := known()) is not None:
            found(*args, **kwargs)

    return call
