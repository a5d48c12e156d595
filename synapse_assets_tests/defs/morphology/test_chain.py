"""The whole chain on a workbook with planted answers: clusters, verdicts, scores and predictions, and what lies on disk."""

import html
import json
from pathlib import Path
from urllib.parse import urlsplit

import dagster as dg
import duckdb
import httpx
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score

from synapse_assets.analysis.clustering.verdict_power import power
from synapse_assets.errors import BadInput
from synapse_assets.explorer import create_app
from synapse_assets.figures.style import verdict_colour
from synapse_assets.pipeline.morphology.group import Group
from synapse_assets.pipeline.morphology.recipes import compare_recipes
from synapse_assets.query import open_warehouse
from synapse_assets.schema import morphology
from synapse_assets_tests.defs.morphology.conftest import Bench, checks, metadata
from synapse_assets_tests.defs.morphology.planted import PER_NEURON, planted_workbook
from synapse_assets_tests.documentation import block_with
from synapse_assets_tests.explorer.conftest import Served
from synapse_assets_tests.figures.pixels import of_colour, opened_sheet, vividness

VERDICTS = {"as": "stable", "ss": "not distinguishable from noise"}


def planted(new: bool = False) -> pd.Series:
    rows = planted_workbook(new=new)
    ids = ("new/" if new else "") + rows["NeuronId"] + "/" + rows["SynType"] + "/" + rows["SynId"].astype(str)
    return pd.Series(rows["planted"].to_numpy(), index=ids)


def test_planted_shapes_are_found_and_called_stable(finished: Bench) -> None:
    found = finished.rows(morphology.CLUSTERS, "as")
    assert len(found) == 4 * PER_NEURON
    clustered = found[found["cluster"] >= 0]
    assert adjusted_rand_score(planted()[clustered["synapse_id"]], clustered["cluster"]) >= 0.9
    assert len(clustered) >= 0.9 * len(found)
    (row,) = finished.rows(morphology.CLUSTER_STABILITY, "as").to_dict("records")
    assert (row["verdict"], row["clusters"]) == ("stable", 3)
    assert row["independent_ari"] >= 0.95
    profiles = finished.rows(morphology.CLUSTER_PROFILES, "as")
    assert profiles["synapses"].sum() == len(clustered)
    assert not profiles["one_neuron"].any()


def test_planted_noise_is_called_noise(finished: Bench) -> None:
    (row,) = finished.rows(morphology.CLUSTER_STABILITY, "ss").to_dict("records")
    assert row["verdict"] == "not distinguishable from noise"
    assert row["stability_ari"] <= row["null_ari_highest"]


def test_a_verdict_says_what_it_could_have_seen(finished: Bench) -> None:
    (row,) = finished.rows(morphology.CLUSTER_STABILITY, "ss").to_dict("records")
    could_see = power(row["synapses"])
    assert could_see.cells, "the group is as large as some that were measured"
    assert row["detectable_separation_sd"] == could_see.detectable_sd
    assert could_see.sentence not in row["sentence"]
    result = finished.materialize("cluster_stability", group="ss")
    shown = metadata(result, "cluster_stability")
    assert (shown["power"], shown["detectable_separation_sd"]) == (could_see.sentence, could_see.detectable_sd)
    said = checks(result, passed=False)["clusters_are_stable"]
    assert said == f"{row['verdict']}: {row['sentence']} {could_see.sentence}"


def test_new_synapses_get_the_cluster_of_their_shape_or_a_reason(finished: Bench) -> None:
    clusters = finished.rows(morphology.CLUSTERS, "as").query("cluster >= 0")
    number = (
        clusters.assign(shape=planted()[clusters["synapse_id"]].to_numpy())
        .groupby("shape")["cluster"]
        .agg(pd.Series.mode)
    )
    predicted = finished.rows(morphology.PREDICTIONS, "as").set_index("synapse_id")
    assert len(predicted) == 15
    unknown = predicted[predicted["neuron_id"] == "cb9"]
    assert (unknown["cluster"] == -1).all()
    assert unknown["reason"].str.contains("cb9 has 3 synapses; axes of its own need 5").all()
    known = predicted[predicted["neuron_id"] != "cb9"]
    named = known[known["cluster"] >= 0]
    assert len(named) >= 9
    assert (named["cluster"] == number[planted(new=True)[named.index]].to_numpy()).all()
    assert known[known["cluster"] < 0]["reason"].notna().all()
    assert predicted["reason"].isna().equals(predicted["cluster"] >= 0)


