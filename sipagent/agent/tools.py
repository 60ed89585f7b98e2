"""Tools: Python functions that a model may call, with a JSON schema made from their signature.

    @tool
    async def order_status(number: str) -> str:
        \"\"\"Tell where an order is, given its number.\"\"\"

A parameter annotated `Call` is given and is not in the schema. A plain `def` runs in a worker thread.
"""

import asyncio
import functools
import inspect
import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, get_type_hints, overload

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

log = logging.getLogger("sipagent.tools")

TIMEOUT = 20.0
"""Seconds that a tool may take."""
_CONFIG = ConfigDict(extra="forbid", protected_namespaces=())
"""A model may invent no arguments; a parameter may be called `model_year` without pydantic's warning."""


class Call:
    """Stands for `sipagent.Call` where annotations are evaluated: the real one may not be imported there."""


class Tool:
    """A function with its declaration. Calling it calls the function.

    Types may be str, int, float, bool, list, dict, Literal, Enum, Optional and whatever else pydantic knows;
    `Annotated[str, Field(description=…)]` describes a parameter. Raises TypeError for a parameter without a type.
    """

    def __init__(self, function: Callable[..., Any], *, name: str = "", timeout: float = TIMEOUT) -> None:
        self.function = function
        self.name = name or function.__name__
        self.timeout = timeout
        self.description = _first_paragraph(function)
        fields, self._call_names = _parameters(function)
        self._model: type[BaseModel] = create_model(self.name, __config__=_CONFIG, **fields)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    @functools.cached_property
    def declaration(self) -> Mapping[str, Any]:
        """What a model is told: `name`, `description`, and `parameters` as a JSON schema without references."""
        schema = self._model.model_json_schema()
        parameters = _inlined(schema, schema.get("$defs", {}))
        parameters.setdefault("properties", {})
        return {"name": self.name, "description": self.description, "parameters": parameters}

    async def run(self, arguments: Mapping[str, Any], call: object) -> str:
        """Call the function with a model's arguments; return its result, or what went wrong, as text for the model."""
        try:
            checked = self._model.model_validate(arguments)
        except ValidationError as wrong:
            return f"Error: {_sentence(wrong)}"
        given = {name: getattr(checked, name) for name in type(checked).model_fields}
        given |= dict.fromkeys(self._call_names, call)
        try:
            async with asyncio.timeout(self.timeout):
                return _text(await self._call(given))
        except TimeoutError:
            log.warning("tool %s took longer than %g s", self.name, self.timeout)
            return f"Error: {self.name} took too long."
        except Exception as error:  # a tool is a user's code: whatever it raises, the caller waits for an answer
            log.exception("tool %s failed", self.name)
            return f"Error: {self.name} failed ({type(error).__name__})."

    async def _call(self, given: Mapping[str, Any]) -> Any:
        if inspect.iscoroutinefunction(self.function):
            return await self.function(**given)
        return await asyncio.to_thread(self.function, **given)


ToolRunner = Callable[[Tool, Mapping[str, Any], object], Awaitable[str]]
"""Runs a tool with a model's arguments on a call, and returns its result as text."""


@overload
def tool(function: Callable[..., Any], /) -> Tool: ...
@overload
def tool(*, name: str = "", timeout: float = TIMEOUT) -> Callable[[Callable[..., Any]], Tool]: ...
def tool(
    function: Callable[..., Any] | None = None, /, *, name: str = "", timeout: float = TIMEOUT
) -> Tool | Callable[[Callable[..., Any]], Tool]:
    """Make a tool of a function: `@tool`, or `@tool(name=…, timeout=…)`."""
    if function is not None:
        return Tool(function)
    return lambda decorated: Tool(decorated, name=name, timeout=timeout)


def as_tools(functions: Sequence[Tool | Callable[..., Any]]) -> tuple[Tool, ...]:
    """Take tools, and plain functions as tools. Raises ValueError for a name that occurs twice."""
    tools = tuple(one if isinstance(one, Tool) else Tool(one) for one in functions)
    names = [one.name for one in tools]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"two tools are called {', '.join(sorted(twice))}")
    return tools


def _first_paragraph(function: Callable[..., Any]) -> str:
    paragraph = (inspect.getdoc(function) or "").split("\n\n")[0]
    return " ".join(paragraph.split())


def _parameters(function: Callable[..., Any]) -> tuple[dict[str, Any], list[str]]:
    """The fields of the arguments, and the names of those that take the call."""
    hints = get_type_hints(function, localns={"Call": Call}, include_extras=True)
    fields: dict[str, Any] = {}
    calls = []
    for name, parameter in inspect.signature(function).parameters.items():
        if name not in hints:
            raise TypeError(f"parameter {name} of tool {function.__name__} needs a type")
        if getattr(hints[name], "__name__", "") == "Call":
            calls.append(name)
        else:
            default = ... if parameter.default is parameter.empty else parameter.default
            fields[name] = (hints[name], default)
    return fields, calls


def _inlined(schema: Any, definitions: Mapping[str, Any]) -> Any:
    """Put definitions where they are referred to, and leave out the titles that pydantic adds."""
    if isinstance(schema, list):
        return [_inlined(part, definitions) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if reference := schema.get("$ref"):
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        return _inlined({**definitions[reference.rpartition("/")[2]], **rest}, definitions)
    kept = {
        key: value
        for key, value in schema.items()
        if key != "$defs" and not (key == "title" and isinstance(value, str))
    }
    return {key: _inlined(value, definitions) for key, value in kept.items()}


def _sentence(wrong: ValidationError) -> str:
    """Name each wrong argument and what is wrong with it; the value is the model's own."""
    return "; ".join(f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in wrong.errors())


def _text(result: object) -> str:
    if isinstance(result, str):
        return result
    return "Done." if result is None else json.dumps(result, ensure_ascii=False, default=str)
