"""What is no error: an empty region, few points, one class, no labels, only noise. The run succeeds and says so."""

from collections.abc import Callable
from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd
from PIL import Image

from synapse_assets.schema import CLUSTERS, SYNAPSE_PREDICTIONS, UMAP_COORDINATES
from synapse_assets_tests.conftest import REGIONS, SECTIONS, SIDE_PX, VOXEL_SIZE_NM, Lab, tiny_dataset

APPLIED = (
    "synapses",
    "synapse_labels",
    "tile_plan",
    "tiles",
    "embeddings",
    "umap_coordinates",
    "clusters",
    "synapse_predictions",
)


def warnings(result: dg.ExecuteInProcessResult) -> set[str]:
    return {check.check_name for check in result.get_asset_check_evaluations() if not check.passed}


def test_a_region_that_had_synapses_becomes_empty(whole_lab: Lab) -> None:
    lab = whole_lab
    points = pd.read_csv(lab.points)
    lab.write(points[points["region"] != REGIONS[0]])
    lab.materialize("synapse_table", "alignment")
    result = lab.materialize(*APPLIED, region=REGIONS[0])
    assert result.success
    assert warnings(result) == {"has_synapses"}
    assert lab.store.tiles.regions() == {REGIONS[1]: 24, REGIONS[2]: 24}
    for table in (UMAP_COORDINATES, CLUSTERS, SYNAPSE_PREDICTIONS):
        assert lab.store.results(table).partitions()[REGIONS[0]] == 0
    assert lab.materialize("cluster_cards", "neuron_predictions", "warehouse").success
    assert lab.store.release()["tables"]["synapses"]["rows"] == 48


def test_a_region_that_never_had_synapses(lab: Lab) -> None:
    lab.materialize("synapse_table", "alignment")
    lab.instance.add_dynamic_partitions("tiny_brain_region", ["PB"])
    result = lab.materialize("synapses", "tiles", region="PB")
    assert result.success
    assert warnings(result) == {"has_synapses"}


def test_fewer_points_than_umap_neighbours(lab: Lab) -> None:
    lab.write(pd.read_csv(lab.points).iloc[[0, 1, 6, 7, 12]])
    lab.whole_chain("retrieval_scorecard", "compression_report")
    assert lab.store.results(UMAP_COORDINATES).read().num_rows == 5
    assert (
        "too few for UMAP"
        in lab.store.models("umap_model").provenance(str(lab.store.models("umap_model").current)).notes
    )
    # Too few for clusters as well: all noise, and every synapse still has its row.
    assert set(lab.store.results(CLUSTERS).read().column("cluster").to_pylist()) == {-1}


def test_a_single_synapse(lab: Lab) -> None:
    lab.write(pd.read_csv(lab.points).head(1))
    lab.whole_chain("retrieval_scorecard", "compression_report")
    assert lab.store.results(UMAP_COORDINATES).read().num_rows == 0
    assert lab.store.release()["tables"]["synapses"]["rows"] == 1


def test_one_class_only(lab: Lab) -> None:
    lab.write(pd.read_csv(lab.points).assign(nt="gaba"))
    lab.whole_chain()
    models = lab.store.models("synapse_classifier")
    assert "all labelled synapses are 'gaba'" in models.provenance(str(models.current)).notes
    assert lab.store.results(SYNAPSE_PREDICTIONS).read().num_rows == 0


def complete(lab: Lab) -> tuple[bool, str]:
    """What the warehouse says of its completeness."""
    (found,) = lab.materialize("warehouse").get_asset_check_evaluations()
    return found.passed, str(found.description)


def test_a_volume_without_contrast_misses_nothing(lab: Lab, tiny_inputs: Path, tmp_path: Path) -> None:
    (tmp_path / "flat").mkdir()
    for index in range(SECTIONS):
        section = Image.fromarray(np.full((SIDE_PX, SIDE_PX), 128, np.uint8))
        section.save(tmp_path / "flat" / f"{index:03d}.png")
    volume = {"kind": "images", "url": str(tmp_path / "flat"), "voxel_size_nm": VOXEL_SIZE_NM}
    lab.use(tiny_dataset(tiny_inputs, lab.points, volumes={"em": volume}))
    lab.whole_chain("retrieval_scorecard", "compression_report")
    passed, told = complete(lab)
    assert not passed
    assert "materialise" not in told
    for table, reason in (("umap_coordinates", "no map"), ("clusters", "no clusters")):
        assert f"{table} is empty and nothing is missing: {reason}: 1 different vectors" in told
    # What is missing as well is still asked for.
    lab.write(pd.concat([pd.read_csv(lab.points), pd.read_csv(lab.points).head(1).assign(id="new")]))
    lab.materialize("synapse_table")
    lab.materialize("synapses", region=REGIONS[0])
    passed, told = complete(lab)
    assert not passed
    assert "'tiles': 72" in told
    assert "materialise what is missing; umap_coordinates is empty and nothing is missing" in told


def test_few_synapses_or_one_class_miss_nothing(lab: Lab) -> None:
    points = pd.read_csv(lab.points)
    lab.write(points.head(1))
    lab.whole_chain()
    passed, told = complete(lab)
    assert not passed
    assert "materialise" not in told
    assert "synapse_predictions" not in told  # one synapse is no split: without labels that is well
    lab.write(points.assign(nt="gaba").head(9))
    lab.whole_chain()
    passed, told = complete(lab)
    assert not passed
    assert (
        told == "synapse_predictions is empty and nothing is missing: no classifier: all labelled synapses are 'gaba'"
    )


def test_labels_that_come_later_are_taken_up_at_once(lab: Lab) -> None:
    points = pd.read_csv(lab.points)
    lab.write(points.assign(nt=None))
    lab.whole_chain()
    lab.write(points)
    lab.materialize("synapse_table", "alignment")
    lab.everywhere("synapses", "synapse_labels")
    lab.materialize("splits", "synapse_classifier")
    models = lab.store.models("synapse_classifier")
    assert models.provenance(str(models.current)).scores["classes"] == 3


def test_no_labels_at_all(make_lab: Callable[..., Lab]) -> None:
    columns = {"synapse_id": "id", "brain_region": "region"}
    lab = make_lab(has_neurons=False, grouping=["brain_region"])
    source = lab.dataset.sources[0].model_copy(update={"columns": type(lab.dataset.sources[0].columns)(**columns)})  # type: ignore[union-attr]
    lab.use(lab.dataset.model_copy(update={"sources": [source]}))
    lab.whole_chain()
    models = lab.store.models("synapse_classifier")
    assert "no labelled synapses" in models.provenance(str(models.current)).notes
    assert lab.store.results(CLUSTERS).read().num_rows == 72