def test_scores_have_both_ways_of_testing(finished: Bench) -> None:
    scores = finished.rows(morphology.CLASSIFIER_SCORES, "as")
    ways = set(zip(scores["inputs"], scores["split"], strict=True))
    assert ways == {("map", "random_80_20"), ("features", "random_80_20"), ("features", "leave_one_neuron_out")}
    assert len(scores) == 9
    honest = scores[scores["split"] == "leave_one_neuron_out"]
    assert (honest["tested"] == scores["tested"].max()).all()
    assert honest["accuracy"].max() >= 0.8
    # Four neurons are too few for an interval.
    assert honest["accuracy_low"].isna().all()


def test_the_warehouse_tells_every_column_and_the_verdicts(finished: Bench) -> None:
    with open_warehouse("planted", finished.root / "data") as warehouse:
        assert warehouse.release["scores"]["as"]["verdict"] == "stable"
        assert warehouse.sql("select count(*) as n from clusters")["n"][0] == 8 * PER_NEURON
        assert warehouse.sql("select count(*) as n from predictions")["n"][0] == 15
        for table in ("clusters", "cluster_profiles", "classifier_scores", "predictions"):
            judged = warehouse.sql(f"select distinct investigation_group, verdict from {table}")  # noqa: S608 -- ours
            found = dict(judged.itertuples(index=False))
            assert found == {group: VERDICTS[group] for group in found}, table
            assert "as" in found
        assert set(warehouse.sql("select distinct investigation_group as g from clusters")["g"]) == set(VERDICTS)
    with duckdb.connect(str(finished.store.warehouse_path), read_only=True) as connection:
        silent = connection.execute(
            "select table_name, column_name from duckdb_columns() where comment is null and not internal"
        ).fetchall()
    assert silent == []


def test_figures_lie_beside_the_data_and_pages_ask_nobody(finished: Bench) -> None:
    folder = finished.store.figures.path
    pages = {path.name for path in folder.glob("*.html")}
    assert pages == {
        "neuron_positions.html",
        *(f"{g}_{p}.html" for g in ("as", "ss") for p in ("map_3d", "clusters_3d")),
    }
    assert (folder / "plotly.min.js").stat().st_size > 1_000_000
    for path in folder.glob("*.html"):
        assert "http" not in path.read_text(encoding="utf-8")
    pictures = {path.name for path in folder.glob("*.png")}
    kinds = ("clusters", "clusters_3d", "confusion", "map", "map_3d", "stability", "sweep")
    assert {"neuron_positions.png", *(f"as_{kind}.png" for kind in kinds)} <= pictures


