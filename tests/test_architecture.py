"""The shape of the house, read from the syntax tree: who may import whom, and what is pure."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import sipagent

PACKAGE = Path(__file__).parents[1] / "sipagent"
MODULES = sorted(PACKAGE.rglob("*.py"))

LEAVES = {"errors", "events"}
CORE = {"sip", "sdp", "rtp", "audio"}
CALL = {
    *("active", "call", "call_media", "destinations", "diversions", "enrolment", "following", "line", "lines"),
    *("measured", "performance", "playback", "reach", "ringback", "ringing", "stream", "tap", "terms", "transfer"),
    *("trunk", "world"),
}
"""The parts of a call: one house with the phone, in rooms of their own to be read one by one."""
TOP = {"bench", "cli", "console", "capture", "testing", "service", "__init__", "__main__"}
"""May import everything, but for ENTRANCES."""
ENTRANCES = {"cli": {"__main__", "cli"}, "console": {"cli", "console"}, "bench": {"bench", "cli"}}
"""What only these may import: the program is not the library's."""

ARROWS: dict[str, set[str]] = {
    "errors": set(),
    "events": set(),
    "sip": set(),
    "sdp": set(),
    "rtp": set(),
    "audio": set(),
    "media": {"rtp", "audio"},
    "recorder": {"media", "audio"},
    "net": {"sip", "rtp", "media", "agent.interfaces"},
    "agent": {"audio"},
    "providers": {"agent.interfaces", "agent.heard", "audio"},
    "local": {"audio"},
    "config": {"sip"},
    "stream": set(),
    "line": {"agent.interfaces", "sdp", "sip"},
    "measured": {"media", "rtp.quality"},
    "ringback": {"agent.interfaces", "audio", "line"},
    "transfer": {"call", "ringing", "sip"},
    "active": {"call", "call_media", "following", "line", "ringing"},
    "diversions": {"active", "call", "ringing", "destinations", "following", "line", "sip", "transfer"},
    "following": {"call", "line", "sip"},
    "destinations": {"config", "sip"},
    "event_loop": set(),
    "memory": set(),
    "playback": {"agent.interfaces", "audio"},
    "keys": set(),
    "presses": set(),
    "progress": {"audio"},
    "ringing": {"agent.interfaces", "call", "line", "stream"},
    "call": {
        "agent.interfaces",
        "keys",
        "line",
        "playback",
        "presses",
        "progress",
        "ringback",
        "sdp",
        "sip.origin",
        "sip.transfer",
        "stream",
        "transfer",
    },
    "call_media": {"agent.interfaces", "audio", "media", "recorder", "sdp"},
    "tap": {"agent.interfaces", "media", "sip"},
    "terms": {"config", "sdp", "tap"},
    "world": {"agent", "config", "media", "net", "recorder", "sip"},
    "reach": {"config", "net", "sip"},
    "enrolment": {"config", "line", "reach", "sip"},
    "trunk": {"config", "sip"},
    "lines": {"config", "enrolment", "line", "net", "reach", "sip", "trunk", "world"},
    "performance": {"audio", "call", "playback", "ringing"},
    "clips": {"agent", "audio", "local"},
    "pipelines": {"agent", "audio", "call", "clips", "config", "performance", "playback", "providers", "ringing"},
    "switchboard": {*CALL, *CORE, "agent", "clips", "config", "media", "net"},
    "phone": {*CALL, *CORE, "agent", "config", "net", "pipelines", "switchboard"},
    "call_files": set(),
    "record": set(),
    "caller": {"audio", "call"},
}
"""What each part may import, beside itself and the leaves."""

IMPURE = {
    *("asyncio", "concurrent", "multiprocessing", "queue", "signal", "subprocess", "threading"),
    *("select", "selectors", "socket", "ssl"),
    *("io", "logging", "os", "pathlib", "shutil", "tempfile"),
    *("random", "secrets", "time", "uuid"),
}
PURE_AGENT = {"turn.py", "phrases.py"}
PURE = [
    module
    for module in MODULES
    if module.relative_to(PACKAGE).parts[0] in CORE or (module.parent.name == "agent" and module.name in PURE_AGENT)
]
LIBRARIES = {"audio": {"numpy", "av"}, "rtp": {"numpy", "pylibsrtp"}}


def part_of(module: Path) -> str:
    """The package, or the module beside the packages, that a file belongs to."""
    return module.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(module: Path) -> Iterator[str]:
    """Full names of all that a file imports, at its top or inside a function; `from x import y` gives x.y."""
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module.name}:{node.lineno}: imports are absolute here"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def inner_imports(module: Path) -> Iterator[str]:
    """What a file imports of this package, without the package's name."""
    return (name.removeprefix("sipagent.") for name in imports(module) if name.startswith("sipagent."))


def may_import(part: str, name: str) -> bool:
    """Whether an arrow leads from `part` to `name`, which is dotted: `agent.interfaces.Close`."""
    target = name.partition(".")[0]
    if target == part or target in LEAVES:
        return part not in LEAVES
    if part in TOP:
        return part in ENTRANCES.get(target, {part})
    return any(f"{name}.".startswith(f"{allowed}.") for allowed in ARROWS[part])


def named(module: Path) -> str:
    return str(module.relative_to(PACKAGE))


@pytest.mark.parametrize("module", MODULES, ids=named)
def test_imports_follow_the_arrows(module: Path) -> None:
    part = part_of(module)
    assert part in TOP or part in ARROWS, f"{part} is new: give it its place in ARROWS"
    assert [name for name in inner_imports(module) if not may_import(part, name)] == []


@pytest.mark.parametrize("module", PURE, ids=named)
def test_the_core_has_no_clock_socket_thread_or_file(module: Path) -> None:
    assert {name.partition(".")[0] for name in imports(module)} & IMPURE == set()
    assert set(plain_calls(module)) & {"open", "print", "input"} == set()


@pytest.mark.parametrize("module", PURE, ids=named)
def test_the_core_uses_only_the_libraries_meant_for_it(module: Path) -> None:
    foreign = {name.partition(".")[0] for name in imports(module)} - sys.stdlib_module_names - {"sipagent"}
    assert foreign <= LIBRARIES.get(part_of(module), set())


def plain_calls(module: Path) -> Iterator[str]:
    """Names of the functions that a file calls by their bare name."""
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id


def test_there_is_a_core_to_be_tested() -> None:
    assert {part_of(module) for module in PURE} >= CORE


def test_the_public_face_is_small_and_all_of_it_says_what_it_is_for() -> None:
    names = sipagent.__all__
    assert len(names) <= 25
    assert [name for name in names if not getattr(sipagent, name).__doc__] == []
