"""Tools: schemas from signatures, what reaches the function, what reaches the model."""

import asyncio
import logging
import threading
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pytest
from pydantic import Field

from sipagent.agent.agent import Agent
from sipagent.agent.tools import Tool, as_tools, tool
from sipagent.testing.clock import run

if TYPE_CHECKING:
    from sipagent.call import Call


class Size(Enum):
    SMALL = "small"
    LARGE = "large"


@tool
async def order(
    dish: str,
    size: Size,
    count: int = 1,
    price: float | None = None,
    extras: list[str] = [],  # noqa: B006 - a default that a tool's author may well write
    options: dict[str, bool] = {},  # noqa: B006
    pace: Annotated[Literal["slow", "fast"], Field(description="How soon.")] = "slow",
) -> dict[str, Any]:
    """Order a dish
    in our kitchen.

    This paragraph is for programmers.
    """
    return {"dish": dish, "size": size.name, "count": count}


def test_the_declaration_is_made_from_the_signature() -> None:
    assert order.declaration == {
        "name": "order",
        "description": "Order a dish in our kitchen.",
        "parameters": {
            "type": "object",
            "properties": {
                "dish": {"type": "string"},
                "size": {"enum": ["small", "large"], "type": "string"},
                "count": {"type": "integer", "default": 1},
                "price": {"anyOf": [{"type": "number"}, {"type": "null"}], "default": None},
                "extras": {"type": "array", "items": {"type": "string"}, "default": []},
                "options": {"type": "object", "additionalProperties": {"type": "boolean"}, "default": {}},
                "pace": {"enum": ["slow", "fast"], "type": "string", "default": "slow", "description": "How soon."},
            },
            "required": ["dish", "size"],
            "additionalProperties": False,
        },
    }


def test_arguments_become_what_the_signature_says() -> None:
    result = run(order.run({"dish": "soup", "size": "large", "count": "2"}, None))
    assert result == '{"dish": "soup", "size": "LARGE", "count": 2}'


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"size": "large"}, "dish: Field required"),
        ({"dish": "soup", "size": "huge"}, "size: Input should be 'small' or 'large'"),
        ({"dish": "soup", "size": "small", "spoon": 1}, "spoon: Extra inputs are not permitted"),
    ],
)
def test_wrong_arguments_are_told_to_the_model(arguments: dict[str, Any], words: str) -> None:
    assert run(order.run(arguments, None)) == f"Error: {words}"


def test_a_call_is_given_and_is_not_in_the_schema() -> None:
    @tool
    async def caller(number: str, call: "Call") -> str:
        """Tell who calls."""
        return f"{number} {call.caller}"

    class FakeCall:
        caller = "sip:6002@pbx"

    assert list(caller.declaration["parameters"]["properties"]) == ["number"]
    assert run(caller.run({"number": "7"}, FakeCall())) == "7 sip:6002@pbx"


def test_a_plain_function_runs_in_a_worker_thread() -> None:
    @tool
    def where() -> str:
        """Tell the thread."""
        return threading.current_thread().name

    assert run(where.run({}, None)) != threading.main_thread().name


@pytest.mark.parametrize(("result", "text"), [(None, "Done."), ("as it is", "as it is"), ([1, "ä"], '[1, "ä"]')])
def test_results_as_text(result: object, text: str) -> None:
    @tool
    async def give() -> object:
        """Give it."""
        return result

    assert run(give.run({}, None)) == text


def test_what_a_tool_raises_is_logged_once_and_told_without_its_words(caplog: pytest.LogCaptureFixture) -> None:
    @tool
    async def fail() -> None:
        """Fail."""
        raise LookupError("password=hunter2")

    with caplog.at_level(logging.ERROR):
        assert run(fail.run({}, None)) == "Error: fail failed (LookupError)."
    assert len(caplog.records) == 1


def test_a_tool_that_takes_too_long() -> None:
    @tool(name="dawdle", timeout=5)
    async def slow() -> None:
        """Dawdle."""
        await asyncio.sleep(60)

    async def script() -> float:
        assert await slow.run({}, None) == "Error: dawdle took too long."
        return asyncio.get_running_loop().time()

    assert run(script()) == 5


def test_a_tool_is_still_a_function() -> None:
    @tool
    def double(number: int) -> int:
        """Double it."""
        return number * 2

    assert double(4) == 8


@pytest.mark.filterwarnings("error")
def test_a_parameter_may_be_called_as_pydantic_calls_its_own() -> None:
    @tool
    def look_up(model_year: int) -> str:
        """Look it up."""
        return str(model_year)

    assert run(look_up.run({"model_year": 1964}, None)) == "1964"


def test_a_parameter_needs_a_type() -> None:
    def untyped(number):  # type: ignore[no-untyped-def]
        """Do it."""

    with pytest.raises(TypeError, match="parameter number of tool untyped needs a type"):
        Tool(untyped)


def test_names_are_unique_and_hang_up_is_ours() -> None:
    def one() -> None:
        """One."""

    def hang_up() -> None:
        """Hang up."""

    with pytest.raises(ValueError, match="two tools are called one"):
        as_tools([one, one])
    with pytest.raises(ValueError, match="hang_up is there already"):
        Agent(tools=[hang_up])
    assert [known.name for known in as_tools(Agent(tools=[one]).tools)] == ["one"]
