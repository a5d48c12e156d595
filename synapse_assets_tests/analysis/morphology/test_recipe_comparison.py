"""Recipes side by side: the study's recipe step by step on the look-alike, which recipe finds what, and what a reader is told."""

import json
from pathlib import Path
from typing import Any

import hdbscan
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import umap
from sklearn.decomposition import PCA
from sklearn.preprocessing import RobustScaler, StandardScaler

from synapse_assets.analysis.clustering.agreement import adjusted_rand
from synapse_assets.analysis.clustering.recipes import RecipeClusters, fit_recipe
from synapse_assets.analysis.morphology.recipe_comparison import (
    ComparedRecipe,
    Comparison,
    _of_one_neuron,
    choices_of,
    compare,
    recipe_cluster_rows,
    recipe_features,
)
from synapse_assets.analysis.morphology.tables import in_group, scaled_matrix
from synapse_assets.artifacts import NoModel
from synapse_assets.datasets import MorphologyDataset
from synapse_assets.datasets.loading import load_dataset
from synapse_assets.datasets.morphology import FeatureChoice, Recipe, RecipeResampling, SingleMap
from synapse_assets.errors import BadInput
from synapse_assets.sample import draw_sample_workbook
from synapse_assets.schema import morphology
from synapse_assets.sources.workbooks import read_workbooks
from synapse_assets_tests.defs.morphology.planted import planted_dataset, planted_workbook

AREAS = ["SynArea", "BoutonArea"]


@pytest.fixture(scope="module")
def look_alike(tmp_path_factory: pytest.TempPathFactory) -> tuple[MorphologyDataset, pa.Table, pd.DataFrame]:
    """The packaged dataset of the look-alike, its fitted synapses, and the workbook itself."""
    root = tmp_path_factory.mktemp("look_alike")
    draw_sample_workbook(root / "sample_cbp" / "raw")
    dataset = load_dataset("sample_cbp", str(root))
    assert isinstance(dataset, MorphologyDataset)
    synapses, _ = read_workbooks(dataset, str(root / "sample_cbp" / "raw"))
    fitted = synapses.filter(pa.compute.equal(synapses.column("used_for"), "fit"))
    return dataset, fitted, pd.read_excel(root / "sample_cbp" / "raw" / "neuron_synapse_raw_data.xlsx")


def as_published(book: pd.DataFrame) -> pd.DataFrame:
    """The study's steps before the map, in its own few lines: from the soma, without extreme areas, each neuron on its axes."""
    for axis in "xyz":
        book[f"from_soma_{axis}"] = book[f"corr_{axis}_micron"] - book[f"corr_soma_{axis}_micron"]
    low, high = book[AREAS].quantile(0.25), book[AREAS].quantile(0.75)
    extreme = ((book[AREAS] < low - 3 * (high - low)) | (book[AREAS] > high + 3 * (high - low))).any(axis=1)
    aligned = []
    for _, rows in book[~extreme].groupby("NeuronId"):
        positions = rows[[f"from_soma_{axis}" for axis in "xyz"]].to_numpy()
        turned = PCA(3).fit_transform(positions - positions.mean(axis=0))
        for k in range(3):
            turned[:, k] *= -1 if np.corrcoef(turned[:, k], positions[:, k])[0, 1] < 0 else 1
        aligned.append(rows.assign(**{f"pca_{k}": turned[:, k] for k in range(3)}))
    together = pd.concat(aligned)
    return together.assign(id=together.NeuronId + "/" + together.SynType + "/" + together.SynId.astype(str))


