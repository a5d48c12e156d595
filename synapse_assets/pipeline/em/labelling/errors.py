"""Labels that a classifier of other groups contradicts: `label_errors`. The method is in `analysis.labelling.errors`."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.pipeline.report import Json, Report, Stopwatch
from synapse_assets.schema import SYNAPSE_PREDICTIONS
from synapse_assets.schema.labelling import LABEL_DECISIONS, LABEL_ERRORS, OF_CLASS
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.rows import content_key, labelled_synapses

BY_SOURCES, BY_PEOPLE = "sources", "people"


def find_label_errors(store: DatasetStore) -> Report:
    """Writes the labels that look wrong by the out-of-fold predictions of the classifier in use, the most suspicious first.

    A label of a class that the classifier does not know yet is left out. Without predictions there are no rows, and the report says so.
    """
    from synapse_assets.analysis.evaluation.predictions import probability_matrix
    from synapse_assets.analysis.labelling.errors import label_errors
    from synapse_assets.analysis.tables import current_rows, values_of

    watch = Stopwatch()
    synapses = labelled_synapses(store, ["target"])
    rows = current_rows(store.results(SYNAPSE_PREDICTIONS).read(), synapses)
    current = pc.equal(rows.column("classifier"), store.models("synapse_classifier").current or "")
    rows = rows.filter(pc.and_(rows.column("out_of_fold"), current)).sort_by("synapse_id")
    names, probabilities = probability_matrix(rows)
    ids = rows.column("synapse_id").to_pylist()
    targets = values_of(synapses, "target", ids)
    known = [place for place, target in enumerate(targets) if target in set(names.tolist())]
    ids, targets = [ids[place] for place in known], [targets[place] for place in known]
    found = label_errors(ids, targets, names.tolist(), probabilities[np.array(known, dtype=np.int64)])
    table = LABEL_ERRORS.conform(_with_origin(store, found, synapses))
    store.results(LABEL_ERRORS).write(table)
    by_class = {item["values"]: item["counts"] for item in table.column("target").value_counts().to_pylist()}
    return Report(
        details={
            "result": f"{table.num_rows:,} of {len(ids):,} labels look wrong"
            if ids
            else "no labelled synapse has an out-of-fold prediction of the classifier in use",
            "by_label": Json(dict(sorted(by_class.items()))),
        },
        seconds=watch.seconds,
        rows=table.num_rows,
        content_version=content_key(table),
    )


def _with_origin(store: DatasetStore, found: pa.Table, synapses: pa.Table) -> pa.Table:
    """`found` with the brain region of each, and whether the label is from people."""
    ids = found.column("synapse_id").combine_chunks()
    at = pc.index_in(ids, value_set=synapses.column("synapse_id").combine_chunks())
    decided = store.results(LABEL_DECISIONS).read(columns=["synapse_id", "decision"])
    decided = decided.filter(pc.equal(decided.column("decision"), OF_CLASS)).column("synapse_id").combine_chunks()
    origin = pc.if_else(pc.is_in(ids, value_set=decided), BY_PEOPLE, BY_SOURCES)
    regions = synapses.column("brain_region").combine_chunks().take(at)
    return found.append_column("brain_region", regions).append_column("origin", origin)
