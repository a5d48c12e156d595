"""The autoencoder of a dataset: trained once on its tiles or masks, in use at once, and tuned on what is labelled."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from synapse_assets.datasets import EmDataset
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.em.alignment import examine_sources
from synapse_assets.pipeline.em.embeddings import embed_region
from synapse_assets.pipeline.em.encoder import fit_encoder
from synapse_assets.pipeline.em.labelling import suggestions, vae
from synapse_assets.pipeline.em.labelling.masks import masks_of
from synapse_assets.pipeline.em.labelling.suggestions import suggest_round
from synapse_assets.pipeline.em.labelling.vae import fit_tile_vae, tuned_vae_vectors, vae_vectors
from synapse_assets.pipeline.em.labels import label_region
from synapse_assets.pipeline.em.synapses import read_synapse_tables, store_region_synapses
from synapse_assets.pipeline.em.tiles import cut_tiles
from synapse_assets.pipeline.report import Picture
from synapse_assets.schema import SYNAPSE_LABELS, TILES
from synapse_assets.stores import DatasetStore
from synapse_assets.volumes import decode_tiles
from synapse_assets_tests.conftest import (
    CLASSES,
    REGIONS,
    SECTIONS,
    SIDE_PX,
    VOXEL_SIZE_NM,
    planted_points,
    tiny_dataset,
)
from synapse_assets_tests.detected import FINDER, Finder

LOG = logging.getLogger(__name__)
SMALL = {"width": 16, "hidden_dims": [4, 8], "latent_dim": 3, "steps": 20, "batch_size": 8}


def dataset(inputs: Path, **changes: Any) -> EmDataset:
    return tiny_dataset(inputs, inputs / "points.csv", labelling={"vae": {**SMALL, **changes}})


@pytest.fixture(scope="module")
def store(tiny_inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> DatasetStore:
    """The tiny dataset, with tiles and the autoencoder `SMALL` of them."""
    tiny = dataset(tiny_inputs)
    made = DatasetStore(str(tmp_path_factory.mktemp("vae")), tiny.name)
    read_synapse_tables(made, tiny, [], LOG)
    examine_sources(made, tiny, LOG)
    for region in REGIONS:
        store_region_synapses(made, tiny, region)
        cut_tiles(made, tiny, region, LOG)
    report = fit_tile_vae(made, tiny, "cpu", LOG)
    assert (report.details["fitted_now"], report.details["training_tiles"], report.details["training_steps"]) == (
        True,
        72,
        20,
    )
    assert isinstance(report.details["training_curve"], Picture)
    return made


def ids_of(store: DatasetStore) -> list[str]:
    return store.tiles.read(None, ["synapse_id"]).column("synapse_id").to_pylist()


def test_on_the_same_tiles_nothing_is_trained_again(store: DatasetStore, tiny_inputs: Path) -> None:
    report = fit_tile_vae(store, dataset(tiny_inputs), "cpu", LOG)
    assert (report.details["fitted_now"], report.details["status"]) == (False, "in use")


def test_vectors_come_in_the_order_of_the_ids(
    store: DatasetStore, tiny_inputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids, tiny = ids_of(store)[:9], dataset(tiny_inputs)
    vectors = vae_vectors(store, tiny, ids, "cpu")
    assert vectors.shape == (9, 3)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vae_vectors(store, tiny, ids[::-1], "cpu")[::-1], vectors, atol=1e-5)
    assert vae_vectors(store, tiny, [], "cpu").shape == (0, 3)
    # Fine-tuning that is not asked for, or has one class to go by, changes nothing.
    classes = dict.fromkeys(ids, "gaba")
    for steps in (0, 5):
        same = tuned_vae_vectors(store, dataset(tiny_inputs, fine_tune_steps=steps), ids, classes, "cpu", LOG)
        np.testing.assert_array_equal(same, vectors)


def test_labels_tune_it_once(store: DatasetStore, tiny_inputs: Path) -> None:
    points = planted_points()
    class_of = dict(zip(points["id"], points["nt"], strict=True))
    known = {one: class_of[one] for one in ids_of(store)[:40]}
    tiny, ids = dataset(tiny_inputs, fine_tune_steps=5), ids_of(store)
    tuned = tuned_vae_vectors(store, tiny, ids, known, "cpu", LOG)
    assert not np.allclose(tuned, vae_vectors(store, tiny, ids, "cpu"), atol=1e-4)
    [version] = store.models(vae.TUNED).versions()
    np.testing.assert_array_equal(tuned_vae_vectors(store, tiny, ids, known, "cpu", LOG), tuned)
    assert store.models(vae.TUNED).versions() == [version]
    assert store.models(vae.TUNED).provenance(version).scores["labelled_tiles"] == 40
    other = {**known, ids[0]: next(one for one in CLASSES if one != known[ids[0]])}
    tuned_vae_vectors(store, tiny, ids[:1], other, "cpu", LOG)
    assert len(store.models(vae.TUNED).versions()) == 2


def test_without_tiles_choice_or_model_it_says_what_to_do(tiny_inputs: Path, tmp_path: Path) -> None:
    empty, tiny = DatasetStore(str(tmp_path), "tiny"), dataset(tiny_inputs)
    with pytest.raises(BadInput, match="there are 0 tiles to train an autoencoder on; materialise tiles"):
        fit_tile_vae(empty, tiny, "cpu", LOG)
    with pytest.raises(BadInput, match="no tile_vae has been fitted: materialise tiny/tile_vae first"):
        vae_vectors(empty, tiny, [], "cpu")
    with pytest.raises(BadInput, match=r"tiny has no autoencoder: add 'labelling: \{vae: \{\}\}'"):
        fit_tile_vae(empty, tiny_dataset(tiny_inputs, tiny_inputs / "points.csv"), "cpu", LOG)


def test_a_dataset_takes_no_masks_from_itself(tiny_inputs: Path) -> None:
    with pytest.raises(ValueError, match="masks_from names tiny itself: name the detection dataset"):
        dataset(tiny_inputs, learns_from="mask", masks_from="tiny")


def test_masks_are_what_a_detector_marks_at_a_synapse(store: DatasetStore, tiny_inputs: Path) -> None:
    tiny = dataset(tiny_inputs, learns_from="mask", masks_from=FINDER)
    with pytest.raises(BadInput, match="finder has made no maps yet: materialise finder/probability_maps first"):
        fit_tile_vae(store, tiny, "cpu", LOG)
    finder = Finder(
        DatasetStore(store.data_root, FINDER), (0, 0, 0), (SECTIONS, SIDE_PX, SIDE_PX), (9, 96, 96), VOXEL_SIZE_NM
    )
    values = np.zeros((SECTIONS, SIDE_PX, SIDE_PX), np.uint8)
    points = planted_points().set_index("id")
    lying, standing, near_the_edge = "s000", "s001", "s011"
    for one, high, wide in ((lying, 1, 6), (standing, 6, 1)):
        x, y, z = points.loc[one, ["x", "y", "z"]].astype(int)
        values[z, y - high : y + high + 1, x - wide : x + wide + 1] = 200
        values[z - 1] = 255
    finder.plant(values, {})
    masks = masks_of(store, tiny, FINDER)
    assert (masks.target, masks.px) == ("mitochondria", 24)
    pictures = masks.pictures(store, [lying, standing, near_the_edge, "nobody"])
    assert pictures.shape == (4, 24, 24)
    assert (pictures[0] > 0).sum() == 3 * 13
    np.testing.assert_array_equal(pictures[0], pictures[1])
    assert not pictures[2:].any()
    report = fit_tile_vae(store, tiny, "cpu", LOG)
    assert (report.details["fitted_now"], report.details["training_tiles"]) == (True, 72)
    vectors = vae_vectors(store, tiny, [lying, standing], "cpu")
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-5)
    elsewhere = tiny.model_copy(update={"volumes": {"other": tiny.volumes["em"]}})
    with pytest.raises(
        BadInput, match=r"has the volumes \['other'\], and finder, which masks_from names, has maps of \['em'\]"
    ):
        masks_of(store, elsewhere, FINDER)
    fit_tile_vae(store, dataset(tiny_inputs), "cpu", LOG)


def test_a_round_by_two_streams_sees_what_the_autoencoder_does(
    store: DatasetStore, tiny_inputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = dataset(tiny_inputs, fine_tune_steps=3)
    assert tiny.labelling is not None
    tiny = tiny.model_copy(
        update={"labelling": tiny.labelling.model_copy(update={"batch": 10, "strategy": "two_stream"})}
    )
    fit_encoder(store, tiny, "cpu", LOG)
    for region in REGIONS:
        embed_region(store, region, "cpu", LOG)
        label_region(store, tiny, region)
        rows = store.results(SYNAPSE_LABELS).read(region)
        classes = rows.column("target").to_pylist()
        half = pa.array([one if place < 12 else None for place, one in enumerate(classes)], pa.string())
        rows = rows.set_column(rows.column_names.index("target"), SYNAPSE_LABELS.arrow.field("target"), half)
        store.results(SYNAPSE_LABELS).write_partition(region, rows)
    before = store.models(vae.TUNED).current
    report = suggest_round(store, tiny, "round_001", "cpu", LOG)
    assert (report.rows, report.details["strategy"], report.details["pool"]) == (10, "two_stream", 36)
    assert store.models(vae.TUNED).current != before
    # Of candidates that it does not see none comes by the strategy before those that it sees.
    monkeypatch.setattr(suggestions, "AUTOENCODED", 12)
    rows = suggest_round(store, tiny, "round_002", "cpu", LOG)
    assert rows.rows == 10


def test_a_changed_tile_trains_another_one(store: DatasetStore, tiny_inputs: Path) -> None:
    before = store.models(vae.MODEL).current
    rows = store.tiles.read(REGIONS[0], TILES.names)
    other = rows.set_column(
        rows.column_names.index("tile_hash"), "tile_hash", [["x" + one for one in rows.column("tile_hash").to_pylist()]]
    )
    assert len(decode_tiles(rows.column("image"))) == 24
    store.tiles.replace_region(REGIONS[0], TILES.conform(other), [])
    report = fit_tile_vae(store, dataset(tiny_inputs), "cpu", LOG)
    assert report.details["fitted_now"] is True
    assert store.models(vae.MODEL).current not in (None, before)
