"""What is fitted can be read again: as it was written now, as earlier releases wrote it, and not where it cannot be meant."""

import json
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from synapse_assets.analysis.clustering.consensus import Consensus
from synapse_assets.analysis.clustering.drift import load_known_labels, save_known_labels
from synapse_assets.analysis.clustering.hdbscan_model import ClusterModel
from synapse_assets.analysis.clustering.projection import FittedSample, Projection
from synapse_assets.analysis.clustering.resampled_maps import GroupMaps
from synapse_assets.analysis.evaluation import stored
from synapse_assets.analysis.evaluation.linear_probe import LinearProbe
from synapse_assets.analysis.morphology.classifiers import ClusterClassifiers
from synapse_assets.analysis.morphology.features import FeatureModel
from synapse_assets.artifacts import find_artifact, read_artifact, write_artifact
from synapse_assets.errors import BadInput
from synapse_assets.older_artifacts import OLDER_FILES
from synapse_assets.schema import morphology

ARCHIVE = Path(__file__).with_name("archive") / "artifacts.tar.xz"
NEWER = "written by a newer version of this program"
VECTORS = np.random.default_rng(1).normal(size=(20, 6)).astype(np.float32)


@dataclass(frozen=True)
class Kind:
    """One kind in one folder of the archive: how it is loaded and saved, and what it says of rows it has not seen."""

    folder: str
    kind: str
    load: Callable[[Path], Any]
    apply: Callable[[Any], object] = lambda _: None
    save: Callable[[Any, Path], None] = lambda value, folder: value.save(folder)


def _features(model: FeatureModel) -> list[dict[str, Any]]:
    columns: dict[str, Any] = {name: ["x"] * 20 for name in morphology.SYNAPSES.names}
    columns |= {"synapse_id": [f"s{k:02d}" for k in range(20)], "neuron_id": ["pv1"] * 10 + ["new"] * 10}
    numbers = [column.name for column in morphology.SYNAPSES.columns if not pa.types.is_string(column.type)]
    columns |= {name: 10 + k + np.abs(VECTORS[:, k % 6]) for k, name in enumerate(numbers)}
    columns["number"] = np.arange(20)
    return model.apply(morphology.SYNAPSES.conform(pa.table(columns)), "v").to_pylist()