def test_the_published_recipe_is_the_study_s_step_by_step(
    look_alike: tuple[MorphologyDataset, pa.Table, pd.DataFrame],
) -> None:
    dataset, fitted, book = look_alike
    published = dataset.recipes["published"]
    assert published.single_map is not None
    study = as_published(book.copy())
    for name, group in dataset.groups.items():
        features = recipe_features(fitted, in_group(fitted, group.conditions), published.features)
        usable = features.filter(pa.compute.is_null(features.column("left_out")))
        rows = study[study.SynType == name] if name in ("as", "ss") else study[study.NeuronId.str.startswith(name)]
        assert usable.column("synapse_id").to_pylist() == rows.id.tolist(), "the order, which a UMAP depends on"
        columns = rows[["pca_0", "pca_1", "pca_2", *AREAS]].to_numpy() * [0.2, 0.2, 0.2, 1, 1]
        np.testing.assert_allclose(scaled_matrix(usable), columns, rtol=0, atol=1e-11)
    # The last group, from its features to its clusters, and one with several neuron types.
    setting = dataset.setting_of("published", "ss")
    assert setting is not None
    assert (setting.min_cluster_size, setting.min_samples) == (11, 3)
    rows = study[study.SynType == "ss"]
    columns = rows[["pca_0", "pca_1", "pca_2", *AREAS]].to_numpy() * [0.2, 0.2, 0.2, 1, 1]
    by_hand = umap.UMAP(
        n_neighbors=20, min_dist=0.1, n_components=2, random_state=42, metric="euclidean"
    ).fit_transform(columns)
    labels = hdbscan.HDBSCAN(min_cluster_size=11, min_samples=3, prediction_data=True).fit_predict(by_hand)
    found = fit_recipe(
        columns, rows.id.tolist(), Recipe(single_map=published.single_map, resampling=FEWEST), setting, seed=0
    )
    assert isinstance(found, RecipeClusters)
    np.testing.assert_array_equal(found.map, by_hand)
    assert adjusted_rand(found.labels, labels.astype(np.int32)) == 1.0


FEWEST = RecipeResampling(runs=4)


def test_packaged_datasets_carry_the_study_s_recipe_and_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SYNAPSE_CBP_WORKBOOK", "/data/study.xlsx")
    study, sample = (load_dataset(name, str(tmp_path)) for name in ("cbp", "sample_cbp"))
    assert isinstance(study, MorphologyDataset)
    assert isinstance(sample, MorphologyDataset)
    published = {"as": (40, 8), "ss": (11, 3), "cb": (15, 4), "cr": (11, 2), "pv": (30, 7)}
    for dataset in (study, sample):
        recipe = dataset.recipes["published"]
        assert recipe.features == FeatureChoice(scaling="none", axis_signs="as_traced")
        assert recipe.features.place_weight == 0.2
        assert recipe.features.shape_weight == 1.0
        assert recipe.single_map is not None
        assert recipe.single_map.model_copy(update={"settings": {}}) == SingleMap(
            dimensions=2, neighbours=20, min_dist=0.1, seed=42
        )
        settings = {name: dataset.setting_of("published", name) for name in dataset.groups}
        assert {name: (s.min_cluster_size, s.min_samples) for name, s in settings.items() if s} == published
        assert dataset.own_recipe == Recipe(resampling=RecipeResampling(runs=36, nulls=19)), "ours, as it always was"
        assert [name for name, recipe in dataset.recipes.items() if recipe.resampling.nulls] == ["published"]


@pytest.mark.parametrize(
    ("scaling", "scaler"), [("robust", RobustScaler()), ("standard", StandardScaler())], ids=["robust", "standard"]
)
def test_scaling_is_that_of_scikit_learn(
    scaling: Any, scaler: Any, look_alike: tuple[MorphologyDataset, pa.Table, pd.DataFrame]
) -> None:
    _, fitted, book = look_alike
    features = recipe_features(fitted, fitted, FeatureChoice(scaling=scaling, axis_signs="as_traced"))
    usable = features.filter(pa.compute.is_null(features.column("left_out")))
    study = as_published(book.copy())[["pca_0", "pca_1", "pca_2", *AREAS]].to_numpy()
    np.testing.assert_allclose(
        scaled_matrix(usable), scaler.fit_transform(study) * [0.2, 0.2, 0.2, 1, 1], rtol=0, atol=1e-9
    )


def test_a_scaling_that_makes_a_feature_no_number_is_refused_with_its_name(tmp_path: Path) -> None:
    rows = planted_workbook()
    rows["SynArea"] *= 1e306
    rows.to_excel(tmp_path / "study.xlsx", index=False)
    synapses, _ = read_workbooks(planted_dataset(tmp_path / "study.xlsx"), str(tmp_path))
    with pytest.raises(BadInput, match=r"scaling: standard makes synapse_area infinite or no number at all.*`shape`"):
        recipe_features(synapses, synapses, FeatureChoice(scaling="standard"))


