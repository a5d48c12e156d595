"""The classifier of one dataset on another, in real stores: the same twice over, other classes, other voxels, and what is missing."""

import logging
import shutil
from pathlib import Path

import dagster as dg
import numpy as np
import pytest

from synapse_assets.analysis.evaluation.linear_probe import LinearProbe
from synapse_assets.datasets import EmDataset
from synapse_assets.definitions import build_definitions
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.em.transfer import try_others
from synapse_assets.schema import SYNAPSE_PREDICTIONS, TRANSFER
from synapse_assets.settings import Settings
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.rows import labelled_synapses, vector_matrix, vectors_in_use
from synapse_assets_tests.conftest import VOXEL_SIZE_NM, Lab

LOG = logging.getLogger(__name__)


@pytest.fixture
def stores(finished_lab: Lab, tmp_path: Path) -> tuple[DatasetStore, DatasetStore]:
    """The finished lab's, and another dataset with the very same content."""
    for name in ("tiny", "other"):
        shutil.copytree(finished_lab.root / "tiny", tmp_path / "data" / name)
    return DatasetStore(str(tmp_path / "data"), "tiny"), DatasetStore(str(tmp_path / "data"), "other")


def dataset(lab: Lab, voxel_size_nm: tuple[float, float, float] = VOXEL_SIZE_NM) -> EmDataset:
    source = {"other": {"voxel_size_nm": voxel_size_nm}}
    return EmDataset.model_validate({**lab.dataset.model_dump(), "transfer_from": source})


def tried(lab: Lab, stores: tuple[DatasetStore, DatasetStore], **how: object) -> list[dict]:
    try_others(stores[0], dataset(lab, **how), {"other": stores[1]}, "cpu", LOG)
    return stores[0].results(TRANSFER).read().to_pylist()


def test_a_classifier_does_elsewhere_what_it_does_at_home(finished_lab: Lab, stores) -> None:
    store, other = stores
    rows = tried(finished_lab, stores)
    known = labelled_synapses(store, ["target"]).to_pylist()
    target_of = {row["synapse_id"]: row["target"] for row in known if row["target"]}
    vectors = vectors_in_use(store).read_ids(sorted(target_of), ["synapse_id", "vector"])
    probe = LinearProbe.load(other.models("synapse_classifier").path(str(other.models("synapse_classifier").current)))
    predicted = np.array(probe.classes)[probe.predict(vector_matrix(vectors))[0]]
    targets = np.array([target_of[name] for name in vectors.column("synapse_id").to_pylist()])
    recalls = {name: float((predicted[targets == name] == name).mean()) for name in probe.classes}
    by_class = {row["class_name"]: row for row in rows}
    assert {name: by_class[name]["value"] for name in recalls} == pytest.approx(recalls)
    assert by_class[None]["value"] == pytest.approx(np.mean(list(recalls.values())))
    # Both have the same classifier: its own score here is that at home, out of fold.
    out_of_fold = [row for row in store.results(SYNAPSE_PREDICTIONS).read().to_pylist() if row["out_of_fold"]]
    right = [row["predicted"] == target_of[row["synapse_id"]] for row in out_of_fold]
    assert by_class[None]["own"] == by_class[None]["home"] == pytest.approx(np.mean(right), abs=1e-9)
    assert by_class[None]["synapses"] == len(target_of)
    assert by_class[None]["resampled"] is None
    assert "lost" in by_class[None]["sentence"]


def test_finer_voxels_are_resampled_and_coarser_ones_need_a_larger_tile(finished_lab: Lab, stores) -> None:
    [total, *_] = tried(finished_lab, stores, voxel_size_nm=(2, 2, 40))
    assert total["resampled"] == "voxels of 4 x 4 x 40 nm to 2 x 2 x 40 nm"
    assert 0 <= total["value"] <= 1
    with pytest.raises(BadInput, match=r"set tile: \{size_px: 48, sections: 3\}"):
        tried(finished_lab, stores, voxel_size_nm=(8, 8, 40))
    assert stores[0].results(TRANSFER).read().to_pylist()[0] == total, "what was stored stays"


