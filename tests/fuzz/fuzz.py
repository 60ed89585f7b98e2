"""One target under libFuzzer, by atheris, in the environment of `make fuzz`.

.venv-fuzz/bin/python -m tests.fuzz.fuzz TARGET [OPTIONS AND CORPUS DIRECTORIES OF LIBFUZZER]
"""

import sys

import atheris

with atheris.instrument_imports(include=["sipagent", "tests"]):
    from tests.fuzz.targets import TARGETS

if __name__ == "__main__":
    name = sys.argv.pop(1)
    atheris.Setup(sys.argv, TARGETS[name])
    atheris.Fuzz()
