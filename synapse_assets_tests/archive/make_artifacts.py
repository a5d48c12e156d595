"""Makes artifacts.tar.xz: one folder of every kind of model as the code of commit 1ffb231 saved it.

Frozen releases point at such files. To make it again, run this file with that commit on PYTHONPATH and name the archive:

    git archive 1ffb231 | tar x -C OLD; PYTHONPATH=OLD python make_artifacts.py artifacts.tar.xz
"""
# ruff: noqa: I001 -- modules are where that commit has them

import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa

from synapse_assets.analysis import classification
from synapse_assets.analysis.clustering import ClusterModel
from synapse_assets.analysis.drift import save_known_labels
from synapse_assets.analysis.morphology import classifiers
from synapse_assets.analysis.morphology.consensus import Consensus
from synapse_assets.analysis.morphology.features import HeldOut, fit_features
from synapse_assets.analysis.morphology.maps import GroupMaps
from synapse_assets.analysis.morphology.sweep import Setting
from synapse_assets.analysis.projection import FittedSample, Projection, fit_projection, unit_rows
from synapse_assets.analysis.splits import make_splits
from synapse_assets.datasets.morphology import FeatureChoice
from synapse_assets.schema import morphology

ROWS = 60
random = np.random.default_rng(0)
CLASS = np.arange(ROWS) % 3
VECTORS = (4.0 * np.eye(6)[CLASS] + random.normal(size=(ROWS, 6))).astype(np.float32)
IDS = np.array([f"s{number:03d}é" for number in range(ROWS)])
NEURONS = [f"n{number // 6}" for number in range(ROWS)]


def save_map(folder: Path) -> None:
    """projection, sample and clusters, as the steps umap_model and cluster_model keep them, but in one folder."""
    points = np.unique(unit_rows(VECTORS), axis=0)
    reduced = random.normal(size=(ROWS, 4)).astype(np.float32)
    Projection(points, reduced[:, :2].copy(), reduced, "umap", 15, 7).save(folder)
    table = pa.table({"synapse_id": IDS, "brain_region": NEURONS, "tile_hash": [f"{k:064x}" for k in range(ROWS)]})
    FittedSample.of(table, VECTORS, {"B": 100, "A": ROWS}).save(folder)
    numbers = np.array([2, 5, 9], dtype=np.int32)
    labels = np.append(numbers[CLASS[:-2]], [-1, -1]).astype(np.int32)
    ClusterModel(reduced, labels, random.random(ROWS), numbers, np.array([1.5, 0.3, np.inf]), 5, 4, "").save(folder)


def save_first_clusters(folder: Path) -> None:
    """Clusters as they were before they had numbers over releases."""
    reach = np.array([1.5, 0.3])
    points, labels = VECTORS[:, :3], (CLASS - 1).astype(np.int32)
    ClusterModel(points, labels, random.random(ROWS), np.arange(2, dtype=np.int32), reach, 5, 4, "").save(folder)
    with np.load(folder / "clusters.npz") as stored:
        arrays = {name: stored[name] for name in stored.files if name != "numbers"}
    np.savez(folder / "clusters.npz", **arrays)


def save_flat_map(folder: Path) -> None:
    """A map of principal components, fitted on too few rows for any other; no sample was kept, and there are no clusters."""
    projection = fit_projection(VECTORS[:5], 0)
    assert isinstance(projection, Projection)
    projection.save(folder)
    none = np.zeros(0, dtype=np.int32)
    labels = np.full(5, -1, dtype=np.int32)
    ClusterModel(projection.reduced, labels, np.zeros(5), none, np.zeros(0), 5, 4, "too few points").save(folder)


def save_classifier(folder: Path) -> None:
    """probe, evaluation and known labels; the last class is in one group only, so some scores are not defined."""
    targets = [f"kind {k}" for k in CLASS]
    targets[-1] = "rare"
    probe = classification.fit_probe(VECTORS, targets, 0)
    assert isinstance(probe, classification.LinearProbe)
    probe.save(folder)
    labels = pa.table({"synapse_id": IDS, "target": targets, "neuron_id": NEURONS, "brain_region": ["A"] * ROWS})
    splits = make_splits(labels, ["neuron_id"], 0)[0]
    evaluation = classification.evaluate(IDS.tolist(), VECTORS, splits, "neuron_id", 0)
    assert isinstance(evaluation, classification.Evaluation)
    evaluation.save(folder)
    save_known_labels(folder, dict(zip(IDS.tolist(), targets, strict=True)))


