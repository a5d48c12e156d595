"""Cells compute nothing in a spreadsheet, and are read back as they were."""

import io

import pandas as pd
import pytest

from synapse_assets.stores.spreadsheets import csv_text, plain_rows, text_of_cell

TEXTS = ["=1", "'=1", "''=1", "'", "'x", "x", "", "-", "+", "@a", "\t=", "\n", "\r", "＝1", "'＠", "it's", "é\n=1"]


def test_every_text_is_read_back_as_it_was() -> None:
    text = csv_text(pd.DataFrame({"text": TEXTS, "number": [-1.5] * len(TEXTS)}))
    cells = pd.read_csv(io.StringIO(text, newline=""), dtype=str, keep_default_na=False)
    assert [text_of_cell(cell) for cell in cells["text"]] == TEXTS
    assert set(cells["number"]) == {"-1.5"}


@pytest.mark.parametrize("text", [text for text in TEXTS if text.lstrip("'")[:1] in set("=-+@\t\n\r＝＠") - {""}])
def test_a_cell_that_would_compute_begins_with_a_quote(text: str) -> None:
    cells = pd.read_csv(io.StringIO(csv_text(pd.DataFrame({"text": [text]})), newline=""), dtype=str)
    assert cells["text"][0].startswith("'")


def test_maps_are_json_and_whole_numbers_stay_whole() -> None:
    text = csv_text(plain_rows([{"votes": {"gaba": 1}, "cluster": 7}, {"votes": ["=1"], "cluster": None}]))
    assert text == '"votes","cluster"\n"{""gaba"": 1}",7\n"[""=1""]",""\n'
