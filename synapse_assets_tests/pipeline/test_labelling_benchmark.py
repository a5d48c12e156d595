"""Which strategy a dataset's rounds use: measured on its own labels, not again for a few more, and said where it cannot be."""

import logging
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from synapse_assets.analysis.labelling import simulated
from synapse_assets.datasets import EmDataset
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.em.labelling import benchmark
from synapse_assets.pipeline.em.labelling.benchmark import benchmark_strategies, recommended_strategy
from synapse_assets.pipeline.fitting import Fitted, fit_once
from synapse_assets.pipeline.report import Markdown, Picture, Report
from synapse_assets.schema import SPLITS
from synapse_assets.schema.labelling import BY_CHANCE, BY_STRATEGY, LABEL_DECISIONS, STRATEGY_BENCHMARK, STRATEGY_CURVES
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.rows import vector_rows
from synapse_assets_tests.conftest import tiny_dataset

LOG = logging.getLogger(__name__)
WIDTH = 8


def dataset(**labelling: object) -> EmDataset:
    return tiny_dataset(Path("/nowhere"), Path("/nowhere/points.csv"), labelling=labelling)


@pytest.fixture(autouse=True)
def fewer_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulated, "SEEDS", (0, 1))
    monkeypatch.setattr(simulated, "ROUNDS", 4)
    monkeypatch.setattr(benchmark, "STRATEGIES", ("random", "margin", "k_means"))


def encoder(store: DatasetStore, seed: int = 0) -> str:
    """An encoder in use, of which only the dimensions are known."""

    def fit(folder: Path) -> Fitted:
        (folder / "nothing").touch()
        return Fitted(scores={"dimensions": float(WIDTH)})

    fit_once(store, "encoder", LOG, inputs={}, parameters={}, seed=seed, fit=fit)
    return str(store.models("encoder").current)


def known(store: DatasetStore, count: int, classes: int = 2, groups: int = 12, noise: bool = False) -> list[str]:
    """Splits and vectors of `count` labelled synapses. Classes differ along one axis, with a few items between them; with `noise` in
    nothing."""
    version = encoder(store)
    rng = np.random.default_rng(0)
    ids = [f"s{number:04d}" for number in range(count)]
    code = np.arange(count) % 7 % classes
    group = np.arange(count) // 7 % groups
    vectors = rng.normal(size=(count, WIDTH))
    if not noise:
        vectors[:, 0] = np.where(rng.uniform(size=count) < 0.15, 0.4, 6.0) * (2 * code - 1) + 0.2 * vectors[:, 0]
    names = pa.array(ids, pa.string())
    splits = {
        "synapse_id": names,
        "brain_region": pa.array(["A"] * count),
        "split": pa.array(["neuron_id"] * count),
        "group": pa.array([f"n{number}" for number in group]),
        "fold": pa.array(group % 4, pa.int32()),
        "target": pa.array([f"class {number}" for number in code]),
    }
    store.results(SPLITS).write(SPLITS.conform(pa.table(splits)))
    table = store.vectors(version, WIDTH)
    rows = vector_rows(table.table, ids, "A", ["h"] * count, version, vectors.astype(np.float32))
    table.replace_region("A", rows, [])
    return ids


def decided(store: DatasetStore, origins: dict[str, str]) -> None:
    """People gave these synapses a class, shown for these reasons."""
    rows = [
        {
            "synapse_id": synapse_id,
            "brain_region": "A",
            "decision": "class",
            "target": "class 0",
            "answers": 1,
            "share": 1.0,
            "origin": origin,
            "round": "r1",
        }
        for synapse_id, origin in origins.items()
    ]
    store.results(LABEL_DECISIONS).write(pa.Table.from_pylist(rows, schema=LABEL_DECISIONS.arrow))


def run(store: DatasetStore, of: EmDataset | None = None) -> tuple[Report, list[dict]]:
    report = benchmark_strategies(store, of or dataset(), "cpu", LOG)
    return report, store.results(STRATEGY_BENCHMARK).read().to_pylist()


@pytest.fixture
def store(tmp_path: Path) -> DatasetStore:
    return DatasetStore(str(tmp_path / "data"), "tiny")


def test_what_is_better_is_recommended_and_shown(store: DatasetStore) -> None:
    known(store, 420, groups=8)
    report, rows = run(store)
    by_key = {(row["strategy"], row["measure"]): row for row in rows}
    assert set(by_key) == {
        ("random", "area"),
        *((name, measure) for name in ("margin", "k_means") for measure in ("area", "rare_recall", "labels_95")),
    }
    area = by_key["margin", "area"]
    assert area["recommended"]
    assert 0 < area["low"] < area["value"] < area["high"]
    assert area["runs"] == 8
    assert (area["error_rate"], area["split"]) == (0.05, "neuron_id")
    assert recommended_strategy(store, dataset()) == ("margin", area["sentence"])
    assert area["sentence"].startswith("Best on this dataset: margin +")
    curves = store.results(STRATEGY_CURVES).read().to_pandas()
    assert sorted(set(curves["strategy"])) == ["all labels", "k_means", "margin", "random"]
    assert sorted(set(curves[curves["strategy"] == "margin"]["labels"])) == [20, 40, 60, 80, 100]
    assert len(curves) == 4 * 2 * (1 + 3 * 5)
    # the table is what the curves say
    mean = {
        name: curves[(curves["strategy"] == name)].groupby("labels")["score"].mean().to_numpy()
        for name in ("margin", "random")
    }
    gain = mean["margin"] - mean["random"]
    assert area["value"] == pytest.approx(float(((gain[1:] + gain[:-1]) / 2).mean()))
    assert report.rows == len(rows)
    assert report.details["result"] == area["sentence"]
    measures, picture = report.details["measures"], report.details["curves"]
    assert isinstance(measures, Markdown)
    assert measures.text.splitlines()[2].startswith(f"| margin | {area['value']:+.3f} [{area['low']:+.3f}")
    assert measures.text.splitlines()[2].endswith("| yes |")
    assert isinstance(picture, Picture)
    assert picture.png.startswith(b"\x89PNG")


