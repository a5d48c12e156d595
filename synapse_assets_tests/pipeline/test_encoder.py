"""Which encoder is fitted where a dataset leaves it open, what becomes of the one in use, and what is known of its tiles."""

import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from synapse_assets.datasets import EmDataset
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.em.alignment import examine_sources
from synapse_assets.pipeline.em.embeddings import embed_region
from synapse_assets.pipeline.em.encoder import Relations, _relations, encoder_choice, fit_encoder, near_pairs
from synapse_assets.pipeline.em.labels import label_region
from synapse_assets.pipeline.em.promotions import decide_on_candidates
from synapse_assets.pipeline.em.synapses import read_synapse_tables, store_region_synapses
from synapse_assets.pipeline.em.tiles import cut_tiles
from synapse_assets.schema import PROMOTIONS, SYNAPSES, TILES
from synapse_assets.stores import DatasetStore, Provenance, fingerprint
from synapse_assets.stores.rows import content_key
from synapse_assets_tests.conftest import REGIONS, TILE_PX, tiny_dataset

LOG = logging.getLogger(__name__)


@pytest.fixture(scope="module")
def cut(tiny_inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with the tiles of the tiny dataset and no encoder."""
    root = tmp_path_factory.mktemp("cut")
    dataset = tiny_dataset(tiny_inputs, tiny_inputs / "points.csv")
    store = DatasetStore(str(root), dataset.name)
    read_synapse_tables(store, dataset, [], LOG)
    examine_sources(store, dataset, LOG)
    for region in REGIONS:
        store_region_synapses(store, dataset, region)
        cut_tiles(store, dataset, region, LOG)
        label_region(store, dataset, region)
    return root


@pytest.fixture
def store(cut: Path, tmp_path: Path) -> DatasetStore:
    shutil.copytree(cut, tmp_path / "data")
    return DatasetStore(str(tmp_path / "data"), "tiny")


@pytest.fixture
def with_encoder(tiny_inputs: Path) -> Callable[..., EmDataset]:
    """The tiny dataset with that encoder block; none where nothing is given."""

    def dataset(**block: object) -> EmDataset:
        return tiny_dataset(tiny_inputs, tiny_inputs / "points.csv", encoder=block)

    return dataset


def fitted(store: DatasetStore, dataset: EmDataset) -> dict[str, Any]:
    return fit_encoder(store, dataset, "cpu", LOG).details  # type: ignore[return-value]


def trained_before(store: DatasetStore, architecture: str, crop_px: int, steps: int) -> str:
    """A self-supervised encoder in use, named as the program named it before there was another origin."""
    import torch

    from synapse_assets.vision.encoder import Encoder, TileNetwork
    from synapse_assets.vision.encoder_spec import EncoderSpec
    from synapse_assets.vision.networks.backbone import build_backbone

    training = {
        "architecture": architecture, "crop_px": crop_px, "batch_size": 128, "max_steps": steps, "max_seconds": None,
        "learning_rate": 0.001, "temperature": 0.2, "views": 8, "seed": 0,
    }  # fmt: skip
    parameters = {"origin": "self_supervised", "training": training, "tile": {"size_px": TILE_PX, "sections": 3}}
    inputs = {"tiles": content_key(store.tiles.read(None, ["synapse_id", "tile_hash"]))}
    version = fingerprint({"name": "encoder", "parameters": parameters, "seed": 0}, inputs)
    spec = EncoderSpec(
        architecture, 3, TILE_PX, crop_px, (0.5,) * 3, (0.2,) * 3, "self_supervised", pooling="centre", views=8
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        encoder = Encoder(spec, TileNetwork(spec, build_backbone(architecture, 3, crop_px, "centre")))
    made = Provenance("encoder", version, inputs, parameters, 0, {"dimensions": float(encoder.dimensions)})
    store.models("encoder").save(version, encoder.save, made)
    store.models("encoder").promote(version)
    return version


def test_a_new_data_root_gets_a_texture(store: DatasetStore, with_encoder: Callable[..., EmDataset]) -> None:
    first = fitted(store, with_encoder())
    models = store.models("encoder")
    assert (first["status"], first["fitted_now"], first["dimensions"]) == ("in use", True, 32)
    assert models.provenance(first["version"]).parameters["origin"] == "texture"
    again = fitted(store, with_encoder(origin="texture"))
    assert (again["version"], again["fitted_now"]) == (first["version"], False)
    report = embed_region(store, REGIONS[0], "cpu", LOG)
    assert all(check.passed for check in report.checks)
    assert str(report.details["precision"]).startswith("float32")
    assert (report.rows, report.details["dimensions"]) == (24, 32)


@pytest.mark.parametrize(("architecture", "crop_px", "steps"), [("em_resnet18", 24, 600), ("em_resnet10", 16, 80)])
def test_an_encoder_in_use_keeps_its_origin(
    store: DatasetStore, with_encoder: Callable[..., EmDataset], architecture: str, crop_px: int, steps: int
) -> None:
    """With what stood in its block as without it: that of the packaged sample had other steps than the default, and is gone."""
    version = trained_before(store, architecture, crop_px, steps)
    models = store.models("encoder")
    block = {"architecture": architecture, "crop_px": crop_px, "training_steps": steps}
    for dataset in (with_encoder(), with_encoder(**block), with_encoder(training_tiles=20_000)):
        found = fitted(store, dataset)
        assert (found["version"], found["fitted_now"], found["status"]) == (version, False, "in use")
    assert (models.current, models.candidate, models.versions()) == (version, None, [version])


def test_a_texture_that_is_asked_for_waits_and_says_how_it_compares(
    store: DatasetStore, with_encoder: Callable[..., EmDataset]
) -> None:
    version = trained_before(store, "em_resnet10", 16, 80)
    models, dataset = store.models("encoder"), with_encoder(origin="texture")
    found = fitted(store, dataset)
    assert found["status"].startswith(f"candidate; {version} stays in use")
    assert (models.current, models.candidate, found["in_use"]) == (version, found["version"], version)
    # Who takes the block out again keeps what is in use.
    assert fitted(store, with_encoder())["status"] == "in use"
    assert (models.current, models.candidate) == (version, None)

    fitted(store, dataset)
    decide_on_candidates(store, dataset, "cpu", LOG, lambda model, chosen: store.models(model).promote(chosen))
    [row] = [row for row in store.results(PROMOTIONS).read().to_pylist() if row["model"] == "encoder"]
    assert row["candidate"] == found["version"]
    assert 0 <= row["score_in_use"] < row["score_candidate"] <= 1
    assert (row["decision"], models.current) == ("promoted", found["version"])
    assert f"the candidate ({row['score_candidate']:.3f}) is better than the one in use" in row["reason"]
    assert "72 labelled tiles" in row["reason"]
    assert fitted(store, with_encoder())["version"] == found["version"], "the one in use is a texture now"


def test_a_block_without_an_origin_that_speaks_of_training_means_it(
    store: DatasetStore, with_encoder: Callable[..., EmDataset]
) -> None:
    found = fitted(store, with_encoder(architecture="em_resnet10", training_steps=1))
    assert store.models("encoder").provenance(found["version"]).parameters["origin"] == "self_supervised"


def test_smaller_tiles_than_the_encoder_in_use_saw(store: DatasetStore, with_encoder: Callable[..., EmDataset]) -> None:
    trained_before(store, "em_resnet10", 24, 80)
    dataset = with_encoder()
    smaller = dataset.model_copy(update={"tile": dataset.tile.model_copy(update={"size_px": 12})})
    choice = encoder_choice(store, smaller)
    assert (choice.origin, choice.architecture, choice.crop_px) == ("self_supervised", "em_resnet10", 12)


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_tiles_are_refused(
    store: DatasetStore, with_encoder: Callable[..., EmDataset], tmp_path: Path, count: int
) -> None:
    ids = store.tiles.read(None, ["synapse_id"]).column("synapse_id").to_pylist()
    rows = store.tiles.read_ids(ids[:count], TILES.names)
    bare = DatasetStore(str(tmp_path / "bare"), "tiny")
    bare.tiles.replace_region(REGIONS[0], rows, [])
    with pytest.raises(BadInput, match=f"there are {count} tiles to fit an encoder on; materialise tiles"):
        fit_encoder(bare, with_encoder(), "cpu", LOG)
    assert not bare.models("encoder").versions()


def relations(store: DatasetStore, dataset: EmDataset, sample: pa.Table) -> Relations:
    return _relations(store, dataset, dataset.encoder, sample)


def test_what_is_known_of_the_tiles(store: DatasetStore, with_encoder: Callable[..., EmDataset]) -> None:
    sample = store.tiles.read(None, ["synapse_id", "tile_hash"]).sort_by("synapse_id")
    everything: dict[str, object] = {"positives": "neuron", "invariant_to": ["volume", "section", "contrast"]}
    found = relations(store, with_encoder(**everything), sample)
    neuron = np.arange(72) // 6
    assert (neuron[found.partners[:, 0]] == neuron[found.partners[:, 1]]).all()
    assert (found.partners[:, 0] < found.partners[:, 1]).all()
    assert set(found.partners.ravel()) == set(range(72))
    contrast, section, volume = found.nuisances
    assert len(contrast) == 72
    assert set(contrast) == set(range(10))
    assert set(section) == set(volume) == {0}
    assert relations(store, with_encoder(**everything), sample).content == found.content != ""
    assert relations(store, with_encoder(positives="neuron"), sample).content != found.content
    assert relations(store, with_encoder(), sample).content == ""


def test_sections_are_those_of_the_volume(store: DatasetStore, with_encoder: Callable[..., EmDataset]) -> None:
    """Synapses lie anywhere between the faces of a section."""
    rows = store.synapses.read(REGIONS[0], SYNAPSES.names)
    z_nm = np.where(np.arange(24) < 12, 160.0, 200.0) + np.random.default_rng(0).uniform(0, 39, 24)
    place = rows.column_names.index("z_nm")
    store.synapses.replace_region(REGIONS[0], rows.set_column(place, rows.schema.field(place), pa.array(z_nm)), [])
    ids = rows.select(["synapse_id"])
    [section] = relations(store, with_encoder(invariant_to=["section"]), ids).nuisances
    assert section.tolist() == [0] * 12 + [1] * 12


def test_what_is_known_of_the_tiles_decides_the_version(
    store: DatasetStore, with_encoder: Callable[..., EmDataset]
) -> None:
    dataset = with_encoder(positives="neuron", dimensions=4)
    first = fitted(store, dataset)
    assert set(store.models("encoder").provenance(first["version"]).inputs) == {"tiles", "relations"}
    assert fitted(store, dataset)["version"] == first["version"]
    rows = store.synapses.read(REGIONS[0], SYNAPSES.names)
    others = pa.array([5] * rows.num_rows, pa.int64())
    place = rows.column_names.index("neuron_id")
    store.synapses.replace_region(REGIONS[0], rows.set_column(place, rows.schema.field(place), others), [])
    assert fitted(store, dataset)["version"] != first["version"]


def test_near_synapses_of_one_neuron_are_partners() -> None:
    places = np.array([[0, 0, 0], [1, 0, 0], [5, 0, 0], [90, 0, 0], [0.5, 0, 0], [np.nan, 0, 0], [7, 0, 0]])
    neurons = [1, 1, 1, 1, 2, 1, None]
    assert near_pairs(neurons, places, most=1).tolist() == [[0, 1], [1, 2], [2, 3]]
    assert len(near_pairs(neurons, places, most=9)) == 6
    same_place = np.zeros((3, 3))
    assert near_pairs([1, 1, 1], same_place, most=2).tolist() == [[0, 1], [0, 2], [1, 2]]
    assert near_pairs([None, 2], same_place[:2]).shape == (0, 2)
