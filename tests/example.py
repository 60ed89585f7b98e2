"""sip.conf.example, for every test that holds it to its word."""

from pathlib import Path

EXAMPLE = (Path(__file__).parents[1] / "sip.conf.example").read_text(encoding="utf-8")


def pbx_half(file: str) -> str:
    """Return what belongs into `file` of the PBX: the lines between `; >>> FILE` and `; <<<`, without their `; `."""
    lines = EXAMPLE.splitlines()
    begin = lines.index(f"; >>> {file}") + 1
    end = lines.index("; <<<", begin)
    return "".join(f"{line[2:]}\n" for line in lines[begin:end])