def test_pictures_of_clusters_carry_the_verdict_and_those_before_name_none(finished: Bench) -> None:
    folder = finished.store.figures.path
    verdicts = {"as": "stable", "ss": "not distinguishable from noise"}
    vivid = {}
    for group, verdict in verdicts.items():
        (row,) = finished.rows(morphology.CLUSTER_STABILITY, group).to_dict("records")
        figures = (
            f"runs agree at ARI {row['stability_ari']:.2f}, those of features without groups at {row['null_ari']:.2f}"
        )
        page = (folder / f"{group}_clusters_3d.html").read_text(encoding="utf-8")
        assert f"{verdict}: {figures}</p>" in page
        assert "cluster" not in (folder / f"{group}_map_3d.html").read_text(encoding="utf-8")
        pixels = opened_sheet((folder / f"{group}_clusters.png").read_bytes())
        assert of_colour(pixels[:60], verdict_colour(verdict)).sum() > 50
        vivid[group] = vividness(pixels[90:, : pixels.shape[1] // 3])
        asked = dg.AssetRecordsFilter(asset_key=dg.AssetKey(["planted", "cluster_stability"]), asset_partitions=[group])
        (record,) = finished.instance.fetch_materializations(asked, limit=1).records
        assert record.asset_materialization is not None
        assert {"map", "space", "turnable"} <= record.asset_materialization.metadata.keys()
        confusion = opened_sheet((folder / f"{group}_confusion.png").read_bytes())
        assert of_colour(confusion, verdict_colour(verdict)).sum() > 50
    assert vivid["as"] > 5 * vivid["ss"]


def test_models_are_kept_without_pickle(finished: Bench) -> None:
    models = finished.store.folder.path / "models"
    suffixes = {path.suffix for path in models.rglob("*") if path.is_file()}
    assert suffixes <= {".json", ".npz", ".skops", ".ubj", ".md"}
    cards = list(models.glob("cluster_classifier_as/*/model_card.md"))
    assert len(cards) == 1
    card = cards[0].read_text(encoding="utf-8")
    assert "stable" in card
    assert "left out" in card.lower() or "leave one neuron out" in card.lower()


def test_every_provenance_names_its_inputs_and_libraries(finished: Bench) -> None:
    for path in Path(finished.store.folder.path / "models").glob("*/*/provenance.json"):
        facts = json.loads(path.read_text())
        assert facts["inputs"], path
        assert {"umap-learn", "hdbscan", "xgboost"} <= facts["libraries"].keys()


def test_the_block_of_the_guide_runs(finished: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    block = block_with("python", "sample_cbp")
    monkeypatch.setenv("SYNAPSE_DATA_ROOT", str(finished.root / "data"))
    exec(compile(block.text.replace("sample_cbp", "planted"), block.page, "exec"), {})  # noqa: S102 -- our own page


def test_similar_is_for_datasets_with_pictures(finished: Bench) -> None:
    with open_warehouse("planted", finished.root / "data") as warehouse, pytest.raises(BadInput, match="no pictures"):
        warehouse.similar("cb1/as/1")


@pytest.mark.parametrize("group", VERDICTS)
def test_pages_that_name_a_cluster_say_the_verdict(finished: Bench, group: str) -> None:
    with open_warehouse("planted", finished.root / "data", group=group) as warehouse:
        points = warehouse.points
        number = points.categories["cluster"].names[0]
        one = points.ids[int(np.flatnonzero(points.categories["cluster"].codes == 0)[0])].as_py()
        assert set(points.frame(range(len(points)))["cluster_verdict"]) == {VERDICTS[group]}
        assert warehouse.stability()["sentence"] == finished.rows(morphology.CLUSTER_STABILITY, group)["sentence"][0]
    entry = f"planted.{group}"
    line = f'<a href="/{entry}/clusters">{VERDICTS[group]}</a>'
    served = Served(create_app([finished.dataset], finished.root / "data"))
    try:
        with httpx.Client(base_url=served.url, timeout=60) as web:
            for path, lines in {
                "gallery": 1,
                f"gallery?cluster={number}": 1,
                "gallery?membership_probability_least=0.5": 2,
                f"synapse/{one}": 1,
            }.items():
                assert web.get(f"/{entry}/{path}").raise_for_status().text.count(line) == lines, path
            for path in ("clusters", f"clusters/{number}"):
                html = web.get(f"/{entry}/{path}").raise_for_status().text
                assert f"<b>Clusters: {VERDICTS[group]}.</b>" in html, path
            assert f"; clustering {VERDICTS[group]}</p>" in web.get(f"/{entry}/clusters").text
            told = web.get(f"/api/{entry}/synapses/{one}").json()
            assert (str(told["cluster"]), told["cluster_verdict"]) == (number, VERDICTS[group])
    finally:
        served.stop()


def test_results_link_to_the_pages_of_their_group(finished: Bench) -> None:
    pages = {"projection": "map", "clusters": "clusters", "cluster_stability": "clusters", "predictions": "map"}
    served = Served(create_app([finished.dataset], finished.root / "data"))
    try:
        for name, page in pages.items():
            for group in ("as", "ss"):
                asked = dg.AssetRecordsFilter(asset_key=dg.AssetKey(["planted", name]), asset_partitions=[group])
                (record,) = finished.instance.fetch_materializations(asked, limit=1).records
                assert record.asset_materialization is not None
                link = record.asset_materialization.metadata["in the explorer, as last released"].value
                assert link == f"http://127.0.0.1:8050/planted.{group}/{page}"
                answer = httpx.get(served.url + urlsplit(str(link)).path, timeout=60)
                assert answer.status_code == 200, link
                if page == "clusters":
                    (summary,) = finished.rows(morphology.RECIPE_SUMMARY, group).to_dict("records")
                    assert "Which clusters survive every choice" in answer.text
                    assert power(4 * PER_NEURON).sentence in html.unescape(answer.text)
                    assert summary["paragraph"].replace("`", "") in html.unescape(answer.text)
    finally:
        served.stop()


def test_recipes_stand_side_by_side_in_the_release(finished: Bench) -> None:
    rows = finished.rows(morphology.RECIPE_COMPARISON, "as").set_index("recipe")
    assert list(rows.index) == ["ours", "published"]
    assert rows.loc["ours", "verdict"] == "stable"
    assert rows.loc["ours", "published_ari"] >= 0.9, "the published labels are the planted shapes"
    assert rows.loc["ours", "published_synapses"] == 4 * PER_NEURON
    assert rows.loc["ours", "shape_share"] > 0.8 > 0.1 > rows.loc["ours", "place_share"]
    assert rows.loc["published", "verdict"] in {"stable", "fragile", "not distinguishable from noise"}
    (summary,) = finished.rows(morphology.RECIPE_SUMMARY, "as").to_dict("records")
    assert summary["recipes"] == 2
    assert "Agreement with the published labels" in summary["paragraph"]
    assert finished.rows(morphology.RECIPE_COMPARISON, "ss")["published_ari"].isna().all()
    clusters = finished.rows(morphology.RECIPE_CLUSTERS, "as")
    assert set(clusters["recipe"]) == {"published"}
    assert clusters["map_1"].notna().all()
    assert (finished.root / "data" / "planted" / "figures" / "as_recipes.png").stat().st_size > 10_000
    with duckdb.connect(str(finished.root / "data" / "planted" / "warehouse.duckdb"), read_only=True) as connection:
        released = connection.sql("select investigation_group, paragraph from recipe_summary order by all").fetchall()
        assert [group for group, _ in released] == ["as", "ss"]
        assert summary["paragraph"] in {paragraph for _, paragraph in released}
        pairs = connection.sql("select recipe, other_recipe, ari from recipe_agreement").fetchall()
        assert {pair[:2] for pair in pairs} == {("ours", "published")}


def test_a_comparison_of_other_recipes_than_there_are_is_not_released_and_not_made(finished: Bench) -> None:
    recipes = {**finished.dataset.recipes, "other": finished.dataset.recipes["published"]}
    changed = finished.dataset.model_copy(update={"recipes": recipes})
    assert Group(finished.store, finished.dataset, "as").is_current(morphology.RECIPE_COMPARISON)
    assert not Group(finished.store, changed, "as").is_current(morphology.RECIPE_COMPARISON)
    assert not Group(finished.store, changed, "as").is_current(morphology.RECIPE_CLUSTERS)
    assert Group(finished.store, changed, "as").missing() == [], "a report that a release does not wait for"
    with pytest.raises(
        BadInput, match="planted/recipe_clusters of group as has no recipe other yet: materialise it first"
    ):
        compare_recipes(finished.store, changed, "as")
