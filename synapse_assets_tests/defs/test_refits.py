"""Refits: when `drift` says that one is due, what `promotions` does with it, and what follows from that in the graph."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

from synapse_assets.pipeline.em.clusters import NUMBERS_FILE, highest_number
from synapse_assets.schema import CLUSTERS, DRIFT, PROMOTIONS, SYNAPSE_PREDICTIONS
from synapse_assets.stores.files import Files
from synapse_assets_tests.conftest import REGIONS, SIDE_PX, Lab, planted_points, tiny_dataset

NEW_DATA = ("synapses", "synapse_labels", "tile_plan", "tiles", "embeddings", "umap_coordinates", "clusters")


def shuffled(points: pd.DataFrame) -> pd.DataFrame:
    """Classes dealt to the neurons by chance."""
    of_neuron = points.groupby("neuron")["nt"].first()
    dealt = pd.Series(np.random.default_rng(1).permutation(of_neuron.to_numpy()), of_neuron.index)
    return points.assign(nt=points["neuron"].map(dealt))


def ingest(lab: Lab, points: pd.DataFrame, *names: str) -> None:
    """New points, and those steps of every region."""
    lab.write(points)
    lab.materialize("synapse_table", "alignment")
    lab.everywhere(*names)


def background(count: int) -> pd.DataFrame:
    """Points where nothing was planted: tiles of noise, a texture that no synapse has. All in EB, of no known class."""
    taken = {(row.x, row.y) for row in planted_points().itertuples()}
    places = [(x, y) for y in range(24, SIDE_PX - 12, 24) for x in range(24, SIDE_PX - 12, 24) if (x, y) not in taken]
    rows = [{"id": f"b{i:02d}", "x": x, "y": y, "z": 4, "region": "EB"} for i, (x, y) in enumerate(places[:count])]
    return pd.DataFrame(rows).assign(neuron=planted_points()["neuron"].iloc[0], nt=None)


def by_hand(lab: Lab, model: str, version: str | None = None) -> None:
    """The job that puts a version, or the candidate, in use."""
    config = {"model": model, **({"version": version} if version else {})}
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    job = lab.definitions.resolve_job_def("tiny_promote")
    job.execute_in_process(
        run_config={"ops": {"tiny_promote_model": {"config": config}}, **quiet}, instance=lab.instance
    )


def decisions(lab: Lab) -> dict[str, dict[str, Any]]:
    return {row["model"]: row for row in lab.store.results(PROMOTIONS).read().to_pylist()}


def refit_not_due(lab: Lab) -> dg.AssetCheckEvaluation:
    [found] = lab.materialize("drift").get_asset_check_evaluations()
    return found


def stale(lab: Lab, name: str, region: str | None = None) -> bool:
    """Whether Dagster shows it as out of date."""
    graph = lab.definitions.resolve_asset_graph()
    resolver = CachingStaleStatusResolver(lab.instance, graph, LoadingContextForTest(lab.instance))
    return resolver.get_status(dg.AssetKey(["tiny", name]), region) != StaleStatus.FRESH


def test_a_better_classifier_is_promoted_and_a_worse_one_is_kept(lab: Lab) -> None:
    truth = planted_points()
    lab.write(shuffled(truth))
    lab.whole_chain()
    models = lab.store.models("synapse_classifier")
    poor = models.current
    lab.materialize("promotions")
    assert {row["decision"] for row in decisions(lab).values()} == {"no candidate"}

    # The right labels come: a refit is a candidate, and better.
    ingest(lab, truth, "synapses", "synapse_labels")
    lab.materialize("splits", "synapse_classifier")
    good = models.candidate
    assert (models.current, good is None) == (poor, False)
    assert not stale(lab, "synapse_predictions", "EB")
    lab.materialize("promotions")
    row = decisions(lab)["synapse_classifier"]
    assert (row["decision"], row["in_use_before"], row["candidate"]) == ("promoted", poor, good)
    assert row["score_candidate"] > row["score_in_use"] + 0.1
    assert "72 labelled synapses of 3 classes" in row["reason"]
    assert (models.current, models.candidate) == (good, None)

    # What it is applied to is out of date, what it was fitted on is not; then the regions and the warehouse follow.
    assert not stale(lab, "synapse_classifier")
    told = lab.instance.get_latest_materialization_event(dg.AssetKey(["tiny", "synapse_classifier"]))
    assert told is not None
    assert {"dagster/input_data_version/tiny/splits", "dagster/input_event_pointer/tiny/splits"} <= set(told.tags or {})
    assert all(stale(lab, "synapse_predictions", region) for region in REGIONS)
    lab.everywhere("synapse_predictions")
    assert set(lab.store.results(SYNAPSE_PREDICTIONS).read().column("classifier").to_pylist()) == {good}
    assert not any(stale(lab, "synapse_predictions", region) for region in REGIONS)
    lab.materialize("neuron_predictions", "warehouse")
    release = lab.store.release()
    assert release["models"]["synapse_classifier"] == good
    assert release["tables"]["promotions"]["rows"] == 4

    # Deciding again changes nothing.
    before = lab.store.results(PROMOTIONS).read()
    lab.materialize("promotions")
    assert lab.store.results(PROMOTIONS).read().equals(before)

    # A person who goes back to the model before is not overruled by the next refit, which comes to the same model.
    by_hand(lab, "synapse_classifier", poor)
    assert stale(lab, "synapse_predictions", "EB")
    assert not stale(lab, "synapse_classifier")
    for _ in range(2):
        lab.materialize("synapse_classifier", "promotions")
        row = decisions(lab)["synapse_classifier"]
        assert (row["decision"], models.current, models.candidate) == ("kept", poor, good)
        assert "replaced by hand" in row["reason"]
    by_hand(lab, "synapse_classifier")
    assert (models.current, models.candidate) == (good, None)
    lab.everywhere("synapse_predictions")

    # The wrong labels again: the refit is worse, stays a candidate, and no region changes.
    ingest(lab, shuffled(truth), "synapses", "synapse_labels")
    lab.materialize("splits", "synapse_classifier")
    lab.materialize("promotions")
    row = decisions(lab)["synapse_classifier"]
    assert (row["decision"], row["candidate"]) == ("kept", poor)
    assert "worse than the one in use" in row["reason"]
    assert (models.current, models.candidate) == (good, poor)
    assert not stale(lab, "synapse_predictions", "EB")
    before = lab.store.results(PROMOTIONS).read()
    lab.materialize("promotions")
    assert lab.store.results(PROMOTIONS).read().equals(before)


def test_drift_is_due_after_many_strange_synapses_and_a_refit_settles_it(whole_lab: Lab) -> None:
    ordinary = planted_points()
    lab = whole_lab
    assert refit_not_due(lab).passed
    few = ordinary.head(4).assign(id=["n0", "n1", "n2", "n3"], x=ordinary["x"].head(4) + 2, region="EB")
    ingest(lab, pd.concat([ordinary, few]), *NEW_DATA)
    assert refit_not_due(lab).passed
    rows = {row["brain_region"]: row for row in lab.store.results(DRIFT).read().to_pylist()}
    assert (rows["EB"]["synapses"], rows["EB"]["known_synapses"], rows["EB"]["new_synapses"]) == (28, 24, 4)

    ingest(lab, pd.concat([ordinary, few, background(45)]), *NEW_DATA)
    due = refit_not_due(lab)
    assert not due.passed
    assert due.severity == dg.AssetCheckSeverity.WARN
    assert "EB: 49 of 73 synapses are new" in str(due.description)
    assert "AL_L" not in str(due.description)

    # The advice is followed: the map knows the new ones, the clusters keep their numbers, and nothing is due any more.
    before = dict(zip(*_columns(lab, "synapse_id", "cluster"), strict=True))
    lab.materialize("umap_model", "promotions")
    row = decisions(lab)["umap_model"]
    assert row["decision"] == "promoted", row["reason"]
    assert row["measure"].startswith("trustworthiness")
    assert stale(lab, "umap_coordinates", "EB")
    assert stale(lab, "cluster_model")
    lab.materialize("cluster_model")
    lab.everywhere("umap_coordinates", "clusters", "synapse_predictions")
    assert refit_not_due(lab).passed
    after = dict(zip(*_columns(lab, "synapse_id", "cluster"), strict=True))
    kept = (set(after.values()) & set(before.values())) - {-1}
    assert kept
    for number in kept:
        then = [synapse for synapse, cluster in before.items() if cluster == number]
        assert np.mean([after[synapse] == number for synapse in then]) > 0.5

    # The same content again is the same clustering, though its numbers now continue another one's.
    clusterings = lab.store.models("cluster_model")
    fitted = clusterings.current
    lab.materialize("cluster_model")
    assert (clusterings.current, clusterings.candidate) == (fitted, None)
    assert lab.materialize("cluster_cards", "neuron_predictions", "warehouse").success
    assert lab.store.release()["tables"]["drift"]["rows"] == 3


def test_another_encoder_is_compared_on_labelled_tiles_and_candidates_on_the_old_one_are_dropped(
    make_lab: Callable[..., Lab], tiny_inputs: Path
) -> None:
    whole = tiny_dataset(tiny_inputs, tiny_inputs / "points.csv").encoder.model_dump()
    lab = make_lab(encoder={**whole, "crop_px": 8})
    lab.whole_chain()
    encoders, maps = lab.store.models("encoder"), lab.store.models("umap_model")
    narrow, old_map = encoders.current, maps.current
    points = planted_points()
    new = points.head(4).assign(id=["n0", "n1", "n2", "n3"], x=points["x"].head(4) + 2)
    ingest(lab, pd.concat([points, new]), *NEW_DATA)
    lab.use(tiny_dataset(tiny_inputs, lab.points, encoder=whole))
    lab.materialize("umap_model", "encoder")
    wide, map_of_narrow = encoders.candidate, maps.candidate
    assert None not in (wide, map_of_narrow)

    lab.materialize("promotions")
    found = decisions(lab)
    encoder = found["encoder"]
    assert (encoder["decision"], encoder["in_use_before"], encoders.current) == ("promoted", narrow, wide)
    assert "both on 76 labelled tiles, each neuron_id held out" in encoder["reason"]
    assert found["umap_model"]["decision"] == "dropped"
    assert f"it was fitted on encoder {narrow}, but {wide} is in use" in found["umap_model"]["reason"]
    assert (maps.current, maps.candidate) == (old_map, None)
    # All that is fitted or made with it is out of date, and drift has nothing to measure against meanwhile.
    assert all(stale(lab, name) for name in ("umap_model", "synapse_classifier"))
    assert stale(lab, "embeddings", "EB")
    lab.everywhere("embeddings")
    assert refit_not_due(lab).passed
    assert lab.store.results(DRIFT).read().column("umap_model").to_pylist() == [None] * 3
    lab.materialize("umap_model", "cluster_model", "synapse_classifier", "promotions")
    assert maps.provenance(str(maps.current)).inputs["encoder"] == wide
    assert not stale(lab, "umap_model")
    assert decisions(lab)["encoder"] == encoder

    # The narrow one again: it is worse.
    lab.use(tiny_dataset(tiny_inputs, lab.points, encoder={**whole, "crop_px": 8}))
    lab.materialize("encoder", "promotions")
    assert decisions(lab)["encoder"]["decision"] == "kept"
    assert "worse than" in decisions(lab)["encoder"]["reason"]
    assert (encoders.current, encoders.candidate) == (wide, narrow)

    # A run that is killed after it put a model in use and before Dagster heard of it: the next one tells.
    encoders.promote(str(narrow))
    assert not stale(lab, "embeddings", "EB")
    lab.materialize("promotions")
    assert stale(lab, "embeddings", "EB")


def test_a_number_once_given_out_is_not_used_again_though_its_clustering_was_removed(
    finished_lab: Lab, tmp_path: Path
) -> None:
    models = replace(finished_lab.store.models("cluster_model"), folder=Files(str(tmp_path / "cluster_model")))
    assert highest_number(models) == -1
    made = finished_lab.store.models("cluster_model")
    old = made.provenance(str(made.current))
    models.save("first", lambda folder: None, replace(old, version="first", scores={"highest_number": 6.0}))
    models.save("older", lambda folder: None, replace(old, version="older", scores={"clusters": 3.0}))
    assert highest_number(models) == 6
    models.folder.write_json(NUMBERS_FILE, {"highest": 9})
    models.folder.remove("first")
    assert highest_number(models) == 9
    assert made.folder.read_json(NUMBERS_FILE) == {"highest": int(old.scores["highest_number"])}


def test_a_refit_that_is_kept_out_is_due_no_more_until_something_newer_comes(whole_lab: Lab) -> None:
    truth = planted_points()
    lab = whole_lab
    models = lab.store.models("synapse_classifier")
    good = models.current
    ingest(lab, shuffled(truth), "synapses", "synapse_labels")
    due = "a refit is due. "
    assert str(refit_not_due(lab).description).startswith(due)
    lab.materialize("splits", "synapse_classifier")
    worse = models.candidate
    undecided = refit_not_due(lab)
    assert (undecided.passed, str(undecided.description)[: len(due)]) == (False, due)

    # `promotions` keeps the model in use: nothing more is to be done.
    before = lab.store.results(DRIFT).read()
    lab.materialize("promotions")
    assert stale(lab, "drift"), "automation looks again"
    kept = refit_not_due(lab)
    assert kept.passed
    assert f"a refit was made and kept out: synapse_classifier {worse} (" in str(kept.description)
    assert "worse than the one in use" in str(kept.description)
    assert "synapse-assets promote tiny synapse_classifier" in str(kept.description)
    assert "labels are new or changed since the classifier was fitted" in str(kept.description)
    assert lab.store.results(DRIFT).read().equals(before)
    lab.materialize("synapse_classifier", "promotions")
    assert refit_not_due(lab).passed

    # Something newer: other labels again.
    again = truth.assign(
        nt=truth["nt"].map({"gaba": "acetylcholine", "acetylcholine": "glutamate", "glutamate": "gaba"})
    )
    ingest(lab, again, "synapses", "synapse_labels")
    newer = refit_not_due(lab)
    assert (newer.passed, str(newer.description)[: len(due)]) == (False, due)
    # And another kind of change is not covered by what was decided of the classifier.
    ingest(lab, shuffled(truth), "synapses", "synapse_labels")
    assert refit_not_due(lab).passed
    new = pd.concat([shuffled(truth), background(45)])
    ingest(lab, new, *NEW_DATA)
    assert "49 of" not in str(refit_not_due(lab).description)
    assert "EB: 45 of 69 synapses are new" in str(refit_not_due(lab).description)
    assert not refit_not_due(lab).passed

    # A map that a person took back: the same refit again is kept out, and due no more.
    lab.materialize("umap_model", "promotions")
    assert decisions(lab)["umap_model"]["decision"] == "promoted"
    maps = lab.store.models("umap_model")
    newest, old = maps.current, decisions(lab)["umap_model"]["in_use_before"]
    by_hand(lab, "umap_model", old)
    assert not refit_not_due(lab).passed
    lab.materialize("umap_model", "promotions")
    found = refit_not_due(lab)
    assert found.passed, found.description
    assert f"umap_model {newest} (it was in use and was replaced by hand" in str(found.description)

    # Whoever wants it all the same follows the advice.
    by_hand(lab, "synapse_classifier")
    by_hand(lab, "umap_model")
    assert (models.current, maps.current) == (worse, newest)
    assert good != worse
    assert "kept out" not in str(refit_not_due(lab).description)


def test_without_models_nothing_is_advised_or_decided(lab: Lab) -> None:
    lab.write(planted_points().head(1))
    lab.materialize("synapse_table", "alignment")
    assert refit_not_due(lab).passed
    lab.materialize("promotions")
    assert {row["reason"] for row in decisions(lab).values()} == {"no model was fitted yet"}
    assert lab.store.results(DRIFT).read().num_rows == 0

    # One synapse: no map, no clusters, no classifier. A region that lost it is empty.
    lab.whole_chain()
    assert refit_not_due(lab).passed
    [row] = lab.store.results(DRIFT).read().to_pylist()
    assert (row["synapses"], row["known_synapses"], row["new_synapses"], row["distance_ratio"]) == (1, 1, 0, None)
    lab.instance.add_dynamic_partitions("tiny_brain_region", ["PB"])
    assert refit_not_due(lab).passed
    assert lab.store.results(DRIFT).read().column("synapses").to_pylist() == [1, 0]
    lab.materialize("promotions", "warehouse")
    assert {row["decision"] for row in decisions(lab).values()} == {"no candidate"}


def _columns(lab: Lab, *names: str) -> list[list[Any]]:
    rows = lab.store.results(CLUSTERS).read()
    return [rows.column(name).to_pylist() for name in names]
