"""The predicted class of every synapse of a region, from a classifier and its evaluation, and the answer that calibration makes of it.

Belongs here: which prediction and which answer a synapse gets. Does not belong here: fitting (`linear_probe`, `calibration`,
`conformal`), votes (`neuron_votes`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.analysis.evaluation.calibration import Calibration
from synapse_assets.analysis.evaluation.conformal import SetRule
from synapse_assets.analysis.evaluation.evaluation import OutOfSample
from synapse_assets.analysis.evaluation.linear_probe import LinearProbe
from synapse_assets.analysis.evaluation.stored import out_of_fold
from synapse_assets.artifacts import NoModel
from synapse_assets.errors import BadInput
from synapse_assets.schema import SYNAPSE_ANSWERS, SYNAPSE_PREDICTIONS

Bool = npt.NDArray[np.bool_]
Float64 = npt.NDArray[np.float64]

UNCLEAR = "unclear"
"""The answer where a set holds several classes, or none."""


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
    names = np.array(classes)
    return pa.table(
        {
            "synapse_id": pa.array(ids, pa.string()),
            "brain_region": regions,
            "predicted": names[most_probable],
            "probability": probabilities[np.arange(len(ids)), most_probable],
            "probabilities": probability_column(classes, probabilities),
        }
    )


def probability_matrix(rows: pa.Table) -> tuple[npt.NDArray[np.str_], Float64]:
    """The class names (C,), sorted, and (N, C) the probability of each, of rows with a column `probabilities` by class name.

    A class that a row does not name has probability 0 there.
    """
    maps = rows.column("probabilities").combine_chunks()
    keys = maps.keys.dictionary_encode()
    names, place = np.unique(np.array(keys.dictionary.to_pylist(), dtype=str), return_inverse=True)
    key = place[keys.indices.to_numpy()]
    of_row = np.repeat(np.arange(rows.num_rows), np.diff(maps.offsets.to_numpy()))
    probabilities = np.zeros((rows.num_rows, len(names)))
    probabilities[of_row, key] = maps.items.to_numpy(zero_copy_only=False)
    return names, probabilities


def probability_column(classes: Sequence[str], probabilities: Float64) -> pa.MapArray:
    """Probabilities (N, C) by class name, as the tables of `schema` hold them."""
    offsets = np.arange(len(probabilities) + 1, dtype=np.int32) * len(classes)
    names = np.tile(np.array(classes, dtype=str), len(probabilities))
    return pa.MapArray.from_arrays(pa.array(offsets), pa.array(names, pa.string()), pa.array(probabilities.ravel()))


def answer_rows(predictions: pa.Table, calibration: Calibration, rule: SetRule, held_out: pa.Table) -> pa.Table:
    """Answers (`schema.SYNAPSE_ANSWERS`) to `predictions` (`schema.SYNAPSE_PREDICTIONS`) of one classifier.

    A synapse in `held_out` (`schema.CALIBRATED_SYNAPSES`) gets the probabilities and the set of a calibration that did not see its group
    (out_of_fold is true), every other those of `calibration` and `rule`. Raises BadInput for predictions of other class names than the
    calibration's.
    """
    if not predictions.num_rows:
        return SYNAPSE_ANSWERS.empty()
    names, raw = probability_matrix(predictions)
    classes = calibration.classes
    if tuple(names.tolist()) != classes:
        raise BadInput(
            f"the predictions name the classes {names.tolist()}, but {list(classes)} were calibrated: materialise the asset 'calibration' "
            "again, then this one"
        )
    probabilities = calibration.apply(raw)
    sets = rule.sets(probabilities)
    index = pc.index_in(
        predictions.column("synapse_id").combine_chunks(), held_out.column("synapse_id").combine_chunks()
    )
    is_held_out = index.is_valid().to_numpy(zero_copy_only=False)
    if is_held_out.any():
        own = held_out.take(index.drop_null())
        probabilities[is_held_out] = probability_matrix(own)[1]
        sets[is_held_out] = [[name in held for name in classes] for held in own.column("class_set").to_pylist()]
    class_sets = named_sets(classes, probabilities, sets)
    most_probable = probabilities.argmax(axis=1)
    return SYNAPSE_ANSWERS.conform(
        pa.table(
            {
                "synapse_id": predictions.column("synapse_id"),
                "brain_region": predictions.column("brain_region"),
                "answer": pa.array([held[0] if len(held) == 1 else UNCLEAR for held in class_sets], pa.string()),
                "predicted": np.array(classes)[most_probable],
                "probability": probabilities[np.arange(len(probabilities)), most_probable],
                "probabilities": probability_column(classes, probabilities),
                "class_set": pa.array(class_sets, pa.list_(pa.string())),
                "out_of_fold": is_held_out,
                "classifier": predictions.column("classifier"),
            }
        )
    )


def named_sets(classes: Sequence[str], probabilities: Float64, sets: Bool) -> list[list[str]]:
    """The names of each row's set (N, C), most probable first."""
    order = np.argsort(-probabilities, axis=1, kind="stable")
    return [
        [classes[place] for place in line if held[place]]
        for line, held in zip(order.tolist(), sets.tolist(), strict=True)
    ]
