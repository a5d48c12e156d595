"""From the log of answers to `annotations`: the rows of one round, as they were given."""

from collections import Counter

import pyarrow.compute as pc

from synapse_assets.pipeline.report import Json, Report, Stopwatch
from synapse_assets.schema.labelling import ANNOTATIONS
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.rows import content_key

NO_ANSWERS = "none"
"""Version of a round that nobody has answered in."""


def log_version(store: DatasetStore, round: str) -> str:
    """Content version of what the log holds of a round."""
    return store.annotation_log.rounds().get(round, NO_ANSWERS)


def read_round(store: DatasetStore, round: str) -> Report:
    """Writes the rows that the log has of a round; none is a table of no rows."""
    watch = Stopwatch()
    # Read before the rows: an answer that comes in between makes it another version the next time.
    version = log_version(store, round)
    rows = ANNOTATIONS.conform(store.annotation_log.rows(round))
    store.results(ANNOTATIONS).write_partition(round, rows, {"log": version})
    kinds = Counter(rows.column("kind").to_pylist())
    return Report(
        details={
            "people": len(pc.unique(rows.column("annotator"))),
            "items": len(pc.unique(rows.column("item"))),
            "kinds": Json(dict(sorted(kinds.items()))),
        },
        seconds=watch.seconds,
        rows=rows.num_rows,
        content_version=content_key(rows.select(["answer_id"])),
    )
