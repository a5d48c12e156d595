"""Tables as text that spreadsheets open, where no cell computes anything, and cells as they were before that.

Which tables are given away belongs to `explorer` and `pipeline`.
"""

import csv
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

# A cell that begins so is a formula to spreadsheets, and may fetch or start something; the last four are full-width forms.
_COMPUTED = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def csv_text(rows: "pd.DataFrame") -> str:
    """The rows as CSV with a header. A text that a spreadsheet would take as a formula begins with a quote; numbers stay.

    Every text is in quotation marks: otherwise some programs take a carriage return for the end of a row.
    """
    texts = rows.select_dtypes(exclude=["number", "bool"]).columns
    return rows.assign(**{str(name): rows[name].map(_as_text) for name in texts}).to_csv(
        index=False, quoting=csv.QUOTE_NONNUMERIC
    )


def plain_rows(rows: Sequence[Mapping[str, Any]]) -> "pd.DataFrame":
    """Rows for `csv_text`: maps and lists as JSON; whole numbers stay whole where some are missing."""
    import pandas as pd

    table = pd.DataFrame([{name: _as_json(value) for name, value in row.items()} for row in rows]).convert_dtypes()
    return table.astype(dict.fromkeys(table.select_dtypes("string").columns, object))


def text_of_cell(cell: str) -> str:
    """The text that `csv_text` wrote as that cell."""
    return cell[1:] if cell.startswith("'") and _is_computed(cell) else cell


def _as_json(value: object) -> object:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value


def _as_text(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and _is_computed(value) else value


def _is_computed(text: str) -> bool:
    """Whether it is a formula, or would be read back as one: quotes before it are those of a person."""
    return text.lstrip("'").startswith(_COMPUTED)
