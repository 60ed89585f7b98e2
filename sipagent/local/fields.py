"""Tables of the fields that a provider's frames may have, and the check of a frame against them.

A `Check` takes a value and its place (`session.audio.input.format`), and raises `Refused` in the provider's terms.
Tables are written by hand from the providers' references, not taken from our own clients: a client's misreading
must not be agreed with here.
"""

from collections.abc import Callable, Mapping
from typing import Any

Check = Callable[[Any, str], None]


class Refused(Exception):
    """A frame is refused whole. `code` and `param` are what the provider's error carries."""

    def __init__(self, code: str, param: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.param = param
        self.message = message


def anything(value: Any, param: str) -> None:
    """Accept every value, unseen."""


def text(value: Any, param: str) -> None:
    """Accept a string."""
    _expect(isinstance(value, str), value, param, "a string")


def boolean(value: Any, param: str) -> None:
    """Accept true and false, not null."""
    _expect(isinstance(value, bool), value, param, "a boolean")


def mapping(value: Any, param: str) -> None:
    """Accept an object of any content."""
    _expect(isinstance(value, dict), value, param, "an object")


def number(low: float, high: float) -> Check:
    """Accept a number within the limits."""

    def check(value: Any, param: str) -> None:
        _expect(isinstance(value, int | float) and not isinstance(value, bool), value, param, "a number")
        if not low <= value <= high:
            raise Refused(
                "invalid_value", param, f"Invalid value for '{param}': expected {low} to {high}, got {value}."
            )

    return check


def integer(low: int, high: int) -> Check:
    """Accept a whole number within the limits."""
    within = number(low, high)

    def check(value: Any, param: str) -> None:
        _expect(isinstance(value, int) and not isinstance(value, bool), value, param, "an integer")
        within(value, param)

    return check


def choice(*allowed: Any) -> Check:
    """Accept one of the values given."""

    def check(value: Any, param: str) -> None:
        if value not in allowed or isinstance(value, bool):
            listed = ", ".join(f"'{each}'" for each in allowed)
            raise Refused("invalid_value", param, f"Invalid value: '{value}'. Supported values are: {listed}.")

    return check


def nullable(inner: Check) -> Check:
    """Accept null, and what `inner` accepts."""

    def check(value: Any, param: str) -> None:
        if value is not None:
            inner(value, param)

    return check


def either(*alternatives: Check) -> Check:
    """Accept what one of the alternatives accepts; the last one words the refusal."""

    def check(value: Any, param: str) -> None:
        for alternative in alternatives[:-1]:
            try:
                return alternative(value, param)
            except Refused:
                continue
        return alternatives[-1](value, param)

    return check


def listing(inner: Check) -> Check:
    """Accept a list whose every element `inner` accepts."""

    def check(value: Any, param: str) -> None:
        _expect(isinstance(value, list), value, param, "an array")
        for index, element in enumerate(value):
            inner(element, f"{param}[{index}]")

    return check


def record(fields: Mapping[str, Check], required: tuple[str, ...] = ()) -> Check:
    """Accept an object with these fields and no others."""

    def check(value: Any, param: str) -> None:
        _expect(isinstance(value, dict), value, param, "an object")
        for name in required:
            if name not in value:
                place = _join(param, name)
                raise Refused("missing_required_parameter", place, f"Missing required parameter: '{place}'.")
        for name, inside in value.items():
            place = _join(param, name)
            if name not in fields:
                raise Refused("unknown_parameter", place, f"Unknown parameter: '{place}'.")
            fields[name](inside, place)

    return check


def tagged(arms: Mapping[str, Check], tag: str = "type") -> Check:
    """Accept an object by the table that its tag names."""

    def check(value: Any, param: str) -> None:
        record({tag: choice(*arms)}, (tag,))(
            {tag: value[tag]} if isinstance(value, dict) and tag in value else value, param
        )
        arms[value[tag]]({name: inside for name, inside in value.items() if name != tag}, param)

    return check


def _expect(fits: bool, value: Any, param: str, expected: str) -> None:
    if not fits:
        got = "null" if value is None else type(value).__name__
        raise Refused("invalid_type", param, f"Invalid type for '{param}': expected {expected}, but got {got} instead.")


def _join(param: str, name: str) -> str:
    return f"{param}.{name}" if param else name
