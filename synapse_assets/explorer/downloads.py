"""Rows of a page as a table to download."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from synapse_assets.stores.spreadsheets import csv_text

__all__ = ["csv_text", "plain_rows"]


def plain_rows(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows for `csv_text`: maps and lists as JSON; whole numbers stay whole where some are missing."""
    table = pd.DataFrame([{name: _as_json(value) for name, value in row.items()} for row in rows]).convert_dtypes()
    return table.astype(dict.fromkeys(table.select_dtypes("string").columns, object))


def _as_json(value: object) -> object:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
