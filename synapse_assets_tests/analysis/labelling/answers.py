"""Answers as people give them, as rows of the table of annotations."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from synapse_assets.schema.labelling import ANNOTATIONS

START = datetime(2026, 1, 1, tzinfo=UTC)
CLASSES = ["gaba", "glutamate", "acetylcholine"]


def given(*rows: tuple[str, str, str | None] | tuple[str, str, str | None, dict[str, Any]]) -> pa.Table:
    """Rows of (annotator, item, answer) and, where they differ, other columns; answer_id is a0, a1, ... in their order."""
    return pa.Table.from_pylist(
        [
            {
                **dict.fromkeys(ANNOTATIONS.names),
                "round": "round-1",
                "answer_id": f"a{number}",
                "given_at": START + timedelta(seconds=number),
                "annotator": who,
                "kind": "answer",
                "item": item,
                "answer": answer,
                "origin": "random",
                "tile_hash": f"tile of {item}",
                "guess_seen": False,
                **(more[0] if more else {}),
            }
            for number, (who, item, answer, *more) in enumerate(rows)
        ],
        schema=ANNOTATIONS.arrow,
    )


def undo(answer_id: str) -> dict[str, Any]:
    return {"kind": "undo", "undoes": answer_id}


def known(items: Sequence[str]) -> pa.Table:
    """The synapses of a dataset, with the tiles that `given` shows."""
    return pa.table(
        {
            "synapse_id": list(items),
            "brain_region": ["A"] * len(items),
            "tile_hash": [f"tile of {item}" for item in items],
        },
        schema=pa.schema([("synapse_id", pa.string()), ("brain_region", pa.string()), ("tile_hash", pa.string())]),
    )
