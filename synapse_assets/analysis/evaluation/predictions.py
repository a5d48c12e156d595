"""The predicted class of every synapse of a region, from a classifier and its evaluation.

Belongs here: which prediction a synapse gets. Does not belong here: fitting (`linear_probe`), votes (`neuron_votes`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synapse_assets.analysis.evaluation.evaluation import OutOfSample
from synapse_assets.analysis.evaluation.linear_probe import LinearProbe
from synapse_assets.analysis.evaluation.stored import out_of_fold
from synapse_assets.artifacts import NoModel
from synapse_assets.schema import SYNAPSE_PREDICTIONS

Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Classifier:
    """What is applied to a region: the probe, and the out-of-fold probabilities of the synapses that trained it."""

    probe: LinearProbe
    synapse_ids: npt.NDArray[np.str_]
    probabilities: Float64

    @classmethod
    def load(cls, folder: Path) -> "Classifier":
        """The classifier whose probe and evaluation were saved into `folder`; BadInput as `read_artifact`."""
        return cls(LinearProbe.load(folder), **out_of_fold(folder))


def predict_rows(classifier: Classifier | NoModel, rows: pa.Table, vectors: npt.ArrayLike, version: str) -> pa.Table:
    """Predictions (`schema.SYNAPSE_PREDICTIONS`) for `rows` (synapse_id, brain_region) with their vectors (M, D); no
    rows without a model.

    A synapse that trained the classifier gets its stored out-of-fold prediction (out_of_fold is true), never the
    in-sample one.
    """
    if isinstance(classifier, NoModel) or not rows.num_rows:
        return SYNAPSE_PREDICTIONS.empty()
    ids = rows.column("synapse_id").to_pylist()
    known = OutOfSample(classifier.synapse_ids, classifier.probabilities)
    probabilities, out_of_fold = with_out_of_sample(ids, classifier.probe.predict(vectors)[1], known)
    table = named_rows(ids, rows.column("brain_region"), classifier.probe.classes, probabilities)
    return SYNAPSE_PREDICTIONS.conform(
        table.append_column("out_of_fold", pa.array(out_of_fold)).append_column(
            "classifier", pa.array([version] * len(ids), pa.string())
        )
    )


def with_out_of_sample(
    ids: Sequence[str], probabilities: Float64, known: OutOfSample
) -> tuple[Float64, npt.NDArray[np.bool_]]:
    """The probabilities (M, C) of `ids`, those that were held out in place of the in-sample ones, and which these are (M,)."""
    wanted = np.array(ids, dtype=str)
    if not len(known.synapse_ids) or not len(wanted):
        return probabilities, np.zeros(len(wanted), dtype=bool)
    indices = np.minimum(np.searchsorted(known.synapse_ids, wanted), len(known.synapse_ids) - 1)
    held_out = known.synapse_ids[indices] == wanted
    probabilities = probabilities.copy()
    probabilities[held_out] = known.probabilities[indices[held_out]]
    return probabilities, held_out


def named_rows(
    ids: Sequence[str], regions: pa.ChunkedArray | pa.Array, classes: Sequence[str], probabilities: Float64
) -> pa.Table:
    """Columns synapse_id, brain_region, predicted, probability and probabilities of M synapses with probabilities (M, C)."""
    most_probable = probabilities.argmax(axis=1)
    offsets = np.arange(len(ids) + 1, dtype=np.int32) * len(classes)
    names = np.array(classes)
    return pa.table(
        {
            "synapse_id": pa.array(ids, pa.string()),
            "brain_region": regions,
            "predicted": names[most_probable],
            "probability": probabilities[np.arange(len(ids)), most_probable],
            "probabilities": pa.MapArray.from_arrays(
                pa.array(offsets), pa.array(np.tile(names, len(ids))), pa.array(probabilities.ravel())
            ),
        }
    )