KINDS = [
    Kind("map", "fitted_projection", Projection.load, lambda model: model.apply(VECTORS)),
    Kind("flat_map", "fitted_projection", Projection.load, lambda model: model.apply(VECTORS)),
    Kind("map", "fitted_sample", FittedSample.load),
    Kind("map", "cluster_model", ClusterModel.load, lambda model: model.apply(VECTORS[:, :4])),
    Kind("first_clusters", "cluster_model", ClusterModel.load, lambda model: model.apply(VECTORS[:, :3])),
    Kind("flat_map", "cluster_model", ClusterModel.load, lambda model: model.apply(model.points)),
    Kind("classifier", "linear_probe", LinearProbe.load, lambda model: model.predict(VECTORS)),
    Kind(
        "classifier",
        "probe_evaluation",
        stored.load_probe_evaluation,
        lambda evaluation: evaluation.metrics(),
        stored.save_probe_evaluation,
    ),
    Kind(
        "classifier",
        "known_labels",
        load_known_labels,
        save=lambda labels, folder: save_known_labels(folder, labels),
    ),
    Kind("features", "feature_model", FeatureModel.load, _features),
    Kind("group", "group_maps", GroupMaps.load, lambda maps: maps.place(VECTORS)),
    Kind("group", "cluster_consensus", Consensus.load, lambda found: found.scores()),
    Kind(
        "group_classifiers",
        "cluster_classifiers",
        ClusterClassifiers.load,
        lambda model: model.predict(VECTORS),
    ),
    Kind(
        "group_classifiers",
        "classifier_evaluation",
        stored.load_classifier_evaluation,
        lambda evaluation: [stored.classifier_score_row(score) for score in evaluation.scores],
        stored.save_classifier_evaluation,
    ),
]
every_kind = pytest.mark.parametrize("case", KINDS, ids=lambda case: f"{case.folder}/{case.kind}")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folders as the code of commit 1ffb231 wrote them (see archive/make_artifacts.py)."""
    folder = tmp_path_factory.mktemp("archive")
    with tarfile.open(ARCHIVE) as tar:
        tar.extractall(folder, filter="data")
    return folder


def assert_same(one: Any, other: Any) -> None:
    """Equal to the bit, NaN to NaN, and of the same type; estimators of other libraries are left to what they predict."""
    assert type(one) is type(other)
    if is_dataclass(one):
        for field in fields(one):
            assert_same(getattr(one, field.name), getattr(other, field.name))
    elif isinstance(one, np.ndarray):
        np.testing.assert_array_equal(one, other, strict=True)
        assert one.tobytes() == other.tobytes()
    elif isinstance(one, Mapping):
        assert list(one) == list(other)
        for name in one:
            assert_same(one[name], other[name])
    elif isinstance(one, tuple | list):
        for left, right in zip(one, other, strict=True):
            assert_same(left, right)
    elif not type(one).__module__.startswith(("sklearn", "xgboost")):
        assert one == other or (one != one and other != other)


def test_the_archive_holds_every_kind_that_has_older_files() -> None:
    assert {case.kind for case in KINDS} == set(OLDER_FILES)
    assert ARCHIVE.stat().st_size < 60_000


@every_kind
def test_what_an_earlier_release_wrote_is_read_to_the_bit(archive: Path, case: Kind) -> None:
    found = read_artifact(archive / case.folder, case.kind, 1)
    facts_file, *arrays_file = OLDER_FILES[case.kind]
    facts = json.loads((archive / case.folder / facts_file).read_text(encoding="utf-8"))
    assert_same(dict(found.facts), {"labels": facts} if case.kind == "known_labels" else facts)
    arrays = {}
    for name in arrays_file:
        with np.load(archive / case.folder / name, allow_pickle=False) as stored:
            arrays = dict(stored)
    if case.folder == "first_clusters":
        arrays["numbers"] = np.array([0, 1], dtype=np.int32)
    assert_same(dict(found.arrays), arrays)
    assert found.version == 0


@every_kind
def test_an_earlier_release_loads_and_applies_as_what_is_saved_now(archive: Path, tmp_path: Path, case: Kind) -> None:
    older = case.load(archive / case.folder)
    case.save(older, tmp_path)
    now = case.load(tmp_path)
    assert_same(older, now)
    assert_same(case.apply(older), case.apply(now))
    stored, again = read_artifact(archive / case.folder, case.kind, 1), read_artifact(tmp_path, case.kind, 1)
    assert again.version == 1
    for before, after in ((stored.facts, again.facts), (stored.arrays, again.arrays)):
        assert_same({name: before[name] for name in sorted(before)}, {name: after[name] for name in sorted(after)})
    assert {f"{case.kind}.json", f"{case.kind}.npz"} <= {file.name for file in tmp_path.iterdir()}


@every_kind
def test_what_a_newer_version_wrote_is_refused_and_facts_may_be_added(
    archive: Path, tmp_path: Path, case: Kind
) -> None:
    older = case.load(archive / case.folder)
    case.save(older, tmp_path)
    file = tmp_path / f"{case.kind}.json"
    written = json.loads(file.read_text(encoding="utf-8"))
    if case.kind != "known_labels":
        written["facts"]["fact of a later release"] = [1, 2]
    file.write_text(json.dumps(written), encoding="utf-8")
    assert_same(case.load(tmp_path), older)
    file.write_text(json.dumps(written | {"version": written["version"] + 1}), encoding="utf-8")
    with pytest.raises(BadInput, match=rf"{case.kind}\.json was {NEWER}"):
        case.load(tmp_path)


def test_kinds_lie_side_by_side_and_come_back_as_they_were(tmp_path: Path) -> None:
    arrays = {
        "names": np.array(["gaba", "acetylcholiné"]),
        "none": np.zeros((0, 3), np.float32),
        "odd": np.array([np.nan, -0.0, np.inf]),
        "turned": np.arange(6, dtype=np.int16).reshape(2, 3).T,
    }
    facts = {"text": "α", "nothing": None, "list": [1, 2.5], "inner": {"yes": True}, "nan": float("nan")}
    write_artifact(tmp_path / "new/folder", "one", 3, facts=facts, arrays=arrays)
    write_artifact(tmp_path / "new/folder", "two", 1, facts={}, arrays={})
    found = read_artifact(tmp_path / "new/folder", "one", 5)
    assert found.version == 3
    assert_same(dict(found.arrays), arrays)
    assert_same(dict(found.facts), facts)
    assert found.facts.get("since version 4", 7) == 7
    assert found.values("text", "odd") == {"text": "α", "odd": found.arrays["odd"]}
    assert not read_artifact(tmp_path / "new/folder", "two", 1).arrays
    assert find_artifact(tmp_path, "one", 5) is None


def test_arrays_of_objects_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"\['names'\] hold Python objects"):
        write_artifact(tmp_path, "one", 1, facts={}, arrays={"names": np.array(["a", None], dtype=object)})
    assert not list(tmp_path.iterdir())


def _written(folder: Path) -> None:
    write_artifact(folder, "one", 1, facts={"a": 1}, arrays={"b": np.arange(100)})


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "nothing there": (lambda folder: [file.unlink() for file in folder.iterdir()], r"one\.json is missing"),
    "no facts": (lambda folder: (folder / "one.json").unlink(), r"one\.json is damaged \(the file is missing"),
    "no arrays": (lambda folder: (folder / "one.npz").unlink(), r"one\.npz is damaged \(the file is missing"),
    "facts cut off": (lambda folder: (folder / "one.json").write_text('{"kind":'), r"one\.json is damaged"),
    "facts of no text": (lambda folder: (folder / "one.json").write_bytes(b"\xff\xfe{"), r"one\.json is damaged"),
    "a list": (lambda folder: (folder / "one.json").write_text("[]"), r"one\.json is damaged"),
    "another kind": (
        lambda folder: (
            write_artifact(folder, "two", 1, facts={}, arrays={}) or (folder / "two.json").rename(folder / "one.json")
        ),
        r"one\.json is damaged \(it is no one",
    ),
    "no version": (lambda folder: (folder / "one.json").write_text('{"kind": "one", "facts": {}}'), "it is no one"),
    "no facts in it": (
        lambda folder: (folder / "one.json").write_text('{"kind": "one", "version": 1}'),
        r"one\.json is damaged \(it holds no facts",
    ),
    "one array": (lambda folder: np.save((folder / "one.npz").open("wb"), np.zeros(3)), r"one\.npz is damaged"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_missing_or_damaged_is_named_with_the_remedy(tmp_path: Path, damage: str) -> None:
    _written(tmp_path)
    do, message = DAMAGES[damage]
    do(tmp_path)
    with pytest.raises(BadInput, match=f"{message}.*: fit this model again"):
        read_artifact(tmp_path, "one", 1)


def test_a_file_of_arrays_that_breaks_off_or_has_turned_bits_is_damaged(tmp_path: Path) -> None:
    _written(tmp_path)
    file = tmp_path / "one.npz"
    whole = file.read_bytes()
    for length in range(0, len(whole), 7):
        file.write_bytes(whole[:length])
        with pytest.raises(BadInput, match=r"one\.npz is damaged"):
            read_artifact(tmp_path, "one", 1)
    turned = bytearray(whole)
    turned[len(whole) // 2] ^= 255
    file.write_bytes(turned)
    with pytest.raises(BadInput, match=r"one\.npz is damaged"):
        read_artifact(tmp_path, "one", 1)


def test_a_fact_or_an_array_that_is_asked_for_and_not_there_is_named(tmp_path: Path) -> None:
    _written(tmp_path)
    found = read_artifact(tmp_path, "one", 1)
    with pytest.raises(BadInput, match=r"one\.json is damaged \('c' is missing"):
        found.values("b", "c")
    with pytest.raises(BadInput, match=r"one\.npz is damaged \('a' is missing"):
        found.arrays["a"]
