"""The predicted class of every synapse of a region, from the probe and its evaluation.

Belongs here: which prediction a synapse gets. Does not belong here: fitting (`linear_probe`), votes (`neuron_votes`).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

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
    classes = np.array(classifier.probe.classes)
    probabilities = classifier.probe.predict(vectors)[1]
    ids = np.array(rows.column("synapse_id").to_pylist(), dtype=str)
    indices = np.searchsorted(classifier.synapse_ids, ids)
    indices = np.minimum(indices, max(0, len(classifier.synapse_ids) - 1))
    in_training = (
        classifier.synapse_ids[indices] == ids if len(classifier.synapse_ids) else np.zeros(len(ids), dtype=bool)
    )
    probabilities[in_training] = classifier.probabilities[indices[in_training]]
    most_probable = probabilities.argmax(axis=1)
    offsets = np.arange(len(ids) + 1, dtype=np.int32) * len(classes)
    return SYNAPSE_PREDICTIONS.conform(
        pa.table(
            {
                "synapse_id": rows.column("synapse_id"),
                "brain_region": rows.column("brain_region"),
                "predicted": classes[most_probable],
                "probability": probabilities[np.arange(len(ids)), most_probable],
                "probabilities": pa.MapArray.from_arrays(
                    pa.array(offsets), pa.array(np.tile(classes, len(ids))), pa.array(probabilities.ravel())
                ),
                "out_of_fold": in_training,
                "classifier": pa.array([version] * len(ids), pa.string()),
            }
        )
    )
