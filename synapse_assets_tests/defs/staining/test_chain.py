"""The staining chain from files to a release, through Dagster, on planted pictures."""

from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from synapse_assets.pipeline.staining.networks import MODEL, network_file
from synapse_assets.query import open_warehouse
from synapse_assets.schema.staining import COMPOUND_WELLS as WELLS_TABLE
from synapse_assets.schema.staining import (
    COMPOUNDS,
    IMAGE_PREDICTIONS,
    IMAGE_SPLITS,
    IMAGES,
    STAIN_SCORES,
    STAIN_THRESHOLDS,
    WINDOW_MAPS,
)
from synapse_assets.vision.staining import StainNetwork
from synapse_assets_tests.defs.staining.planted import COMPOUNDS as GIVEN
from synapse_assets_tests.defs.staining.planted import PLATES, WELLS, StainLab, picture, seed_of
from synapse_assets_tests.defs.test_automation import Automation

MADE_OF_A_PLATE = {
    "images",
    "windows",
    "embeddings",
    "umap_coordinates",
    "clusters",
    "window_maps",
    "image_predictions",
}


def frame(lab: StainLab, table: object) -> pd.DataFrame:
    """The stored rows of a table."""
    found: pd.DataFrame = lab.store.results(table).read().to_pandas()  # type: ignore[arg-type]
    return found


def test_the_release_holds_the_chain(stain_lab: StainLab) -> None:
    pictures = len(PLATES) * (len(WELLS) + len(GIVEN))
    with open_warehouse(stain_lab.dataset, stain_lab.root / "data") as warehouse:
        rows = {name: entry["rows"] for name, entry in warehouse.release["tables"].items()}
        assert rows["images"] == pictures
        assert rows["synapses"] == rows["tiles"] == rows["embeddings"] == rows["clusters"] == 4 * pictures
        assert rows["image_predictions"] == 2 * pictures
        assert rows["window_maps"] == pictures
        assert {"stain_scores", "stain_thresholds", "compounds", "compound_wells", "image_splits"} <= set(rows)
        assert set(warehouse.release["models"]) == {"encoder", "umap_model", "cluster_model", "stain_network"}
        count = "select count(*) as n from labelled_synapses where target = 'treated'"
        assert warehouse.sql(count)["n"].tolist() == [4 * 2 * len(PLATES)]
        points = warehouse.points
        assert len(points) == 4 * pictures
        assert np.isfinite(points.map).all()
        found = warehouse.similar(points.ids[0].as_py(), k=3)
        assert len(found) == 3
        only = warehouse.similar(points.ids[0].as_py(), k=3, where="s.target = 'treated' and c.cluster is not null")
        assert set(only["target"]) == {"treated"}
        assert warehouse.tile(points.ids[0].as_py()).shape == (1, 64, 64)
    event = stain_lab.instance.get_latest_materialization_event(dg.AssetKey(["stain", "warehouse"]))
    assert event is not None
    assert event.asset_materialization is not None
    checks = stain_lab.instance.event_log_storage.get_latest_asset_check_execution_by_key(
        [dg.AssetCheckKey(dg.AssetKey(["stain", "warehouse"]), "every_synapse_everywhere")]
    )
    assert [record.status.value for record in checks.values()] == ["SUCCEEDED"]


def test_the_network_tells_the_classes_of_plates_it_never_saw(stain_lab: StainLab) -> None:
    scores = frame(stain_lab, STAIN_SCORES)
    of = scores[scores["class_name"].isna() & (scores["level"] == "image") & (scores["score"] == "roc_auc")]
    area = of.set_index(["classifier", "split"])["value"]
    assert area["small", "plate"] >= 0.95
    assert set(area.index) == {
        ("small", "plate"),
        ("small", "random_crops"),
        ("texture_probe", "plate"),
        ("texture_probe", "well"),
        ("texture_probe", "random_crops"),
    }
    beside = of[(of["classifier"] == "small") & (of["split"] == "plate")]["sentence"].iloc[0]
    assert "differs from texture_probe by" in beside
    limits = frame(stain_lab, STAIN_THRESHOLDS).set_index(["classifier", "level", "class_name"])
    assert len(limits) == 2 * 2 * 2
    assert (limits["wells"] == 4 * len(PLATES)).all(), "every labelled well calibrates one network"


def test_a_map_is_of_the_network_that_never_saw_the_plate(stain_lab: StainLab) -> None:
    models = stain_lab.store.models(MODEL)
    folder = models.path(str(models.current)) / "small"
    splits = frame(stain_lab, IMAGE_SPLITS)
    fold_of = splits[splits["split"] == "plate"].groupby("plate")["fold"].first()
    assert sorted(fold_of) == [0, 1, 2]
    for row in frame(stain_lab, WINDOW_MAPS).itertuples():
        network = StainNetwork.load(network_file(folder, int(fold_of[row.plate])))
        name = str(row.image_id)
        beaded = "_B0" in name or "_C02" in name
        dense = network.dense(picture(beaded, seed_of(name))[None], "cpu")
        assert np.allclose(row.probabilities, dense.probabilities.ravel(), atol=1e-5)
        assert (row.rows, row.columns, row.stride_px, row.first_px, row.window_px) == (5, 5, 16, 32.0, 64)
    # The weights that saw a plate are others: a network of another fold gives another map.
    other = StainNetwork.load(network_file(folder, 1 - int(fold_of["P1"]) % 2))
    first = frame(stain_lab, WINDOW_MAPS).query("plate == 'P1'").iloc[0]
    seen = picture(False, seed_of(first["image_id"]))[None]
    assert not np.allclose(first["probabilities"], other.dense(seen, "cpu").probabilities.ravel(), atol=1e-5)


