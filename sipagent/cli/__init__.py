"""The command line. Each command is one file; exit codes are frozen (docs/cli.md).

0 ok · 1 a call or check failed · 2 usage or configuration · 3 registration · 4 a quality bar missed · 130 interrupted
"""

import click

from sipagent.cli.bench import bench
from sipagent.cli.check import check
from sipagent.cli.demo import demo
from sipagent.cli.dial import dial
from sipagent.cli.replay import replay
from sipagent.cli.run import run


class _Group(click.Group):
    """Lists commands in the order in which one meets them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="sipagent", prog_name="sipagent")
def main() -> None:
    """A telephone with an AI agent inside."""


for command in (demo, run, check, dial, replay, bench):
    main.add_command(command)