def test_constant_columns_are_left_as_they_are(tmp_path: Path) -> None:
    rows = planted_workbook()
    rows["SynArea"] = 0.25
    rows.to_excel(tmp_path / "study.xlsx", index=False)
    synapses, _ = read_workbooks(planted_dataset(tmp_path / "study.xlsx"), str(tmp_path))
    for scaling, value in (("robust", 0.0), ("standard", 0.0), ("none", 0.25)):
        features = recipe_features(synapses, synapses, FeatureChoice(scaling=scaling))
        assert set(scaled_matrix(features)[:, 3].tolist()) == {value}


def planted(by: str, seed: int = 0) -> tuple[pa.Table, np.ndarray]:
    """Rows of FEATURES-to-be: synapses of one neuron in two groups that differ in place (two branches) or in shape alone."""
    random = np.random.default_rng(seed)
    rows = planted_workbook(seed)
    rows = rows[rows.SynType == "ss"].copy()
    group = np.arange(len(rows)) % 2
    spread_um = (6.0, 4.0, 3.0) if by == "place" else (20.0, 12.0, 6.0)
    away = random.normal(size=(len(rows), 3)) * spread_um + (30, 10, 5)
    if by == "place":
        away[:, 0] += 45.0 * group
    areas = np.exp(random.normal(size=(len(rows), 2)) * 0.12) * (0.2, 0.8)
    if by == "shape":
        areas *= np.where(group[:, None] == 1, (0.45, 1.0 / 0.45), 1.0)
    for k, axis in enumerate("xyz"):
        rows[f"corr_{axis}_micron"] = rows[f"corr_soma_{axis}_micron"] + away[:, k]
        rows[f"corr_{axis}"] = rows[f"corr_{axis}_micron"] / (0.01, 0.01, 0.06)[k]
    rows[AREAS] = areas
    return rows.drop(columns="planted"), group


@pytest.mark.parametrize(("by", "finder"), [("place", "unscaled"), ("shape", "scaled")])
def test_planted_groups_are_found_by_the_recipe_that_should_and_not_by_the_other(
    by: str, finder: str, tmp_path: Path
) -> None:
    rows, group = planted(by)
    rows.to_excel(tmp_path / "study.xlsx", index=False)
    synapses, _ = read_workbooks(planted_dataset(tmp_path / "study.xlsx"), str(tmp_path))
    agreement = {}
    choices = {"unscaled": FeatureChoice(scaling="none"), "scaled": FeatureChoice(place_weight=0.05)}
    for name, choice in choices.items():
        features = recipe_features(synapses, synapses, choice)
        ids = features.column("synapse_id").to_pylist()
        found = fit_recipe(scaled_matrix(features), ids, Recipe(features=choice, resampling=FEWEST), None, seed=1)
        truth = dict(
            zip(rows.NeuronId + "/" + rows.SynType + "/" + rows.SynId.astype(str), group.tolist(), strict=True)
        )
        expected = np.array([truth[synapse] for synapse in ids], dtype=np.int32)
        agreement[name] = 0.0 if isinstance(found, NoModel) else adjusted_rand(found.labels, expected)
    other = next(name for name in choices if name != finder)
    assert agreement[finder] > 0.9
    assert agreement[other] < 0.1


def features_of(neurons: list[str], seed: int = 0) -> pa.Table:
    """Rows of FEATURES, one a synapse on those neurons, whose measures say nothing."""
    random = np.random.default_rng(seed)
    rows = [
        {
            "synapse_id": f"{neuron}/as/{number:03d}",
            "neuron_id": neuron,
            "used_for": "fit",
            **{f"{axis}_from_soma_um": 1.0 for axis in "xyz"},
            "distance_to_soma_um": 1.0,
            **{f"pca_{k}_um": random.normal() for k in (1, 2, 3)},
            "synapse_area": random.random(),
            "bouton_area": random.random(),
            "alignment": "fitted",
            "feature_model": "f",
        }
        for number, neuron in enumerate(neurons)
    ]
    return morphology.FEATURES.conform(pa.Table.from_pylist(rows, schema=morphology.FEATURES.arrow))


NEURONS = [f"pv{1 + number % 3}" for number in range(90)]
UNSCALED, SCALED = FeatureChoice(scaling="none"), FeatureChoice()
ONE_MAP = SingleMap()


def clusters(labels: list[int], verdict: str = "stable", refits: list[list[int]] | None = None) -> RecipeClusters:
    found = features_of(NEURONS).column("synapse_id").to_pylist()
    return RecipeClusters(
        ids=np.array(found),
        labels=np.array(labels, dtype=np.int32),
        membership_probability=np.ones(len(labels)),
        map=np.zeros((len(labels), 0), dtype=np.float32),
        refits=np.array(refits or [labels], dtype=np.int32),
        min_cluster_size=5,
        min_samples=5,
        verdict=verdict,
        sentence="So it is.",
        stability_ari=0.9,
        stability_ari_low=0.8,
        stability_ari_high=1.0,
        null_ari=0.3,
        null_p=0.1,
    )


