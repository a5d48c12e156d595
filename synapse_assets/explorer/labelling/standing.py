"""What of the answers to a batch its page needs while people answer: one's own, and what others have answered.

Decisions and agreement belong to `analysis.labelling`, how far a round is to `pipeline.labelling.rounds`.
"""

from dataclasses import dataclass

import pyarrow as pa

from synapse_assets.analysis.labelling.decisions import standing_answers
from synapse_assets.schema.labelling import SKIP


@dataclass(frozen=True)
class Given:
    """A standing answer of a person: its id, and what it says."""

    answer_id: str
    answer: str


def own(rows: pa.Table, person: str) -> dict[str, Given]:
    """A person's standing answers by item, the last one last. rows: of `ANNOTATIONS`, in the order of the log."""
    columns = (standing_answers(rows).column(name).to_pylist() for name in ("item", "annotator", "answer_id", "answer"))
    return {item: Given(*given) for item, name, *given in zip(*columns, strict=True) if name == person}


def others(rows: pa.Table, person: str) -> set[str]:
    """What somebody else has answered about and not skipped."""
    columns = (standing_answers(rows).column(name).to_pylist() for name in ("item", "annotator", "answer"))
    return {item for item, name, answer in zip(*columns, strict=True) if name != person and answer != SKIP}
