"""Fitted models with their provenance, and unfinished work."""

from pathlib import Path

import numpy as np
import pytest

from synapse_assets.artifacts import read_artifact, write_artifact
from synapse_assets.errors import BadInput
from synapse_assets.stores import DatasetStore, ModelStore, Provenance, fingerprint
from synapse_assets_tests.stores.samples import names, tiles


@pytest.fixture
def models(tmp_path: Path) -> ModelStore:
    return DatasetStore(str(tmp_path), "sample").models("umap_model")


def write(folder: Path, weights: np.ndarray) -> None:
    write_artifact(folder, "numbers", 1, facts={}, arrays={"weights": weights})


def save(models: ModelStore, version: str, value: float = 1.0) -> Path:
    origin = Provenance("umap_model", version, {"embeddings": "e1"}, {"neighbours": 15}, 7, {"trust": 0.9})
    return models.save(version, lambda folder: write(folder, np.full(3, value)), origin)


def test_a_model_is_stored_with_where_it_comes_from(models: ModelStore) -> None:
    assert (models.current, models.candidate, models.versions()) == (None, None, [])
    path = save(models, "v1")
    assert read_artifact(path, "numbers", 1).arrays["weights"].tolist() == [1.0] * 3
    origin = models.provenance("v1")
    assert (origin.inputs, origin.parameters, origin.seed) == ({"embeddings": "e1"}, {"neighbours": 15}, 7)
    assert origin.libraries["numpy"] == np.__version__
    fitting = {"hdbscan", "scikit-learn", "scipy", "skops", "timm", "torch", "umap-learn", "xgboost"}
    assert set(origin.libraries) == {*fitting, "numpy", "pyarrow", "pylance"}
    save(models, "v1", 2.0)
    assert read_artifact(models.path("v1"), "numbers", 1).arrays["weights"].tolist() == [1.0] * 3


def test_a_refit_waits_as_a_candidate_until_it_is_promoted(models: ModelStore) -> None:
    for version in ("v1", "v2"):
        save(models, version)
    models.promote("v1")
    models.set_candidate("v2")
    assert (models.current, models.candidate) == ("v1", "v2")
    models.promote("v2")
    assert (models.current, models.candidate) == ("v2", None)
    assert models.versions() == ["v1", "v2"]


def test_versions_come_by_age_and_not_by_name(models: ModelStore) -> None:
    for version, day in (("v2", 1), ("v9", 3), ("v1", 2), ("v0", 3)):
        origin = Provenance("umap_model", version, {}, {}, 0, created=f"2026-01-0{day}T00:00:00+00:00")
        models.save(version, lambda folder: write(folder, np.zeros(1)), origin)
    assert models.versions() == ["v2", "v1", "v0", "v9"]


def test_promoting_another_version_leaves_the_candidate_waiting(models: ModelStore) -> None:
    for version in ("v1", "v2", "v3"):
        save(models, version)
    models.promote("v1")
    models.set_candidate("v2")
    for version in ("v1", "v3"):
        models.promote(version)
        assert (models.current, models.candidate) == (version, "v2")
    models.clear_candidate()
    assert (models.current, models.candidate, models.versions()) == ("v3", None, ["v1", "v2", "v3"])


def test_a_version_that_is_not_there_is_named(models: ModelStore) -> None:
    save(models, "v1")
    for use in (models.path, models.provenance, models.promote, models.set_candidate):
        with pytest.raises(BadInput, match=r"no version 'v9'.*there are \['v1'\]"):
            use("v9")


def test_a_failed_fit_leaves_nothing(models: ModelStore) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").write_text("x")
        raise RuntimeError("did not converge")

    with pytest.raises(RuntimeError, match="converge"):
        models.save("v1", fail, Provenance("umap_model", "v1", {}, {}, 0))
    assert not models.exists("v1")
    assert list(models.folder.path.iterdir()) == []


def test_the_fingerprint_follows_content_not_order() -> None:
    one = fingerprint({"a": 1, "b": [1, 2]}, {"x": "1"})
    assert one == fingerprint({"b": [1, 2], "a": 1}, {"x": "1"})
    others = {
        fingerprint(parameters, inputs)
        for parameters, inputs in (
            ({"a": 2, "b": [1, 2]}, {"x": "1"}),
            ({"a": 1, "b": [2, 1]}, {"x": "1"}),
            ({"a": "1", "b": [1, 2]}, {"x": "1"}),
            ({"c": 1, "b": [1, 2]}, {"x": "1"}),
            ({"a": 1, "b": [1, 2], "c": None}, {"x": "1"}),
            ({"a": 1}, {"x": "1"}),
            ({"a": 1, "b": [1, 2]}, {"x": "2"}),
            ({"a": 1, "b": [1, 2]}, {"y": "1"}),
            ({"a": 1, "b": [1, 2]}, {"x": "1", "y": "1"}),
            ({"a": 1, "b": [1, 2]}, {}),
            ({"a": 1, "b": [1, 2], "x": "1"}, {}),
        )
    }
    assert len({one} | others) == 12
    assert one == "909b0bbbe487", "with another one every model that is stored is fitted again"
    with pytest.raises(BadInput, match="plain numbers"):
        fingerprint({"a": object()}, {})


def test_staging_holds_parts_until_it_is_cleared(tmp_path: Path) -> None:
    store = DatasetStore(str(tmp_path), "sample")
    staging = store.staging("tiles", "A", "k1")
    assert staging.reader() is None
    assert staging.done_ids() == set()
    for part in range(3):
        staging.append(tiles("A", names(f"{part}-", 4)))
    staging.append(tiles("A", ["0-0", "new"], "later").to_batches()[0])
    assert len(staging.done_ids()) == 13
    assert staging.ids().to_pylist()[-3:] == ["2-3", "0-0", "new"]
    reader = staging.reader()
    assert reader is not None
    rows = reader.read_all()
    assert rows.num_rows == 13
    assert rows.column("tile_hash").to_pylist()[0] == "a0-0"
    staging.clear()
    staging.clear()
    assert staging.reader() is None


def test_a_new_key_drops_the_work_of_the_old_one_in_its_region_only(tmp_path: Path) -> None:
    store = DatasetStore(str(tmp_path), "sample")
    for region in "AB":
        store.staging("tiles", region, "k1").append(tiles(region, ["s"]))
    assert store.staging("tiles", "A", "k2").done_ids() == set()
    assert store.staging("tiles", "A", "k1").done_ids() == set()
    assert store.staging("tiles", "B", "k1").done_ids() == {"s"}


def test_a_torn_part_is_ignored(tmp_path: Path) -> None:
    staging = DatasetStore(str(tmp_path), "sample").staging("tiles", "A", "k")
    staging.append(tiles("A", ["whole"]))
    staging.append(tiles("A", ["torn"]))
    part = sorted(tmp_path.rglob("*.arrow"))[1]
    for content in (part.read_bytes()[:-20], b""):
        part.write_bytes(content)
        assert staging.done_ids() == {"whole"}
        assert not part.exists()