def test_classes_are_matched_by_name_and_without_shared_ones_there_are_no_scores(finished_lab: Lab, stores) -> None:
    from synapse_assets.schema import SYNAPSE_LABELS

    store = stores[0]

    def rename(names: dict[str, str]) -> None:
        results = store.results(SYNAPSE_LABELS)
        for region in finished_lab.dataset.region_names or {"EB", "AL_L", "LH_L"}:
            rows = results.read(region).to_pylist()
            for row in rows:
                row["target"] = names.get(row["target"], row["target"])
            results.write_partition(region, SYNAPSE_LABELS.arrow.empty_table().from_pylist(rows, SYNAPSE_LABELS.arrow))

    rename({"gaba": "histamine"})
    [total, *of_class] = tried(finished_lab, stores)
    assert total["shared_classes"] == ["acetylcholine", "glutamate"]
    assert {row["class_name"] for row in of_class} == {"acetylcholine", "glutamate"}
    assert "without histamine, which it does not know" in total["sentence"]
    rename({"acetylcholine": "tyramine"})
    [nothing] = tried(finished_lab, stores)
    assert nothing["value"] is None
    assert "at least two classes must be shared" in nothing["sentence"]


def test_a_dataset_without_models_is_named_with_what_to_do(finished_lab: Lab, stores, tmp_path: Path) -> None:
    empty = DatasetStore(str(tmp_path / "data"), "empty")
    with pytest.raises(BadInput, match="materialise other/encoder, in the same data root, first"):
        try_others(stores[0], dataset(finished_lab), {"other": empty}, "cpu", LOG)


def test_the_voxel_size_must_be_the_one_that_the_encoder_was_fitted_at(finished_lab: Lab, stores) -> None:
    import json

    path = stores[1].models("encoder").path(str(stores[1].models("encoder").current)) / "encoder.json"
    path.chmod(0o644)
    path.write_text(json.dumps({**json.loads(path.read_text()), "texture_px": 24, "pixel_nm": 4.0}))
    with pytest.raises(BadInput, match="fitted at 4 nm a pixel, not at 8 nm"):
        tried(finished_lab, stores, voxel_size_nm=(8, 8, 40))


def test_a_dataset_does_not_transfer_from_itself(finished_lab: Lab) -> None:
    with pytest.raises(ValueError, match="names tiny itself"):
        EmDataset.model_validate(
            {**finished_lab.dataset.model_dump(), "transfer_from": {"tiny": {"voxel_size_nm": VOXEL_SIZE_NM}}}
        )


def test_the_asset_is_there_where_others_are_named_and_runs(finished_lab: Lab, stores, tmp_path: Path) -> None:
    assert "transfer" not in {
        key.path[-1] for key in finished_lab.definitions.resolve_asset_graph().get_all_asset_keys()
    }
    settings = Settings(data_root=str(tmp_path / "data"), datasets=[], device="cpu")
    definitions = build_definitions(settings, datasets=[dataset(finished_lab)])
    key = dg.AssetKey(["tiny", "transfer"])
    parents = definitions.resolve_asset_graph().get(key).parent_keys
    assert parents >= {dg.AssetKey(["other", "encoder"]), dg.AssetKey(["other", "synapse_classifier"])}
    with dg.DagsterInstance.ephemeral() as instance:
        job = definitions.resolve_implicit_global_asset_job_def()
        result = job.execute_in_process(asset_selection=[key], instance=instance)
    [made] = result.get_asset_materialization_events()
    assert 0 <= made.materialization.metadata["balanced_accuracy_other_linear_probe"].value <= 1
    assert stores[0].results(TRANSFER).read().num_rows == 4
