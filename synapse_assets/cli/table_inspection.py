"""The command `inspect`: what a table is."""

from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from synapse_assets.errors import SynapseAssetsError

# Columns that `inspect` shows a line each, so that everything fits one screen.
_COLUMNS_SHOWN = 14


def inspect(
    file: Annotated[str, typer.Argument(help="CSV, TSV, Parquet, Feather, JSON, SQLite or an Excel workbook.")],
    header: Annotated[
        str | None, typer.Option(help="Names of the columns, with commas, for text without them.")
    ] = None,
    table: Annotated[str | None, typer.Option(help="Table of an SQLite file, or sheet of a workbook.")] = None,
) -> None:
    """Say what a table of yours is, and print the lines to paste into a dataset file.

    Shows its format, columns, units, regions and problems. Reads it, and changes nothing.
    """
    from rich.table import Table
    from rich.text import Text

    from synapse_assets.sources.inspect import inspect_file

    console = Console(highlight=False)
    try:
        inspected = inspect_file(file, header.split(",") if header else None, table)
    except SynapseAssetsError as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        raise typer.Exit(2) from error
    facts = Table.grid(padding=(0, 2))
    for label, text in inspected.facts():
        facts.add_row(f"[bold]{label}[/bold]", escape(text))
    for problem in inspected.problems:
        facts.add_row("[bold yellow]note[/bold yellow]", escape(problem))
    console.print(facts)
    columns = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for title in ("column", "type", "examples", "empty"):
        # Users copy the names: the examples give way first.
        width = {
            "column": max((len(column.name) for column in inspected.columns[:_COLUMNS_SHOWN]), default=6),
            "empty": 5,
        }
        columns.add_column(
            title,
            no_wrap=title != "examples",
            overflow="ellipsis",
            justify="right" if title == "empty" else "left",
            min_width=width.get(title),
        )
    first_columns = inspected.columns[:_COLUMNS_SHOWN]
    for column in first_columns:
        examples = Text(", ".join(column.examples), no_wrap=True, overflow="ellipsis")
        columns.add_row(escape(column.name), escape(column.type), examples, f"{column.empty or ''}")
    console.print(columns)
    if len(inspected.columns) > len(first_columns):
        other_names = ", ".join(column.name for column in inspected.columns[len(first_columns) :])
        console.print(
            f"and {len(inspected.columns) - len(first_columns)} more: {other_names}", markup=False, soft_wrap=True
        )
    if inspected.source:
        destinations = {
            "morphology": "below its name, title and description",
            "published_labels": "beside its workbooks, chain: morphology",
        }
        destination = destinations.get(inspected.format or "", "volume: the name of yours")
        console.print(f"[bold]for a dataset's YAML[/bold] ({destination})")
        console.print(inspected.source, markup=False, soft_wrap=True, end="")
