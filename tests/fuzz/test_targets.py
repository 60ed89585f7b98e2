"""The fuzzer's targets without the fuzzer: the committed inputs, and those that once broke a promise."""

from pathlib import Path

import pytest

from tests.fuzz.seeds import CORPUS, seeds
from tests.fuzz.targets import TARGETS

FINDINGS = {
    "a ping after a length that cannot be read": (
        "framing",
        b"\x00OPTIONS sip:us@192.0.2.1 SIP/2.0\r\nl: six\r\n\r\n\r\n\r\n",
    ),
}
"""What it was, the target, and the input, cut down to what matters."""


@pytest.mark.parametrize(("target", "data"), FINDINGS.values(), ids=FINDINGS)
def test_what_was_found_stays_mended(target: str, data: bytes) -> None:
    TARGETS[target](data)


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*/*")), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_corpus_breaks_no_promise(path: Path) -> None:
    TARGETS[path.parent.name](path.read_bytes())


def test_the_corpus_holds_every_seed() -> None:
    assert {(target, name): data for target, name, data in seeds()}.items() <= {
        (path.parent.name, path.name): path.read_bytes() for path in CORPUS.glob("*/*")
    }.items()
    assert {target for target, _, _ in seeds()} == set(TARGETS)
