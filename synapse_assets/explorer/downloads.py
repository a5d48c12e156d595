"""Tables as files to open in a spreadsheet."""

import csv
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

# A cell that begins so is a formula to spreadsheets, and may fetch or start something; the last four are full-width forms.
_COMPUTED = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def csv_text(rows: pd.DataFrame) -> str:
    """The rows as CSV with a header. A text that a spreadsheet would take as a formula begins with a quote; numbers stay.

    Every text is in quotation marks: otherwise some programs take a carriage return for the end of a row.
    """
    texts = rows.select_dtypes(exclude=["number", "bool"]).columns
    return rows.assign(**{str(name): rows[name].map(_as_text) for name in texts}).to_csv(
        index=False, quoting=csv.QUOTE_NONNUMERIC
    )


def plain_rows(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows for `csv_text`: maps and lists as JSON; whole numbers stay whole where some are missing."""
    table = pd.DataFrame([{name: _as_json(value) for name, value in row.items()} for row in rows]).convert_dtypes()
    return table.astype(dict.fromkeys(table.select_dtypes("string").columns, object))


def _as_json(value: object) -> object:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value


def _as_text(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_COMPUTED) else value
