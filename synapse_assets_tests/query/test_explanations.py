"""Explanations that are computed when they are asked for, the nearest of another class, and pictures that lie beside a release."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from synapse_assets.errors import BadInput
from synapse_assets.query import Warehouse, open_warehouse
from synapse_assets.query.explanations import _network
from synapse_assets.schema import EXPLANATION_CHECKS, EXPLANATIONS
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.rows import vector_matrix, vectors_in_use
from synapse_assets_tests.conftest import TILE_PX, Lab
from synapse_assets_tests.explorer.explained import PROBE, VERDICTS, plant_explanations, planted_map


@pytest.fixture(scope="module")
def store(finished_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> DatasetStore:
    """The tiny lab with planted explanations."""
    root = tmp_path_factory.mktemp("explained") / "data"
    shutil.copytree(finished_lab.root, root)
    store = DatasetStore(str(root), "tiny")
    plant_explanations(store)
    return store


@pytest.fixture(scope="module")
def warehouse(store: DatasetStore) -> Iterator[Warehouse]:
    with open_warehouse("tiny", store.data_root) as opened:
        yield opened


def classified(store: DatasetStore, synapse_id: str) -> tuple[str, float]:
    """Class and probability by the fitted probe, from its arrays in a few lines."""
    from synapse_assets.analysis.evaluation.linear_probe import LinearProbe

    models = store.models("synapse_classifier")
    probe = LinearProbe.load(models.path(str(models.current)))
    rows = vectors_in_use(store).read_ids([synapse_id], ["vector"])
    scores = probe.weights @ ((vector_matrix(rows)[0] - probe.mean) / probe.scale) + probe.intercept
    odds = np.exp(scores - scores.max())
    return probe.classes[int(odds.argmax())], float(odds.max() / odds.sum())


def test_an_explanation_is_of_the_class_that_the_classifier_names(warehouse: Warehouse, store: DatasetStore) -> None:
    assert warehouse.explained_classifiers == (PROBE,)
    for synapse_id in ("s000", "s010", "s040"):
        found = warehouse.explain(synapse_id, PROBE, "occlusion")
        name, probability = classified(store, synapse_id)
        assert found.class_name == name
        assert found.probability == pytest.approx(probability, abs=5e-3), "stored vectors are of half precision"
        assert (found.map.dtype, found.map.shape) == (np.float32, (TILE_PX, TILE_PX))


def test_the_map_is_of_the_logit_of_that_class(warehouse: Warehouse, store: DatasetStore) -> None:
    """Hiding a window behind its mean, by hand: the logit of the class less the mean of all falls by what the map says there."""
    from synapse_assets.analysis.evaluation.linear_probe import LinearProbe

    models = store.models("synapse_classifier")
    probe = LinearProbe.load(models.path(str(models.current)))
    found = warehouse.explain("s010", PROBE, "occlusion")

    def logit(tile: np.ndarray) -> float:
        scores = probe.weights @ ((warehouse.embed(tile) - probe.mean) / probe.scale) + probe.intercept
        return float(scores[probe.classes.index(found.class_name)] - scores.mean())

    tile = warehouse.tile("s010")
    side = round(TILE_PX / 5)
    hidden = tile.astype(float)
    hidden[:, :side, :side] = hidden.mean(axis=(1, 2), keepdims=True)
    # Only the first window hides the corner. Pixels are whole numbers here, which the mean is not.
    assert found.map[0, 0] == pytest.approx(logit(tile) - logit(np.rint(hidden).astype(np.uint8)), abs=0.02)


def test_the_best_method_is_the_default_and_says_its_verdict(warehouse: Warehouse) -> None:
    offers = warehouse.explaining(PROBE)
    verdicts = [offer.verdict for offer in offers]
    assert [(offer.method, offer.verdict) for offer in offers[:2]] == [
        ("occlusion", "trustworthy"),
        ("grad_cam", "partly"),
    ]
    assert offers[-1].method == "gradients"
    assert set(verdicts[2:-1]) == {""}, "nobody checked the others"
    found = warehouse.explain("s010")
    assert (found.classifier, found.method, found.verdict) == (PROBE, "occlusion", "trustworthy")
    assert found.sentence == "occlusion is trustworthy, said in words."
    assert warehouse.explain("s010", method="gradients").verdict == VERDICTS["gradients"]
    assert warehouse.explain(" s010 ", PROBE) is found, "it was computed before"


def test_what_all_failed_is_explained_by_name_only(store: DatasetStore, tmp_path: Path) -> None:
    root = tmp_path / "data"
    shutil.copytree(store.data_root, root)
    failed = DatasetStore(str(root), "tiny")
    results = failed.results(EXPLANATION_CHECKS)
    [row, *_] = results.read().to_pylist()
    methods = ("grad_cam", "occlusion", "gradients", "integrated_gradients", "smooth_grad")
    rows = [{**row, "method": method, "verdict": "not"} for method in methods]
    republish(failed, rows)
    with open_warehouse("tiny", root) as opened:
        with pytest.raises(BadInput, match=r"no method can be trusted for linear_probe.*occlusion"):
            opened.explain("s010")
        assert opened.explain("s010", method="occlusion").verdict == "not"
    # A method that nobody checked is no way out: it is not shown unasked either.
    republish(failed, [one for one in rows if one["method"] != "occlusion"])
    with open_warehouse("tiny", root) as opened:
        with pytest.raises(BadInput, match=r"no method can be trusted for linear_probe.*occlusion"):
            opened.explain("s010")
        assert opened.explain("s010", method="occlusion").verdict == ""
    # Checks of another version of the classifier say nothing of this one.
    republish(failed, [{**one, "version": "older"} for one in rows])
    with open_warehouse("tiny", root) as opened:
        assert opened.explain("s010").verdict == ""


def republish(store: DatasetStore, checks: list[dict]) -> None:
    """The release with other checks."""
    plant_explanations(store)
    store.results(EXPLANATION_CHECKS).write(pa.Table.from_pylist(checks, schema=EXPLANATION_CHECKS.arrow))
    from synapse_assets.stores import build_warehouse

    release = store.release() or {}
    tables = [store.synapses, store.tiles, vectors_in_use(store), store.results(EXPLANATION_CHECKS)]
    from synapse_assets.schema import SYNAPSE_LABELS

    build_warehouse(
        store, [*tables, store.results(SYNAPSE_LABELS)], {name: release[name] for name in ("models", "scores")}
    )


def test_others_are_refused(warehouse: Warehouse) -> None:
    with pytest.raises(BadInput, match=r"no classifier 'other'.*there are linear_probe"):
        warehouse.explain("s010", "other")
    with pytest.raises(BadInput, match="no method 'guided_backpropagation' for linear_probe; there are occlusion"):
        warehouse.explain("s010", PROBE, "guided_backpropagation")
    with pytest.raises(BadInput, match="no synapse 'nobody'"):
        warehouse.explain("nobody")
    with pytest.raises(BadInput, match="no synapse 'nobody'"):
        warehouse.alike("s010", "nobody")


def test_one_explanation_is_computed_at_a_time(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    from synapse_assets.query import explanations

    monkeypatch.setattr(explanations, "_PATIENCE_S", 0.01)
    with warehouse._explanations._lock, pytest.raises(BadInput, match="try again in a minute"):
        warehouse.explain("s011", PROBE, "occlusion")


def test_no_more_than_a_number_of_maps_is_kept(store: DatasetStore, monkeypatch: pytest.MonkeyPatch) -> None:
    from synapse_assets.query import explanations

    monkeypatch.setattr(explanations, "_KEPT", 2)
    with open_warehouse("tiny", store.data_root) as opened:
        for synapse_id in ("s000", "s001", "s002"):
            opened.explain(synapse_id)
        assert [key[1] for key in opened._explanations._kept] == ["s001", "s002"]


def test_the_nearest_of_another_class_is_that_of_a_brute_search(warehouse: Warehouse, store: DatasetStore) -> None:
    rows = vectors_in_use(store).read(None, ["synapse_id", "vector"])
    vectors = vector_matrix(rows).astype(np.float64)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    ids = rows.column("synapse_id").to_pylist()
    facts = warehouse.points.frame(range(len(warehouse.points))).set_index("synapse_id").loc[ids]
    for synapse_id in ("s000", "s010", "s071"):
        own = facts.loc[synapse_id]
        others = ((facts["target"] != own["target"]) & (facts["neuron_id"] != own["neuron_id"])).to_numpy()
        distance = np.where(others, 1 - vectors @ vectors[ids.index(synapse_id)], np.inf)
        found = warehouse.counterfactual(synapse_id)
        assert found["synapse_id"] == ids[int(distance.argmin())]
        assert found["distance"] == pytest.approx(distance.min(), abs=1e-5)
        assert found["column"] == facts.loc[found["synapse_id"]]["target"] != own["target"]


def test_where_no_other_class_is_known_there_is_no_nearest(tmp_path: Path) -> None:
    from synapse_assets.schema import SYNAPSE_LABELS
    from synapse_assets.stores import build_warehouse
    from synapse_assets_tests.stores.samples import synapses, vectors

    store = DatasetStore(str(tmp_path), "sample")
    ids = ["a", "b", "c"]
    store.synapses.replace_region("EB", synapses("EB", ids), [])
    store.vectors("m1", 4).replace_region("EB", vectors("EB", ids), [])
    rows = [
        {"synapse_id": one, "brain_region": "EB", "target": name, "known_classes": []}
        for one, name in (("a", "gaba"), ("b", "gaba"), ("c", None))
    ]
    store.results(SYNAPSE_LABELS).write_partition("EB", pa.Table.from_pylist(rows, schema=SYNAPSE_LABELS.arrow))
    models = {"models": {"encoder": "m1"}, "scores": {"encoder": {"dimensions": 4}}}
    build_warehouse(store, [store.synapses, store.results(SYNAPSE_LABELS), store.vectors("m1", 4)], models)
    with Warehouse(store) as opened:
        with pytest.raises(BadInput, match="every synapse of this release has the known class gaba"):
            opened.counterfactual("a")
        with pytest.raises(BadInput, match="no class of synapse 'c' is known or predicted"):
            opened.counterfactual("c")
        assert opened.explained_classifiers == ()
        with pytest.raises(BadInput, match="no classifier that could be explained"):
            opened.explain("a")


def test_what_makes_two_alike_is_the_same_from_both_sides(warehouse: Warehouse) -> None:
    """Hidden corner by hand: the cosine falls by what the map says there."""
    here, there = warehouse.alike("s020", "s010")
    again = warehouse.alike("s010", "s020")
    np.testing.assert_array_equal(here, again[1])
    np.testing.assert_array_equal(there, again[0])
    tile, other = warehouse.tile("s020"), warehouse.embed(warehouse.tile("s010")).astype(float)

    def cosine(shown: np.ndarray) -> float:
        vector = warehouse.embed(shown).astype(float)
        return float(vector @ other / np.linalg.norm(vector) / np.linalg.norm(other))

    side = round(TILE_PX / 5)
    hidden = tile.astype(float)
    hidden[:, :side, :side] = hidden.mean(axis=(1, 2), keepdims=True)
    assert here[0, 0] == pytest.approx(cosine(tile) - cosine(np.rint(hidden).astype(np.uint8)), abs=1e-3)


def test_a_network_is_explained_as_it_answers(tmp_path: Path, warehouse: Warehouse) -> None:
    import torch

    from synapse_assets.vision.classifier import ClassifyingNetwork, NetworkSpec, SynapseNetwork, build_features

    torch.manual_seed(0)
    classes = ("a", "b", "c")
    spec = NetworkSpec("test_resnet", classes, 3, TILE_PX, TILE_PX, 4.0, 40.0, (0.5,) * 3, (0.2,) * 3)
    network = SynapseNetwork(spec, ClassifyingNetwork(spec, build_features(spec)))
    network.save(tmp_path / "network.safetensors")
    found = _network(tmp_path)
    tile = warehouse.tile("s010")
    logits = network.logits(tile[None])[0]
    assert found.explained.classes == classes
    np.testing.assert_allclose(found.probabilities(tile), torch.softmax(torch.tensor(logits), 0), atol=1e-6)


def test_stored_maps_are_of_the_release(store: DatasetStore, warehouse: Warehouse) -> None:
    rows = warehouse.explained()
    assert len(rows) == 18
    assert [row["method"] for row in warehouse.explained("s000")] == ["gradients", "occlusion"]
    for row in rows[:2]:
        assert "map" not in row
        png = warehouse.kept_pictures.picture(EXPLANATIONS, "map", row)
        import io

        from PIL import Image

        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(png or b""))), planted_map())
    with pytest.raises(BadInput, match="explanations of 's000' was made again, or removed"):
        warehouse.kept_pictures.picture(EXPLANATIONS, "map", {**warehouse.explained("s000")[0], "tile_hash": "other"})


def test_damaged_files_are_named(store: DatasetStore, tmp_path: Path) -> None:
    root = tmp_path / "data"
    shutil.copytree(store.data_root, root)
    damaged = DatasetStore(str(root), "tiny")
    for path in damaged.results(EXPLANATIONS).files():
        Path(path).write_bytes(b"not parquet")
    models = damaged.models("synapse_classifier")
    for file in Path(models.path(str(models.current))).glob("*"):
        file.write_bytes(b"")
    with open_warehouse("tiny", root) as opened:
        with pytest.raises(BadInput, match="pictures of tiny cannot be read"):
            opened.kept_pictures.picture(EXPLANATIONS, "map", opened.explained()[0])
        with pytest.raises(BadInput, match=r"linear_probe|classifiers of tiny"):
            opened.explain("s010")