def compared(fits: dict[str, Any], published: pa.Table | None = None) -> Comparison:
    recipes = {
        "ours": Recipe(features=SCALED),
        "published": Recipe(features=UNSCALED, single_map=ONE_MAP),
        "published_scaled": Recipe(features=SCALED, single_map=ONE_MAP),
        "published_resampled": Recipe(features=UNSCALED),
    }
    listed = [
        ComparedRecipe(name, features_of(NEURONS), choices_of(recipes[name]), fit, f"v-{name}")
        for name, fit in fits.items()
    ]
    return compare("as", listed, published)


THIRDS = [number // 30 for number in range(90)]
HALVES = [number // 45 for number in range(90)]
NOTHING = [-1] * 90


def test_groups_in_every_recipe_may_be_read_as_kinds() -> None:
    found = compared({name: clusters(THIRDS) for name in ("ours", "published", "published_scaled")})
    assert [row["appears"] for row in found.group_rows] == ["whatever the choices"] * 3
    assert (found.summary["whatever_the_choices"], found.summary["one_neuron"]) == (3, 0)
    assert "3 groups of synapses appear whatever the choices" in found.paragraph
    assert "may be read as kinds of synapses" in found.paragraph
    assert set(found.tables[morphology.RECIPE_AGREEMENT].column("ari").to_pylist()) == {1.0}


def test_what_comes_back_as_one_neuron_is_no_kind() -> None:
    by_neuron = [number % 3 for number in range(90)]
    found = compared({name: clusters(by_neuron) for name in ("ours", "published")})
    assert all(row["one_neuron"] for row in found.group_rows)
    assert {row["neuron_share"] for row in found.rows} == {1.0}
    assert {row["one_neuron_clusters"] for row in found.rows} == {3}
    assert "100% of them of the one neuron pv1" in found.paragraph
    assert "single neurons, not kinds of synapses" in found.paragraph


def test_a_group_that_one_choice_makes_is_told_with_the_choice() -> None:
    fits = {"ours": THIRDS, "published_scaled": THIRDS, "published": HALVES, "published_resampled": HALVES}
    noise = "not distinguishable from noise"
    found = compared({name: clusters(labels, noise) for name, labels in fits.items()})
    assert {row["choice"] for row in found.group_rows} == {
        "columns are scaled by their interquartile range",
        "columns are not scaled",
    }
    assert found.summary["by_one_choice"] == 5
    assert "No group of synapses appears whatever the choices" in found.paragraph
    assert (
        "One choice makes 2 groups, which appear only where columns are not scaled (`published` and `published_resampled`)"
        in (found.paragraph)
    )
    assert "do not read these clusters as kinds" in found.conclusion
    stable = compared({name: clusters(labels, "stable" if name == "ours" else noise) for name, labels in fits.items()})
    [ours] = [row for row in stable.rows if row["recipe"] == "ours"]
    measure = max(("place", "shape", "neuron"), key=lambda name: ours[f"{name}_share"])
    assert stable.conclusion == (
        "No group survives every choice. But where columns are scaled by their interquartile range, clusters are stable, and "
        f"{measure} sets them apart: they may be read as kinds by {measure}, and as nothing more."
    )


def test_what_comes_back_though_all_verdicts_are_noise_is_a_tendency() -> None:
    like_noise = "not distinguishable from noise"
    found = compared({name: clusters(THIRDS, like_noise) for name in ("ours", "published")})
    assert "take it as a tendency" in found.paragraph
    fragile = compared({"ours": clusters(THIRDS, "fragile"), "published": clusters(THIRDS, like_noise)})
    assert "a single synapse at its edge may not" in fragile.paragraph


def test_a_recipe_that_finds_nothing_keeps_a_group_from_appearing_everywhere() -> None:
    nothing = clusters(NOTHING, "not distinguishable from noise")
    for missing in (nothing, NoModel("8 synapses are too few for a map")):
        found = compared({"ours": clusters(THIRDS), "published": clusters(THIRDS), "published_scaled": missing})
        assert found.summary["whatever_the_choices"] == 0
        row = next(row for row in found.rows if row["recipe"] == "published_scaled")
        assert (row["clusters"], row["verdict"], row["place_share"]) == (0, "not distinguishable from noise", None)
        assert row["sentence"]


def test_a_group_below_every_limit_has_rows_and_a_paragraph() -> None:
    found = compared(dict.fromkeys(("ours", "published"), NoModel("3 synapses are too few for a map")))
    assert [row["synapses"] for row in found.rows] == [0, 0]
    assert found.group_rows == []
    assert found.paragraph.startswith("Group as, 0 synapses of 0 neurons: 2 recipes find 0 clusters each.")
    assert all("too few" in row["sentence"] for row in found.rows)


def test_agreement_with_published_labels_is_given_over_seeds() -> None:
    ids = features_of(NEURONS).column("synapse_id").to_pylist()
    rows = [
        {"investigation_group": "as", "synapse_id": synapse, "label": ("A", "B", "-1")[number // 30]}
        for number, synapse in enumerate(ids)
    ]
    labels = morphology.PUBLISHED_LABELS.conform(pa.Table.from_pylist(rows, schema=morphology.PUBLISHED_LABELS.arrow))
    fits = {
        "ours": clusters([0] * 30 + [1] * 30 + [-1] * 30, refits=[THIRDS, HALVES]),
        "published": clusters(NOTHING, "not distinguishable from noise"),
    }
    found = {row["recipe"]: row for row in compared(fits, labels).rows}
    assert found["ours"]["published_ari"] == found["ours"]["published_ari_high"] == 1.0
    assert 0.3 < found["ours"]["published_ari_low"] < 0.8
    assert (found["published"]["published_ari"], found["published"]["published_synapses"]) == (0.0, 90)
    assert "`ours` 1.00 (0." in compared(fits, labels).paragraph
    without = compared(fits, labels.slice(0, 0))
    assert {row["published_ari"] for row in without.rows} == {None}
    assert {row["published_synapses"] for row in without.rows} == {0}


def test_rows_of_clusters_name_every_synapse_with_a_reason_for_none() -> None:
    features = features_of(NEURONS)
    left_out = pa.array(["bouton_area is missing", *[None] * 89], pa.string())
    features = features.set_column(features.column_names.index("left_out"), "left_out", left_out)
    fit = clusters([0] * 60 + [-1] * 30)
    rows = recipe_cluster_rows(features, fit, "as", "published", "v").to_pylist()
    assert [row["cluster"] for row in rows[:2]] == [-1, 0]
    assert (rows[0]["reason"], rows[1]["reason"]) == ("bouton_area is missing", None)
    assert "noise" in rows[-1]["reason"]
    assert {row["verdict"] for row in rows[1:]} == {"stable"}
    nothing = recipe_cluster_rows(features, NoModel("too few"), "as", "published", "v").to_pylist()
    assert {row["cluster"] for row in nothing} == {-1}
    assert {row["reason"] for row in nothing} == {"too few", "bouton_area is missing"}


def test_clusters_of_a_group_are_named_by_recipe() -> None:
    found = compared({"ours": clusters(THIRDS), "published": clusters([2 - label for label in THIRDS])})
    assert [json.loads(row["clusters"]) for row in found.group_rows] == [
        {"ours": number, "published": 2 - number} for number in range(3)
    ]


def test_one_recipe_alone_says_that_nothing_is_known_of_others() -> None:
    found = compared({"ours": clusters(THIRDS)})
    assert found.summary["whatever_the_choices"] == 0
    assert "one recipe was run" in found.paragraph
    assert found.conclusion == "What other choices would find is not known."
    assert found.paragraph.endswith(found.conclusion)
    assert "Verdict: stable." in found.paragraph


def test_a_neuron_that_has_most_of_all_synapses_makes_no_cluster_by_having_most_of_it() -> None:
    neurons = np.array(["cb1"] * 72 + ["cb2"] * 28)
    assert _of_one_neuron(neurons[np.r_[0:16, 72:76]], neurons) == ("cb1", 0.8, False)
    assert _of_one_neuron(neurons[:25], neurons) == ("cb1", 1.0, True)
    assert _of_one_neuron(neurons[72:76], neurons) == ("cb2", 1.0, False), "four are too few to tell"
    assert _of_one_neuron(neurons[:40], neurons[:40])[2] is False, "there is no other neuron"