def test_nothing_is_run_again_for_a_few_more_labels(store: DatasetStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulated, "SEEDS", (0,))
    monkeypatch.setattr(simulated, "ROUNDS", 1)
    known(store, 160)
    first, rows = run(store)
    assert first.computed_rows == len(rows)
    made = store.results(STRATEGY_BENCHMARK).version
    known(store, 190)
    again, same = run(store)
    assert again.computed_rows == 0
    assert same == rows
    assert store.results(STRATEGY_BENCHMARK).version == made
    assert isinstance(again.details["curves"], Picture)
    known(store, 210)  # 1.3 times as many as were compared
    assert run(store)[0].computed_rows
    assert run(store)[0].computed_rows == 0
    assert run(store, dataset(error_rate=0.2))[0].computed_rows
    assert {row["error_rate"] for row in store.results(STRATEGY_BENCHMARK).read().to_pylist()} == {0.2}
    known(store, 130)  # as few
    assert run(store, dataset(error_rate=0.2))[0].computed_rows


def test_nothing_beats_random_where_vectors_say_nothing(store: DatasetStore) -> None:
    known(store, 210, noise=True)
    _, rows = run(store)
    [recommended] = [row for row in rows if row["recommended"]]
    assert recommended["strategy"] == "random"
    strategy, reason = recommended_strategy(store, dataset())
    assert strategy == "random"
    assert reason.startswith("Nothing is proved better than random on this dataset, so rounds are chosen at random")


def test_labels_that_a_strategy_chose_are_not_asked(store: DatasetStore) -> None:
    ids = known(store, 140)
    decided(store, dict.fromkeys(ids[:50], BY_STRATEGY) | dict.fromkeys(ids[50:60], BY_CHANCE))
    _, [row] = run(store)
    assert row["sentence"].startswith("90 labelled synapses with a vector that no strategy chose are too few")
    decided(store, dict.fromkeys(ids[:40], BY_STRATEGY) | dict.fromkeys(ids[50:60], BY_CHANCE))
    assert len(run(store)[1]) > 1
    assert (store.results(STRATEGY_BENCHMARK).made_from() or {})["labels"] == "100"


@pytest.mark.parametrize(
    ("count", "classes", "groups", "reason"),
    [
        (0, 2, 12, "0 labelled synapses"),
        (99, 2, 12, "99 labelled synapses with a vector that no strategy chose are too few to compare strategies on"),
        (120, 1, 12, "All labels are of one class"),
        (
            120,
            2,
            2,
            "Labels are of 2 groups by neuron_id in 2 folds, so strategies cannot be compared, which needs 3 of both.",
        ),
    ],
)
def test_too_few_labels_are_an_ordinary_outcome(
    store: DatasetStore, count: int, classes: int, groups: int, reason: str
) -> None:
    known(store, count, classes, groups)
    report, [row] = run(store)
    assert row["sentence"].startswith(reason)
    assert (row["strategy"], row["recommended"], row["value"], row["runs"]) == ("k_means", False, None, 0)
    assert report.details["result"] == row["sentence"]
    assert "curves" not in report.details
    strategy, why = recommended_strategy(store, dataset())
    assert strategy == "k_means"
    assert why == f"{row['sentence']} So k-means on features is used."
    # and enough labels later are compared
    known(store, 140)
    assert len(run(store)[1]) > 1


def test_what_the_file_names_is_used_and_before_any_comparison_k_means(store: DatasetStore) -> None:
    assert recommended_strategy(store, dataset(strategy="badge")) == ("badge", "The dataset file names badge.")
    strategy, why = recommended_strategy(store, dataset())
    assert strategy == "k_means"
    assert why.startswith("The asset strategy_benchmark has not compared strategies here yet.")
    with pytest.raises(BadInput, match=r"labelling: \{\}"):
        recommended_strategy(store, tiny_dataset(Path("/nowhere"), Path("/nowhere/points.csv")))
    with pytest.raises(BadInput, match="materialise the asset 'encoder' first"):
        run(store)


def test_large_datasets_are_sampled_by_class(store: DatasetStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "MOST_LABELS", 150)
    known(store, 700)
    run(store)
    curves = store.results(STRATEGY_CURVES).read().to_pandas()
    pools = curves[curves["strategy"] == "all labels"].groupby("fold")["labels"].first()
    assert (150 - pools).sum() == 150  # each of the 150 is held out once
    assert (store.results(STRATEGY_BENCHMARK).made_from() or {})["labels"] == "700"


def test_groups_are_held_out_in_as_many_folds_as_there_may_be(
    store: DatasetStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twelve groups, of which the headline split makes four folds; and six, each of which is a fold."""
    monkeypatch.setattr(benchmark, "FOLDS", 10)
    monkeypatch.setattr(benchmark, "STRATEGIES", ("random",))
    for groups, folds in ((12, 10), (4, 4)):
        known(store, 140, groups=groups)
        run(store)
        curves = store.results(STRATEGY_CURVES).read().to_pandas()
        assert sorted(set(curves["fold"])) == list(range(folds))
        store.results(STRATEGY_BENCHMARK).write(STRATEGY_BENCHMARK.empty())
