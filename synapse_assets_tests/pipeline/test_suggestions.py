"""What a round of labelling asks about: which synapses may be, that a round stays as it is, and what becomes of too small a pool."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from synapse_assets.analysis.evaluation.linear_probe import LinearProbe, fit_probe
from synapse_assets.artifacts import NoModel
from synapse_assets.datasets import EmDataset
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.em.labelling import pool
from synapse_assets.pipeline.em.labelling.pool import labelled_sample, read_pool
from synapse_assets.pipeline.em.labelling.suggestions import suggest_round
from synapse_assets.pipeline.report import Report
from synapse_assets.schema import SYNAPSE_LABELS, SYNAPSES, Table
from synapse_assets.schema.labelling import ANNOTATIONS, LABEL_DECISIONS, QUERY_SUGGESTIONS
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.models import Provenance
from synapse_assets.stores.rows import vector_rows, vectors_in_use
from synapse_assets_tests.conftest import tiny_dataset
from synapse_assets_tests.stores.samples import tiles

LOG = logging.getLogger(__name__)
REGIONS, EACH, WIDTH = ("AL_L", "EB"), 60, 6
KINDS = ("gaba", "glutamate", "dopamine")
KINDS_SORTED = sorted(KINDS)


def rows_of(table: Table, columns: dict[str, Any]) -> pa.Table:
    """Rows of a table with these columns, the others empty or, where that may not be, 'x'."""
    count = len(next(iter(columns.values())))
    others = {
        field.name: pa.nulls(count, field.type) if field.nullable else pa.array(["x"] * count, field.type)
        for field in table.arrow
        if field.name not in columns
    }
    return table.conform(pa.table({**columns, **others}))


class Lab:
    """Planted synapses of three kinds, whose vectors tell the kinds; every fourth is labelled by the sources."""

    def __init__(self, root: Path) -> None:
        self.store = DatasetStore(str(root), "tiny")
        self.vectors = self.store.vectors("encoder", WIDTH)
        rng = np.random.default_rng(0)
        self.kind: dict[str, str] = {}
        self.drawn: dict[str, np.ndarray] = {}
        for region in REGIONS:
            ids = [f"{region}{number:02d}" for number in range(EACH)]
            kinds = np.arange(EACH) % len(KINDS)
            centres = 4 * np.eye(WIDTH)[kinds]
            self.drawn |= dict(zip(ids, (centres + rng.normal(size=(EACH, WIDTH))).astype(np.float32), strict=True))
            self.kind |= {one: KINDS[kind] for one, kind in zip(ids, kinds, strict=True)}
            places = {f"{axis}_nm": rng.uniform(0, 1e5, EACH) for axis in "xyz"}
            about = {"synapse_id": ids, "brain_region": [region] * EACH, "volume": ["em"] * EACH, **places}
            about |= {"neuron_id": pa.array(rng.integers(0, 40, EACH), pa.int64()), "source": ["s"] * EACH}
            self.store.synapses.replace_region(region, rows_of(SYNAPSES, about), [])
            self.cut(region, ids)
            self.label(region, [self.kind[one] if number % 4 == 0 else None for number, one in enumerate(ids)])
        self.save("encoder", "encoder", {}, lambda folder: None, {"dimensions": float(WIDTH)})

    @property
    def ids(self) -> list[str]:
        return sorted(self.kind)

    def cut(self, region: str, ids: Sequence[str], content: str = "a", embedded: bool = True) -> None:
        """Tiles of these synapses, and vectors of them."""
        rows = tiles(region, ids, content)
        self.store.tiles.replace_region(region, rows, [])
        hashes = rows.column("tile_hash").to_pylist()
        if embedded:
            matrix = np.stack([self.drawn[one] for one in ids])
            found = vector_rows(self.vectors.table, ids, region, hashes, "encoder", matrix)
            self.vectors.replace_region(region, found, [])

    def label(self, region: str, classes: Sequence[str | None]) -> None:
        ids = [one for one in self.ids if one.startswith(region)]
        columns = {"synapse_id": ids, "brain_region": [region] * EACH, "target": pa.array(classes, pa.string())}
        self.store.results(SYNAPSE_LABELS).write_partition(region, rows_of(SYNAPSE_LABELS, columns))

    def save(self, name: str, version: str, inputs: dict[str, str], write: Any, scores: dict[str, float]) -> None:
        models = self.store.models(name)
        models.save(version, write, Provenance(name, version, inputs, {}, 0, scores))
        models.promote(version)

    def classify(self, encoder: str = "encoder") -> LinearProbe:
        probe = fit_probe(np.stack([self.drawn[one] for one in self.ids]), [self.kind[one] for one in self.ids], 0)
        assert isinstance(probe, LinearProbe)
        self.save("synapse_classifier", f"of_{encoder}", {"encoder": encoder}, probe.save, {})
        return probe

    def decide(self, **decisions: str) -> None:
        """What people decided about these synapses."""
        rows = {
            "synapse_id": list(decisions),
            "brain_region": ["x"] * len(decisions),
            "decision": ["class" if one in KINDS else one for one in decisions.values()],
            "target": pa.array([one if one in KINDS else None for one in decisions.values()], pa.string()),
            "answers": pa.array([1] * len(decisions), pa.int32()),
            "share": [1.0] * len(decisions),
        }
        self.store.results(LABEL_DECISIONS).write(rows_of(LABEL_DECISIONS, rows))

    def answer(self, round_name: str, *given: tuple[str, str, str]) -> None:
        """Answers of a round: the person, the synapse, and what was said; 'undo' takes back what that person said last of it."""
        rows: dict[str, list[Any]] = {
            name: [] for name in ("answer_id", "annotator", "item", "kind", "answer", "undoes")
        }
        last: dict[tuple[str, str], str] = {}
        for number, (person, item, said) in enumerate(given):
            is_undo = said == "undo"
            values = (
                f"a{number}",
                person,
                item,
                *(("undo", None, last[person, item]) if is_undo else ("answer", said, None)),
            )
            last[person, item] = f"a{number}"
            for name, value in zip(rows, values, strict=True):
                rows[name].append(value)
        count = len(given)
        columns: dict[str, Any] = {name: pa.array(values, pa.string()) for name, values in rows.items()}
        columns |= {"round": [round_name] * count, "guess_seen": [False] * count, "seconds": [1.0] * count}
        columns["given_at"] = pa.array([datetime.now(UTC)] * count, pa.timestamp("us", "UTC"))
        self.store.results(ANNOTATIONS).write_partition(round_name, rows_of(ANNOTATIONS, columns))

    def pool(self) -> set[str]:
        return set(
            read_pool(self.store, vectors_in_use(self.store), 0, None).at_random.column("synapse_id").to_pylist()
        )


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def dataset(**labelling: Any) -> EmDataset:
    return tiny_dataset(Path(), Path("unused"), labelling={"batch": 12, "strategy": "k_means", **labelling})


# The pool ------------------------------------------------------------------------------------------------------------------------


def unlabelled(lab: Lab) -> set[str]:
    return {one for one in lab.ids if int(one[-2:]) % 4}


def test_the_pool_has_what_the_sources_leave_open(lab: Lab) -> None:
    assert lab.pool() == unlabelled(lab)
    found = read_pool(lab.store, lab.vectors, 0, None)
    assert (found.size, found.of, found.labelled, found.least_sure) == (90, 120, 30, None)


def test_what_has_no_tile_or_a_vector_of_another_tile_is_not_asked_about(lab: Lab) -> None:
    lab.cut("EB", ["EB01", "EB02"], "b", embedded=False)
    lab.store.tiles.replace_region("EB", tiles("EB", []), ["EB03"])
    assert lab.pool() == unlabelled(lab) - {"EB01", "EB02", "EB03"}


def test_what_people_decided_is_not_asked_again_unless_its_tile_changed(lab: Lab) -> None:
    lab.decide(EB01="gaba", EB02="unsure", EB03="not a synapse", EB05="disagreement", EB06="outdated")
    assert lab.pool() == unlabelled(lab) - {"EB01", "EB02", "EB03", "EB05"}


def test_open_questions_are_not_asked_twice_and_what_everybody_skipped_comes_back(lab: Lab) -> None:
    asked = ["EB01", "EB02", "EB03", "EB05", "EB06"]
    rows = {
        "round": ["round_001"] * 5,
        "rank": pa.array(range(5), pa.int32()),
        "synapse_id": asked,
        "brain_region": ["EB"] * 5,
        "tile_hash": [f"a{one}" for one in asked],
        **{f"{axis}_nm": [0.0] * 5 for axis in "xyz"},
    }
    lab.store.results(QUERY_SUGGESTIONS).write_partition("round_001", rows_of(QUERY_SUGGESTIONS, rows))
    assert lab.pool() == unlabelled(lab) - set(asked)
    lab.answer(
        "round_001",
        ("ann", "EB01", "skip"),
        ("bob", "EB01", "skip"),
        ("ann", "EB02", "skip"),
        ("bob", "EB02", "gaba"),
        ("ann", "EB03", "skip"),
        ("ann", "EB03", "undo"),
    )
    assert lab.pool() == unlabelled(lab) - set(asked) | {"EB01"}
    lab.answer("other_batch", ("ann", "EB05", "skip"))
    assert "EB05" not in lab.pool()
    # Another picture is another question.
    lab.cut("EB", ["EB06"], "b")
    assert lab.pool() == unlabelled(lab) - set(asked) | {"EB01", "EB06"}


def test_a_large_pool_is_a_sample_in_which_every_synapse_is_equally_likely(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "CANDIDATES", 10)
    monkeypatch.setattr(pool, "_BATCH_ROWS", 7)
    drawn = [read_pool(lab.store, lab.vectors, seed, None) for seed in range(60)]
    assert {found.size for found in drawn} == {90}
    counts = dict.fromkeys(sorted(unlabelled(lab)), 0)
    for found in drawn:
        for one in found.at_random.column("synapse_id").to_pylist():
            counts[one] += 1
    times = np.array(list(counts.values()))
    assert times.sum() == 600
    # Pearson's chi-squared of 89 degrees of freedom: mean 89, deviation 13.3; of draws without repetition a little less.
    assert 50 < ((times - 600 / 90) ** 2 / (600 / 90)).sum() < 130
    again = read_pool(lab.store, lab.vectors, 7, None).at_random
    assert again.equals(drawn[7].at_random)


def test_the_least_sure_are_those_of_all_that_a_product_in_memory_finds(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "CANDIDATES", 10)
    monkeypatch.setattr(pool, "_BATCH_ROWS", 7)
    found = read_pool(lab.store, lab.vectors, 0, lambda vectors: vectors[:, 0].astype(np.float64)).least_sure
    assert found is not None
    first = {one: float(np.float16(lab.drawn[one][0])) for one in unlabelled(lab)}
    assert found.column("synapse_id").to_pylist() == sorted(first, key=first.__getitem__)[:10]


def test_labels_train_where_the_synapse_is_now(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    known = {one: lab.kind[one] for one in lab.ids if not int(one[-2:]) % 4}
    # One that moved away from this region has left its label behind.
    rows = lab.store.results(SYNAPSE_LABELS).read("EB")
    moved = rows.slice(0, 1).to_pylist()[0] | {"synapse_id": "AL_L01", "target": "dopamine"}
    rows = pa.concat_tables([rows, pa.Table.from_pylist([moved], schema=SYNAPSE_LABELS.arrow)])
    lab.store.results(SYNAPSE_LABELS).write_partition("EB", rows)
    rows, classes = labelled_sample(lab.store, lab.vectors, 0)
    assert dict(zip(rows.column("synapse_id").to_pylist(), classes, strict=True)) == known
    assert "AL_L01" in lab.pool()
    monkeypatch.setattr(pool, "LABELLED", 7)
    rows, classes = labelled_sample(lab.store, lab.vectors, 0)
    assert len(classes) == rows.num_rows <= 7


# Rounds --------------------------------------------------------------------------------------------------------------------------


def suggested(lab: Lab, round_name: str = "round_001", **labelling: Any) -> tuple[list[dict[str, Any]], Report]:
    report = suggest_round(lab.store, dataset(**labelling), round_name, "cpu", LOG)
    return lab.store.results(QUERY_SUGGESTIONS).read(round_name).sort_by("rank").to_pylist(), report


def outcomes(report: Report) -> dict[str, bool]:
    return {check.name: check.passed for check in report.checks}


def test_a_round_is_a_batch_of_different_synapses_with_everything_a_page_needs(lab: Lab) -> None:
    probe = lab.classify()
    rows, report = suggested(lab, random_share=0.25)
    assert [row["rank"] for row in rows] == list(range(12))
    assert len({row["synapse_id"] for row in rows} & unlabelled(lab)) == 12
    assert (report.rows, outcomes(report)) == (12, {"batch_is_full": True})
    origins = [row["origin"] for row in rows]
    assert (origins.count("random"), origins.count("strategy")) == (3, 9)
    places = lab.store.synapses.read(None, ["synapse_id", "x_nm", "neuron_id"]).to_pylist()
    place_of = {row["synapse_id"]: (row["x_nm"], row["neuron_id"]) for row in places}
    for row in rows:
        one = row["synapse_id"]
        best, probabilities = probe.predict(lab.drawn[one].astype(np.float16)[None])
        assert (row["guess"], row["guess_probability"]) == (KINDS_SORTED[best[0]], pytest.approx(probabilities.max()))
        assert (row["x_nm"], row["neuron_id"]) == place_of[one]
        assert row["tile_hash"] == f"a{one}"
        assert (row["round"], row["strategy"], row["model_version"]) == ("round_001", "k_means", "of_encoder")
        assert (row["brain_region"], row["volume"]) == (one[:-2], "em")
    assert {row["guess"] for row in rows if row["origin"] == "strategy"} == set(KINDS)


def test_a_round_that_was_written_is_never_changed(lab: Lab) -> None:
    rows, report = suggested(lab)
    lab.decide(**dict.fromkeys(sorted(unlabelled(lab))[:80], "gaba"))
    again, later = suggested(lab, strategy="random", batch=50)
    assert again == rows
    assert later.content_version == report.content_version
    assert (later.computed_rows, later.details["status"]) == (0, "chosen before; a round is never changed")
    other, another = suggested(lab, "round_002")
    assert not {row["synapse_id"] for row in other} & {row["synapse_id"] for row in rows}
    assert another.content_version != report.content_version


def test_the_same_store_gives_the_same_round(lab: Lab, tmp_path: Path) -> None:
    twin = Lab(tmp_path / "twin")
    for one in (lab, twin):
        one.classify()
    for strategy in ("k_means", "margin", "random"):
        (mine, report), (theirs, other) = (suggested(one, f"by_{strategy}", strategy=strategy) for one in (lab, twin))
        assert mine == theirs
        assert report.content_version == other.content_version


@pytest.mark.parametrize("strategy", ["margin", "entropy", "badge", "core_set", "typiclust", "two_stream", "random"])
def test_every_strategy_fills_a_batch(lab: Lab, strategy: str) -> None:
    lab.classify()
    rows, report = suggested(lab, strategy=strategy)
    assert len({row["synapse_id"] for row in rows}) == 12
    assert {row["strategy"] for row in rows} == {strategy}
    assert report.details["strategy"] == strategy


def test_margin_asks_about_the_least_sure_of_all(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    probe = lab.classify()
    monkeypatch.setattr(pool, "CANDIDATES", 30)
    monkeypatch.setattr(pool, "_BATCH_ROWS", 7)
    rows, _ = suggested(lab, strategy="margin", random_share=0.0, most_per_neuron=100, apart_nm=0)
    left = sorted(unlabelled(lab))
    two = np.sort(probe.predict(np.stack([lab.drawn[one] for one in left]).astype(np.float16))[1])[:, -2:]
    margins = dict(zip(left, two[:, 1] - two[:, 0], strict=True))
    assert {row["synapse_id"] for row in rows} == set(sorted(left, key=margins.__getitem__)[:12])


def test_without_a_classifier_of_this_encoder_there_is_no_guess_and_a_strategy_that_needs_none(lab: Lab) -> None:
    lab.classify("another")
    rows, report = suggested(lab, strategy="margin")
    assert {(row["guess"], row["guess_probability"], row["model_version"], row["strategy"]) for row in rows} == {
        (None, None, None, "k_means")
    }
    assert "margin needs a classifier" in str(report.details["reason"])
    lab.save("synapse_classifier", "none", {"encoder": "encoder"}, NoModel("all are 'gaba'").save, {})
    rows, _ = suggested(lab, "round_002", strategy="entropy")
    assert {(row["guess"], row["strategy"]) for row in rows} == {(None, "k_means")}


@pytest.mark.parametrize("left", [0, 1, 5])
def test_a_pool_smaller_than_the_batch_is_an_ordinary_outcome(lab: Lab, left: int) -> None:
    lab.decide(**dict.fromkeys(sorted(unlabelled(lab))[left:], "gaba"))
    for strategy in ("k_means", "two_stream", "badge"):
        rows, report = suggested(lab, f"by_{strategy}_{left}", strategy=strategy)
        assert sorted(row["synapse_id"] for row in rows) == sorted(unlabelled(lab))[:left]
        assert (report.rows, outcomes(report)) == (left, {"batch_is_full": False})
        assert all(check.warn for check in report.checks)
        lab.store.results(QUERY_SUGGESTIONS).remove_partition(f"by_{strategy}_{left}")


def test_a_round_that_found_nothing_to_ask_is_chosen_anew_once_there_is(lab: Lab) -> None:
    lab.decide(**dict.fromkeys(unlabelled(lab), "gaba"))
    rows, report = suggested(lab)
    assert (rows, report.details["status"]) == ([], "chosen now")
    assert "materialise this one again" in report.checks[0].description
    lab.decide(**dict.fromkeys(sorted(unlabelled(lab))[3:], "gaba"))
    rows, report = suggested(lab)
    assert sorted(row["synapse_id"] for row in rows) == sorted(unlabelled(lab))[:3]
    assert suggested(lab, batch=50)[0] == rows, "and from now on it stays"


def test_synapses_without_a_neuron_are_asked_about_without_a_cap_on_them(lab: Lab) -> None:
    for region in REGIONS:
        rows = lab.store.synapses.read(region, SYNAPSES.names)
        at = rows.column_names.index("neuron_id")
        lab.store.synapses.replace_region(region, rows.set_column(at, "neuron_id", pa.nulls(EACH, pa.int64())), [])
    rows, report = suggested(lab, most_per_neuron=1, apart_nm=0)
    assert (len(rows), {row["neuron_id"] for row in rows}) == (12, {None})
    assert report.details["neurons"] == 0


def test_where_the_sources_label_everything_it_says_so(lab: Lab) -> None:
    for region in REGIONS:
        lab.label(region, ["gaba"] * EACH)
    rows, report = suggested(lab)
    assert rows == []
    [check] = report.checks
    assert "all 120 synapses with a tile have a class already" in check.description


@pytest.mark.parametrize("strategy", ["recommended", "margin", "core_set", "typiclust", "two_stream"])
def test_where_nothing_is_labelled_yet_a_first_round_can_be_asked(lab: Lab, strategy: str) -> None:
    for region in REGIONS:
        lab.label(region, [None] * EACH)
    rows, report = suggested(lab, strategy=strategy)
    assert (len({row["synapse_id"] for row in rows}), outcomes(report)) == (12, {"batch_is_full": True})
    assert {row["guess"] for row in rows} == {None}


def test_labels_of_one_class_are_an_ordinary_outcome(lab: Lab) -> None:
    for region in REGIONS:
        lab.label(region, ["gaba" if number < 5 else None for number in range(EACH)])
    rows, _ = suggested(lab, strategy="badge")
    assert len(rows) == 12


def test_a_dataset_that_nobody_labels_is_refused(lab: Lab, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="labelling"):
        suggest_round(lab.store, tiny_dataset(Path(), Path("unused")), "round_001", "cpu", LOG)
    with pytest.raises(BadInput, match="materialise the asset 'encoder'"):
        suggest_round(DatasetStore(str(tmp_path / "none"), "tiny"), dataset(), "round_001", "cpu", LOG)