def test_a_picture_is_the_mean_of_its_map_and_answered_beyond_the_interval(stain_lab: StainLab) -> None:
    maps = frame(stain_lab, WINDOW_MAPS).set_index("image_id")
    limits = frame(stain_lab, STAIN_THRESHOLDS).query("classifier == 'small' and level == 'image'")
    high = limits.set_index("class_name")["high"]
    predictions = frame(stain_lab, IMAGE_PREDICTIONS).query("classifier == 'small'").set_index("image_id")
    assert len(predictions) == len(maps)
    for image_id, row in predictions.iterrows():
        means = np.reshape(maps.loc[image_id, "probabilities"], (2, 25)).mean(axis=1)
        of_class = dict(row["probabilities"])
        assert np.allclose([of_class["control"], of_class["treated"]], means, atol=1e-6)
        passed = [name for name in of_class if of_class[name] > high[name]]
        assert row["answer"] == (passed[0] if len(passed) == 1 else "uncertain")


def test_the_compound_that_undoes_the_treatment_ranks_first(stain_lab: StainLab) -> None:
    compounds = frame(stain_lab, COMPOUNDS).set_index("compound")
    assert (compounds["classifier"] == "small").all()
    assert compounds.loc["rescuer", "rank"] == 1
    assert compounds.loc["rescuer", "rescue"] > 0.8
    assert compounds.loc["idle", "rescue"] < 0.4
    wells = frame(stain_lab, WELLS_TABLE)
    predictions = frame(stain_lab, IMAGE_PREDICTIONS).query("classifier == 'small'").set_index(["plate", "well"])
    for row in wells.itertuples():
        assert row.likeness == pytest.approx(dict(predictions.loc[(row.plate, row.well), "probabilities"])["treated"])
    images = frame(stain_lab, IMAGES).set_index("image_id")
    assert not images.loc[frame(stain_lab, IMAGE_SPLITS)["image_id"], "compound"].notna().any(), "never trained on"


def test_shared_assets_speak_of_windows_and_plates(stain_lab: StainLab) -> None:
    graph = stain_lab.definitions.resolve_asset_graph()
    embeddings = graph.get(dg.AssetKey(["stain", "embeddings"]))
    assert (embeddings.description or "").startswith("The vector of each window of one plate. A row is one window;")
    assert {key.path[-1] for key in embeddings.parent_keys} == {"windows", "encoder"}
    for key in graph.materializable_asset_keys:
        assert "synapse" not in (graph.get(key).description or ""), key
        assert "brain region" not in (graph.get(key).description or ""), key


def test_another_release_holds_explanations_that_were_made_after_it(stain_lab: StainLab) -> None:
    automation = Automation(stain_lab)  # type: ignore[arg-type] -- it asks for what both kinds of lab have
    assert automation.tick() == {"report": {""}}, "the release has none yet"
    stain_lab.materialize("report")
    assert automation.tick() == {}
    stain_lab.materialize("explanations", region="P1")
    assert automation.tick() == {"warehouse": {""}}
    stain_lab.materialize("warehouse")
    assert automation.tick() == {}, "the explanations are the same again: the report of this release stays"


def test_automation_rests_and_a_new_plate_is_made_alone(stain_lab: StainLab, tmp_path: Path) -> None:
    """Last of this module: the dataset has one plate more from here on."""
    automation = Automation(stain_lab)  # type: ignore[arg-type] -- it asks for what both kinds of lab have

    def requested() -> dict[str, set[str]]:
        # Explanations are made by tests of their own.
        return {name: parts for name, parts in automation.tick().items() if not name.startswith("explanation")}

    assert requested() == {}
    models = {name: stain_lab.store.models(name).current for name in ("encoder", "stain_network")}
    stain_lab.add("P4", {**WELLS, **GIVEN})
    automation.observe()
    assert requested() == {"image_table": {""}}
    stain_lab.materialize("image_table")
    looks = requested()
    assert looks == {key: {"P4"} for key in MADE_OF_A_PLATE}
    stain_lab.materialize(*looks, region="P4")
    looks = requested()
    assert {"image_splits", "compounds"} <= set(looks)
    assert not {"encoder", "umap_model", "stain_network"} & set(looks), (
        "models are refitted by the clock, or when advised"
    )
    assert {name: stain_lab.store.models(name).current for name in models} == models
    # No network saw the plate; that of the first fold is asked.
    table = stain_lab.store.results(WINDOW_MAPS)
    [fold] = {made for image, made in (table.made_from("P4") or {}).items() if image.startswith("P4")}
    assert (fold, table.read("P4").num_rows) == ("0", len(WELLS) + len(GIVEN))
