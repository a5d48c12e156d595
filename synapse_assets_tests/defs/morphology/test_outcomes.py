"""What is no error but has to be told, what is refused with the release left whole, and what repeats without work."""

import functools
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score

from synapse_assets.analysis.morphology.evaluation import evaluate_classifiers
from synapse_assets.analysis.morphology.features import held_out_features
from synapse_assets.analysis.morphology.tables import in_group, labels_of, scaled_matrix
from synapse_assets.pipeline.morphology.group import Group, fitted_synapses
from synapse_assets.pipeline.morphology.release import build_release
from synapse_assets.query import open_warehouse
from synapse_assets.schema import Table, morphology
from synapse_assets.stores import DatasetStore
from synapse_assets_tests.defs.morphology.conftest import INGESTED, OF_GROUP, Bench, checks, metadata
from synapse_assets_tests.defs.morphology.planted import planted_workbook

FEW = {"resampling": {"runs": 4, "share": 0.9, "nulls": 1}}


def test_bad_input_leaves_what_is_stored(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench()
    bench.materialize("synapses")
    before = bench.rows(morphology.SYNAPSES)
    bench.write(planted_workbook().rename(columns={"SynArea": "Syn Area"}))
    with pytest.raises(dg.Failure, match=r"SynArea.*did you mean.*Syn Area"):
        bench.materialize("synapses")
    pd.testing.assert_frame_equal(bench.rows(morphology.SYNAPSES), before)


def test_nanometres_taken_for_micrometres_are_stopped_by_a_check(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench()
    rows = planted_workbook()
    micron = [name for name in rows.columns if name.endswith("_micron")]
    bench.write(rows.assign(**{name: rows[name] * 1000 for name in micron}))
    result = bench.materialize(*INGESTED, raises=False)
    assert not result.success
    assert "another unit" in checks(result, passed=False)["distances_plausible"]
    assert bench.rows(morphology.FEATURES).empty


def test_a_neuron_with_two_synapses_is_kept_unassigned_and_told(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench()
    rows = planted_workbook()
    lone = rows[(rows["NeuronId"] == "pv1") & (rows["SynType"] == "as")].head(2).assign(NeuronId="pv7")
    bench.write(pd.concat([rows, lone]))
    result = bench.materialize(*INGESTED)
    assert "pv7 (2)" in checks(result, passed=False)["neurons_have_enough_synapses"]
    features = bench.rows(morphology.FEATURES).set_index("neuron_id").loc["pv7"]
    assert features["left_out"].str.contains("pv7 has 2 synapses; axes of its own need 5").all()
    assert features["distance_to_soma_um"].notna().all()


def test_extreme_measures_are_flagged_counted_and_kept(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(**FEW)
    rows = planted_workbook()
    rows.loc[rows.index[[0, 3]], "SynArea"] = 9.0
    bench.write(rows)
    result = bench.materialize(*INGESTED)
    assert metadata(result, "features")["extreme"] == 2
    result = bench.materialize("projection", "parameter_sweep", "clusters", group="as")
    found = bench.rows(morphology.CLUSTERS, "as")
    assert len(found) == 180
    assert found[found["reason"].fillna("").str.contains("synapse_area 9 is above")]["cluster"].tolist() == [-1, -1]


def test_a_group_too_small_for_clusters_goes_through_to_the_warehouse(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(groups={"few": {"neuron_id": "cb1", "synapse_type": "as"}, "none": {"neuron_id": "cb77"}}, **FEW)
    rows = planted_workbook()
    bench.write(rows[(rows["NeuronId"] != "cb1") | (rows["SynId"] <= 7)])
    bench.materialize(*INGESTED)
    for group in ("few", "none"):
        result = bench.materialize(*OF_GROUP, group=group)
        assert {"clusters_are_stable", "found_clusters"} <= checks(result, passed=False).keys()
    bench.materialize("warehouse")
    stability = bench.rows(morphology.CLUSTER_STABILITY).set_index("investigation_group")
    assert (stability["verdict"] == "not distinguishable from noise").all()
    assert stability["sentence"].str.len().min() > 20
    assert stability["detectable_separation_sd"].isna().all()
    assert len(bench.rows(morphology.CLUSTERS, "few")) == 7
    predicted = bench.rows(morphology.PREDICTIONS, "few")
    assert len(predicted) == 3
    assert predicted["reason"].str.contains("no classifier").all()


def test_a_fragile_clustering_that_feeds_a_classifier_is_warned_of(finished: Bench) -> None:
    # ss is planted noise: whatever was trained on it must have been warned of.
    result = finished.materialize("cluster_classifier", group="ss")
    scores = finished.rows(morphology.CLASSIFIER_SCORES, "ss")
    warned = "trained_on_stable_clusters" in checks(result, passed=False)
    assert warned == (len(scores) > 0)
    assert "trained_on_stable_clusters" in checks(finished.materialize("cluster_classifier", group="as"), passed=True)


def test_unchanged_content_fits_nothing_and_repeats_the_same_rows(finished: Bench) -> None:
    before = {table.name: finished.rows(table, "as") for table in (morphology.CLUSTERS, morphology.PREDICTIONS)}
    finished.materialize(*INGESTED)
    result = finished.materialize(*OF_GROUP, group="as")
    for name in ("projection", "clusters", "cluster_classifier"):
        assert metadata(result, name)["fitted_now"] is False
    assert finished.rows(morphology.CLUSTERS, "as").equals(before["clusters"])
    assert finished.rows(morphology.PREDICTIONS, "as").equals(before["predictions"])


def test_cluster_numbers_keep_their_meaning_and_the_release_refuses_a_mixture(released: Bench, tmp_path: Path) -> None:
    first = released.rows(morphology.CLUSTERS, "as").set_index("synapse_id")["cluster"]
    # The largest cluster loses most of its synapses: by size alone its number would go to another.
    rows = planted_workbook()
    keys = rows["NeuronId"] + "/" + rows["SynType"] + "/" + rows["SynId"].astype(str)
    largest = rows.assign(cluster=first.reindex(keys).to_numpy())
    shape = int(largest[largest["cluster"] == 0]["planted"].mode()[0])

    def lose_most(bench: Bench) -> None:
        bench.write(rows[~((rows["planted"] == shape) & (rows["SynId"] > 30))])

    with copied(released.root, tmp_path / "copy", lose_most) as bench:
        bench.materialize(*INGESTED)
        with pytest.raises(dg.Failure, match="made from other features"):
            bench.materialize("warehouse")
        with open_warehouse("planted", bench.root / "data") as warehouse:
            assert warehouse.sql("select count(*) as n from clusters")["n"][0] == 180
        bench.materialize(*OF_GROUP, group="as")
        bench.materialize("warehouse")
        second = bench.rows(morphology.CLUSTERS, "as").set_index("synapse_id")["cluster"]
        both = second.index[(second >= 0) & (first.reindex(second.index) >= 0)]
        assert adjusted_rand_score(first[both], second[both]) > 0.9
        assert np.mean(first[both] == second[both]) > 0.9
        sizes = second[second >= 0].value_counts()
        assert sizes.idxmax() != 0
        assert bench.store.release()["highest_cluster_numbers"] == {"as": 2}


def changed_areas(bench: Bench) -> None:
    rows = planted_workbook()
    rows["SynArea"] += 0.001 * (np.arange(len(rows)) % 7)
    bench.write(rows)


def changed_new(bench: Bench) -> None:
    rows = planted_workbook(new=True)
    bench.write(rows.assign(SynArea=rows["SynArea"] + 0.01), new=True)


def changed_resampling(bench: Bench) -> None:
    bench.use(
        bench.dataset.model_copy(update={"resampling": bench.dataset.resampling.model_copy(update={"share": 0.85})})
    )


CHANGES = {"areas": changed_areas, "new": changed_new, "resampling": changed_resampling}
# For every change the assets that have to be made again, in order.
AGAIN = {
    "areas": (*INGESTED, *OF_GROUP),
    "new": ("synapses", "features", "predictions"),
    "resampling": OF_GROUP,
}
SKIPPED = [
    *(("areas", asset) for asset in AGAIN["areas"][1:]),
    *(("new", asset) for asset in AGAIN["new"][1:]),
    # Without the projection nothing else is made from other maps: then the release before is simply published again.
    *(("resampling", asset) for asset in ("parameter_sweep", "clusters", "cluster_classifier")),
]


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """One small group, whole chain released; tests copy it."""
    with dg.DagsterInstance.ephemeral() as instance:
        bench = Bench(tmp_path_factory.mktemp("released"), instance, groups={"as": {"synapse_type": "as"}}, **FEW)
        bench.whole_chain()
        yield bench


@contextmanager
def copied(of: Path, folder: Path, change: Callable[[Bench], None]) -> Iterator[Bench]:
    """That small group in another folder, after a change."""
    shutil.copytree(of, folder)
    with dg.DagsterInstance.ephemeral() as instance:
        bench = Bench(folder, instance, groups={"as": {"synapse_type": "as"}}, **FEW)
        change(bench)
        yield bench


@pytest.fixture(scope="module")
def step_by_step(released: Bench, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], list[Path]]:
    """After a change the folders as they are before each asset of `AGAIN` is made again, and after the last."""

    @functools.cache
    def folders(change: str) -> list[Path]:
        places, root = [released.root], tmp_path_factory.mktemp(change)
        for name in AGAIN[change]:
            with copied(places[-1], root / name, CHANGES[change]) as bench:
                bench.materialize_one_by_one(name)
            places.append(root / name)
        return places

    return folders


@pytest.mark.parametrize(("change", "skipped"), SKIPPED)
def test_whatever_is_not_made_again_is_refused(
    change: str, skipped: str, step_by_step: Callable[[str], list[Path]], tmp_path: Path
) -> None:
    """After a change, everything is run but one asset: something later, at the latest the warehouse, says what to make."""
    at = AGAIN[change].index(skipped)
    with (
        copied(step_by_step(change)[at], tmp_path / "copy", CHANGES[change]) as bench,
        pytest.raises(dg.Failure, match=rf"{skipped}|fitted on"),
    ):
        bench.materialize_one_by_one(*AGAIN[change][at + 1 :], "warehouse")


def test_no_picture_shows_new_clusters_under_an_old_verdict(released: Bench, tmp_path: Path) -> None:
    shutil.copytree(released.root, tmp_path / "copy")
    with dg.DagsterInstance.ephemeral() as instance:
        bench = Bench(tmp_path / "copy", instance, groups={"as": {"synapse_type": "as"}}, **FEW)
        pictures = [bench.store.figures.path / f"as_clusters{end}" for end in (".png", "_3d.png", "_3d.html")]
        unjudged = "not judged yet: materialise cluster_stability</p>"

        def made(*names: str) -> tuple[list[bytes], str]:
            for name in names:
                assert {"map", "space", "turnable"} <= metadata(bench.materialize(name, group="as"), name).keys()
            return [path.read_bytes() for path in pictures], pictures[-1].read_text(encoding="utf-8")

        before = [path.read_bytes() for path in pictures]
        again, page = made("clusters")
        assert again == before, "the same clusters, so their verdict holds"
        assert unjudged not in page
        changed_resampling(bench)
        bench.materialize("projection", "parameter_sweep", group="as")
        new, page = made("clusters")
        assert unjudged in page
        assert not set(new) & set(before)
        judged, page = made("cluster_stability")
        verdict = bench.rows(morphology.CLUSTER_STABILITY, "as")["verdict"][0]
        assert f">{verdict}: runs agree" in page
        assert unjudged not in page
        assert not set(judged) & set(new)


@pytest.mark.parametrize("change", CHANGES)
def test_what_has_to_be_made_again_is_enough(
    change: str, step_by_step: Callable[[str], list[Path]], tmp_path: Path
) -> None:
    with copied(step_by_step(change)[-1], tmp_path / "copy", CHANGES[change]) as bench:
        result = bench.materialize("warehouse")
        assert "every_group_complete" in checks(result, passed=True)


@pytest.mark.parametrize(
    ("gone", "of_before", "without_verdict"),
    [
        (None, None, set()),
        (morphology.CLUSTER_PROFILES, morphology.CLUSTER_STABILITY, {"clusters", "classifier_scores", "predictions"}),
        (morphology.CLASSIFIER_SCORES, morphology.PREDICTIONS, {"predictions"}),
    ],
)
def test_no_row_is_released_with_a_verdict_on_other_clusters(
    gone: Table | None, of_before: Table | None, without_verdict: set[str], released: Bench, tmp_path: Path
) -> None:
    """Where a table is gone, the release does not look at what was made after it, which may be of the clusters of before."""
    shutil.copytree(released.root, tmp_path / "copy")
    store = DatasetStore(str(tmp_path / "copy" / "data"), released.dataset.name)
    if gone is not None and of_before is not None:
        store.results(gone).remove_partition("as")
        stored = store.results(of_before)
        made_from = dict.fromkeys(stored.made_from("as") or {}, "before")
        stored.write_partition("as", stored.read("as"), made_from)
    build_release(store, released.dataset, "http://explorer")
    (row,) = released.rows(morphology.CLUSTER_STABILITY, "as").to_dict("records")
    with open_warehouse(released.dataset, tmp_path / "copy" / "data") as warehouse:
        for name in {"clusters", "cluster_profiles", "classifier_scores", "predictions"} - {gone.name if gone else ""}:
            (verdict,) = warehouse.sql(f"select distinct verdict from {name}")["verdict"]  # noqa: S608 -- ours
            assert (None if pd.isna(verdict) else verdict) == (None if name in without_verdict else row["verdict"]), (
                name
            )
        if of_before is morphology.CLUSTER_STABILITY:
            assert warehouse.release["scores"] == {}
            assert warehouse.release["tables"]["cluster_stability"]["rows"] == 0
            assert warehouse.stability() == {"verdict": "not assessed", "sentence": None}
            assert warehouse.points.cluster_verdict is None
        else:
            assert warehouse.release["scores"]["as"]["verdict"] == row["verdict"]
            assert warehouse.stability() == {"verdict": row["verdict"], "sentence": row["sentence"]}


def test_clusters_without_a_sweep_are_refused(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(**FEW)
    bench.materialize(*INGESTED)
    bench.materialize("projection", group="as")
    with pytest.raises(dg.Failure, match="no planted/parameter_sweep of group as yet"):
        bench.materialize("clusters", group="as")


def test_a_group_that_left_the_dataset_leaves_the_release(released: Bench, tmp_path: Path) -> None:
    shutil.copytree(released.root, tmp_path / "copy")
    with dg.DagsterInstance.ephemeral() as instance:
        bench = Bench(tmp_path / "copy", instance, groups={"asym": {"synapse_type": "as"}}, **FEW)
        result = bench.materialize("warehouse")
        assert "projection of asym" in checks(result, passed=False)["every_group_complete"]
        assert bench.store.release()["tables"]["clusters"]["rows"] == 0


def test_where_no_neuron_has_axes_every_synapse_is_kept_with_the_reason(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(features={"fewest_for_alignment": 500}, **FEW)
    bench.whole_chain()
    features = bench.rows(morphology.FEATURES)
    assert len(features) == 8 * 45 + 15
    assert features["left_out"].str.contains("500").all()
    assert len(bench.rows(morphology.CLUSTERS, "as")) == 180
    predicted = bench.rows(morphology.PREDICTIONS, "as")
    assert len(predicted) == 15
    assert predicted["reason"].str.contains("500").all()


def test_a_chain_that_no_longer_gives_what_was_fitted_is_stopped(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(**FEW)
    bench.materialize(*INGESTED)
    models = bench.store.models("feature_model")
    file = models.path(str(models.current)) / "feature_model.npz"
    with np.load(file) as stored:
        arrays = {name: stored[name] for name in stored.files}
    np.savez(file, **{**arrays, "scale": arrays["scale"] * 1.001})
    result = bench.materialize("features", raises=False)
    assert "largest difference" in checks(result, passed=False)["prediction_path_equals_fit"]


def test_leaving_a_neuron_out_fits_the_chain_of_all_groups(finished: Bench) -> None:
    """The features that a neuron is tested on come from the chain fitted on all other neurons, not on the group's rows alone."""
    synapses = finished.store.results(morphology.SYNAPSES).read()
    every = fitted_synapses(synapses)
    fold = held_out_features(every, "pv2", finished.dataset.features)
    alone = held_out_features(in_group(every, {"synapse_type": ["as"]}), "pv2", finished.dataset.features)
    ids = [one for one in fold.test_ids if one in alone.test_ids]
    assert not np.allclose(
        fold.test[[fold.test_ids.index(i) for i in ids]], alone.test[[alone.test_ids.index(i) for i in ids]], atol=0.01
    )
    group = Group(finished.store, finished.dataset, "as")
    rows = group.rows
    labels = labels_of(group.clusters, rows.ids)
    again = evaluate_classifiers(
        scaled_matrix(rows.fitted),
        group.maps.map,
        labels,
        rows.neurons,
        rows.ids,
        lambda neuron: held_out_features(every, neuron, finished.dataset.features),
        finished.dataset.seed,
    )
    stored = finished.rows(morphology.CLASSIFIER_SCORES, "as").query("split == 'leave_one_neuron_out'")
    found = {score.classifier: score.accuracy for score in again.scores if score.split == "leave_one_neuron_out"}
    assert stored.set_index("classifier")["accuracy"].to_dict() == found


def test_a_group_of_the_labs_own(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(groups={"as-pv": {"synapse_type": "as", "neuron_type": "parvalbumin"}}, **FEW)
    bench.materialize(*INGESTED)
    bench.materialize("projection", group="as-pv")
    found = bench.rows(morphology.PROJECTION, "as-pv")
    assert set(found["synapse_id"].str[:2]) == {"pv"}
    assert len(found) == 90
