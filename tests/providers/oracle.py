"""The official SDKs' types as judges of the wire: what we send to a provider, and what its scripted double sends."""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, get_args

from cartesia.types import WebsocketClientEventParam
from cartesia.types.websocket_response import WebsocketResponse
from openai.types.realtime import RealtimeClientEventParam, RealtimeServerEvent
from pydantic import BaseModel, TypeAdapter

_CLIENT: TypeAdapter[Any] = TypeAdapter(RealtimeClientEventParam)
_CARTESIA_CLIENT: TypeAdapter[Any] = TypeAdapter(WebsocketClientEventParam)
_CARTESIA_SERVER: TypeAdapter[Any] = TypeAdapter(WebsocketResponse)


def check_openai_client(frame: Mapping[str, Any]) -> None:
    """A client event is valid, and has no key that the API does not know: those are dropped, and so would differ."""
    assert _listed(_CLIENT.validate_python(frame)) == frame


def check_openai_server(frame: Mapping[str, Any]) -> None:
    """A server event is valid for the one class that its type names."""
    _server_classes()[frame["type"]].model_validate(frame)


def check_cartesia_client(frame: Mapping[str, Any]) -> None:
    """A request to Cartesia is valid, and has no unknown key."""
    assert _listed(_CARTESIA_CLIENT.validate_python(frame)) == frame


def check_cartesia_server(frame: Mapping[str, Any]) -> None:
    """A frame of Cartesia is valid."""
    _CARTESIA_SERVER.validate_python(frame)


def _listed(value: Any) -> Any:
    """What pydantic validated, with the parts listed that it would only validate when they are iterated over."""
    if isinstance(value, Mapping):
        return {key: _listed(part) for key, part in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [_listed(part) for part in value]
    return value


@cache
def _server_classes() -> Mapping[str, type[BaseModel]]:
    classes: dict[str, type[BaseModel]] = {}
    for event in get_args(get_args(RealtimeServerEvent)[0]):
        (name,) = get_args(event.model_fields["type"].annotation)
        classes[name] = event
    return classes
