"""What is stored of the test of a trained network, and the linear probe on its features beside other vectors.

Belongs here: out-of-fold probabilities by split, the features that the network of each fold gives, and what a probe makes of them.
Does not belong here: networks themselves (`vision`), how they compare with each other (`classifier_comparison`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from synapse_assets.analysis.evaluation.cross_validation import Predictions, cross_validate, folds_of
from synapse_assets.analysis.evaluation.evaluation import OutOfSample
from synapse_assets.analysis.evaluation.linear_probe import LinearProbe, probe_of
from synapse_assets.artifacts import JSON, read_artifact, write_artifact
from synapse_assets.errors import BadInput

Float16 = npt.NDArray[np.float16]
Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Text = npt.NDArray[np.str_]

_TEST = ("network_test", 1)
_FEATURES = ("features", 1)


@dataclass(frozen=True)
class NetworkTest:
    """How a network does on synapses that it was not trained on.

    classes               C names, in the order of the probabilities
    out_of_sample              ids and probabilities by split
    every                 the same of every labelled synapse: held out under the headline split; where it has no group there, by a
                          network that was trained without it
    training_seconds      by split, all folds together
    synapse_ids, targets, groups, folds  (N,), of the headline split: what the network of each fold was trained on is the other folds
    """

    classes: tuple[str, ...]
    out_of_sample: Mapping[str, OutOfSample]
    every: OutOfSample
    training_seconds: Mapping[str, float]
    synapse_ids: Text
    targets: Text
    groups: Text
    folds: Int64

    def save(self, folder: Path) -> None:
        """Writes the artifact network_test into `folder` (made if absent)."""
        arrays: dict[str, np.ndarray] = {
            "synapse_ids": self.synapse_ids,
            "targets": self.targets,
            "groups": self.groups,
            "folds": self.folds,
            "ids_of_every": self.every.synapse_ids,
            "probabilities_of_every": self.every.probabilities,
        }
        for split, held_out in self.out_of_sample.items():
            arrays |= {f"ids_of_split_{split}": held_out.synapse_ids}
            arrays |= {f"probabilities_of_split_{split}": held_out.probabilities}
        facts: dict[str, JSON] = {
            "classes": self.classes,
            "splits": list(self.out_of_sample),
            "training_seconds": dict(self.training_seconds),
        }
        write_artifact(folder, *_TEST, facts=facts, arrays=arrays)

    @classmethod
    def load(cls, folder: Path) -> "NetworkTest":
        """What `save` wrote, to the bit; BadInput as `read_artifact`."""
        stored = read_artifact(folder, *_TEST)
        arrays = stored.arrays
        return cls(
            tuple(stored.facts["classes"]),
            {
                split: OutOfSample(arrays[f"ids_of_split_{split}"], arrays[f"probabilities_of_split_{split}"])
                for split in stored.facts["splits"]
            },
            OutOfSample(arrays["ids_of_every"], arrays["probabilities_of_every"]),
            **stored.values("training_seconds", "synapse_ids", "targets", "groups", "folds"),
        )


def save_features(folder: Path, fold: int, features: npt.NDArray[np.floating]) -> None:
    """Writes what the network of that fold gives the rows of `NetworkTest.synapse_ids` (N, D), in half precision, into `folder`."""
    write_artifact(folder / f"fold_{fold}", *_FEATURES, facts={}, arrays={"features": features.astype(np.float16)})


def load_features(folder: Path, fold: int) -> Float16:
    """What `save_features` wrote."""
    features: Float16 = read_artifact(folder / f"fold_{fold}", *_FEATURES).arrays["features"]
    return features


def probe_beside(
    test: NetworkTest,
    features: Callable[[int], npt.NDArray[np.floating]],
    synapse_ids: Sequence[str],
    vectors: npt.ArrayLike,
    seed: int,
) -> OutOfSample:
    """Out-of-fold probabilities of a linear probe on a network's features together with `vectors` (M, D) of `synapse_ids`.

    For each fold of the headline split the probe is fitted on what the network of that fold was trained on: `features(fold)` gives its
    features (N, D'). The columns are standardised, so neither of the two counts more. Of synapses without a vector there are none.

    BadInput for another number of vectors than of ids.
    """
    matrix = np.asarray(vectors, dtype=np.float64)
    if len(matrix) != len(synapse_ids):
        raise BadInput(f"{len(synapse_ids)} synapse ids but {len(matrix)} vectors")
    row_of = {synapse_id: row for row, synapse_id in enumerate(synapse_ids)}
    known = np.flatnonzero([synapse_id in row_of for synapse_id in test.synapse_ids.tolist()])
    matrix = matrix[[row_of[synapse_id] for synapse_id in test.synapse_ids[known].tolist()]]
    numbers = iter(np.unique(test.folds[known]).tolist())

    def fit(train: Int64) -> tuple[LinearProbe, Float64]:
        both = np.hstack([features(next(numbers))[known].astype(np.float64), matrix])
        rows = known[train]
        return probe_of(both[train], test.targets[rows].tolist(), seed, test.groups[rows].tolist()), both

    def predict(model: tuple[LinearProbe, Float64], rows: Int64) -> Mapping[str, Predictions]:
        probe, both = model
        probabilities = np.zeros((len(rows), len(test.classes)))
        probabilities[:, np.searchsorted(test.classes, probe.classes)] = probe.predict(both[rows])[1]
        return {"probe": Predictions(probabilities.argmax(axis=1), probabilities)}

    folds = [fold for fold in folds_of(test.folds[known]) if len(fold.train)]
    predictions = cross_validate(folds, fit, predict).predictions
    if not predictions or (probabilities := predictions["probe"].probabilities) is None:
        return OutOfSample(np.zeros(0, dtype=str), np.zeros((0, len(test.classes))))
    return OutOfSample.of(test.synapse_ids[known], probabilities)
