"""The command line: each command reads files, calls the function of the same name, writes files.

Nobody imports it. One module for each organization's commands, `command_line` puts them together,
and `options` has what several share.
"""

from linkkit.cli.command_line import INTERNAL_ERROR, commands, main, run

__all__ = ["INTERNAL_ERROR", "commands", "main", "run"]
