"""Every command with its arguments and options, from the Typer app, as its `--help` shows them."""

from typing import Any

import typer
import typer.main
from markdown import code, escaped, table

from synapse_assets.cli import app

_NAME = "synapse-assets"
# What Typer gives to every command.
_OF_ALL = ("help", "install_completion", "show_completion")


def markdown() -> str:
    """A section a command, those of a group below it."""
    return "\n\n".join(_sections(typer.main.get_command(app), _NAME, 1))


def _sections(command: Any, path: str, level: int) -> list[str]:
    context = typer.Context(command, info_name=path)
    parts = [] if level == 1 else [f"{'#' * level} `{path.removeprefix(_NAME + ' ')}`"]
    parts += [escaped(paragraph) for paragraph in (command.help or "").split("\n\n")]
    subcommands = command.list_commands(context) if hasattr(command, "commands") else []
    if not subcommands:
        parts.append(f"```text\n{' '.join([path, *command.collect_usage_pieces(context)])}\n```")
    params = [param for param in command.params if param.name not in _OF_ALL]
    records = [record for param in params if (record := param.get_help_record(context)) is not None]
    if records:
        parts.append(table(("", "meaning"), [(code(name), escaped(meaning)) for name, meaning in records]))
    if examples := [line for line in (command.epilog or "").replace("`", "").split("\n") if line.startswith(_NAME)]:
        parts.append("```sh\n" + "\n".join(examples) + "\n```")
    for name in subcommands:
        parts += _sections(command.commands[name], f"{path} {name}", level + 1)
    return parts