def save_features(folder: Path) -> None:
    """The feature chain of two neurons and one with too few synapses."""
    nothing = pa.nulls(ROWS, pa.float64())
    neurons = ["pv1"] * 30 + ["cr1"] * 28 + ["pv9"] * 2
    columns = {
        "synapse_id": IDS,
        "neuron_id": neurons,
        "neuron_type": [name[:2] for name in neurons],
        "synapse_type": ["as"] * ROWS,
        "number": np.arange(ROWS),
        "brain_region": ["V1"] * ROWS,
        "synapse_area": random.uniform(0.5, 1.5, ROWS),
        "bouton_area": np.append(random.uniform(1.0, 5.0, ROWS - 1), 400.0),
        "bouton_volume": nothing,
        "used_for": ["fit"] * ROWS,
        "workbook": ["study"] * ROWS,
    }
    for axis in "xyz":
        columns |= {f"{axis}_um": random.normal(50.0, 20.0, ROWS), f"soma_{axis}_um": np.full(ROWS, 10.0)}
        columns |= {f"{prefix}{axis}": nothing for prefix in ("", "soma_", "corrected_", "corrected_soma_")}
    fit_features(morphology.SYNAPSES.conform(pa.table(columns)), FeatureChoice()).save(folder)


def save_group(folder: Path) -> None:
    """Maps and clusters of an investigation group."""
    points, flat = np.unique(VECTORS, axis=0), random.normal(size=(ROWS, 3)).astype(np.float32)
    of = random.permutation(ROWS).astype(np.int64)
    rows = np.sort(random.permuted(np.tile(np.arange(ROWS), (4, 1)), axis=1)[:, :40]).astype(np.int32)
    places = random.normal(size=(4, 40, 3)).astype(np.float32)
    maps = (flat[of, :2], flat[of], points, flat[:, :2].copy(), flat, of, rows, places)
    GroupMaps(IDS, *maps, rows.reshape(2, 2, 40), places.reshape(2, 2, 40, 3), "umap", "", 3, 0.8).save(folder)
    share = random.random(ROWS)
    reasons = np.where(CLASS == 2, "noise in at least half of the runs", "")
    labels = np.where(CLASS == 2, -1, CLASS).astype(np.int32)
    stable, agreement = np.array([0.9, 0.7]), random.random((4, 4))
    Consensus(IDS, labels, share, share / 3, reasons, stable, agreement, Setting(6, 3), float("nan")).save(folder)


def save_group_classifiers(folder: Path) -> None:
    """Classifiers of clusters with their evaluation."""
    features = VECTORS.astype(np.float64)
    model = classifiers.fit_classifiers(features, CLASS, 0, NEURONS, trees=3)
    assert isinstance(model, classifiers.ClusterClassifiers)
    # as many trees as a fit makes would be most of the archive
    model.models[classifiers.BOOSTING] = model.models[classifiers.BOOSTING][:6]  # type: ignore[index]
    model.save(folder)
    owner = np.array(NEURONS)

    def held_out(neuron: str) -> HeldOut:
        out = owner == neuron
        return HeldOut(IDS[~out].tolist(), features[~out], IDS[out].tolist(), features[out], {})

    classifiers.evaluate(features, features[:, :2], CLASS, NEURONS, IDS, held_out, 0, trees=3).save(folder)


def main(archive: Path) -> None:
    """Writes the archive."""
    savers = (
        save_map, save_first_clusters, save_flat_map, save_classifier, save_features, save_group, save_group_classifiers,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as place:
        for save in savers:
            save(Path(place) / save.__name__.removeprefix("save_"))
        with tarfile.open(archive, "w:xz", preset=9) as tar:
            for path in sorted(path for path in Path(place).rglob("*") if path.is_file()):
                entry = tar.gettarinfo(path, path.relative_to(place).as_posix())
                entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname = 0, 0, 0, "", ""
                with path.open("rb") as content:
                    tar.addfile(entry, content)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
