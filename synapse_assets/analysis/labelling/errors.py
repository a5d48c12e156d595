"""Labels that look wrong: a model that did not see them contradicts them, more than its own uncertainty explains.

The model's probabilities are made out of fold elsewhere (`analysis.evaluation.cross_validation`); what people decide about the labels is
in `decisions`.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synapse_assets.errors import BadInput

_SUM_TOLERANCE = 1e-3


def label_errors(
    ids: Sequence[str], targets: Sequence[str], classes: Sequence[str], probabilities: npt.NDArray[np.floating]
) -> pa.Table:
    """The labels that look wrong, the most suspicious first: rank, synapse_id, target, predicted, label_probability and
    predicted_probability of `LABEL_ERRORS`.

    ids, targets (N,) synapses and their labels; probabilities (N, C) of `classes`, from a model that was fitted without them. Rows that
    are not finite were in no fold and are left out. Method: confident learning (Northcutt et al. 2021, doi 10.1613/jair.1.12125), as in
    cleanlab: classes confused by the model are told from wrong labels by the mean confidence of each class; ranked by the probability of
    the label. With one class there is nothing to confuse.

    Raises BadInput for shapes that do not fit, a label that is none of the classes, or rows that are no probabilities.
    """
    if probabilities.shape != (len(ids), len(classes)) or len(targets) != len(ids):
        raise BadInput(
            f"probabilities {probabilities.shape} of {len(ids)} synapses with {len(targets)} labels and {len(classes)} classes: give a "
            "row for every synapse and a column for every class"
        )
    if unknown := sorted(set(targets) - set(classes)):
        raise BadInput(f"labels {unknown} are none of the classes {list(classes)}: give probabilities of them too")
    rows = np.flatnonzero(np.isfinite(probabilities).all(axis=1))
    chosen = probabilities[rows].astype(np.float64)
    if (chosen < 0).any() or (np.abs(chosen.sum(axis=1) - 1) > _SUM_TOLERANCE).any():
        raise BadInput("probabilities are below 0 or do not sum to 1: give those of a classifier, not its logits")
    labels = np.array([list(classes).index(target) for target in targets], dtype=np.int64)[rows]
    suspicious = _issues(labels, chosen / chosen.sum(axis=1, keepdims=True)) if len(set(labels.tolist())) > 1 else []
    return pa.Table.from_pylist(
        [
            {
                "rank": rank,
                "synapse_id": ids[rows[row]],
                "target": classes[labels[row]],
                "predicted": classes[int(chosen[row].argmax())],
                "label_probability": float(chosen[row, labels[row]]),
                "predicted_probability": float(chosen[row].max()),
            }
            for rank, row in enumerate(suspicious)
        ],
        schema=_SCHEMA,
    )


_SCHEMA = pa.schema(
    [
        ("rank", pa.int32()),
        ("synapse_id", pa.string()),
        ("target", pa.string()),
        ("predicted", pa.string()),
        ("label_probability", pa.float64()),
        ("predicted_probability", pa.float64()),
    ]
)


def _issues(labels: npt.NDArray[np.int64], probabilities: npt.NDArray[np.float64]) -> list[int]:
    from cleanlab.filter import find_label_issues

    # Classes without a label have no mean confidence to compare with.
    present = np.unique(labels)
    within = probabilities[:, present]
    total = within.sum(axis=1, keepdims=True)
    within = np.where(total > 0, within / np.where(total > 0, total, 1), 1 / len(present))
    found = find_label_issues(
        np.searchsorted(present, labels), within, return_indices_ranked_by="self_confidence", n_jobs=1
    )
    return [int(row) for row in found]
