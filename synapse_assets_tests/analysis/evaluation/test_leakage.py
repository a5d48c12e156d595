"""What can be read from vectors, with the truth planted: a leak comes out at its size, and where there is none, none is reported."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from synapse_assets.analysis.evaluation.evaluation import Evaluation
from synapse_assets.analysis.evaluation.leakage import (
    CLASS,
    COLUMNS,
    GAP,
    NEURON,
    PLACE,
    SAMPLE_NEURONS,
    SAMPLE_SYNAPSES,
    SYNAPSES_PER_NEURON,
    Measure,
    leakage_sample,
    measure_class,
    measure_nuisance,
    sentences,
)
from synapse_assets.analysis.evaluation.linear_probe import evaluate_probe
from synapse_assets.analysis.evaluation.splits import RANDOM, make_splits
from synapse_assets.errors import BadInput
from synapse_assets.schema import SPLITS

Array = npt.NDArray[np.float64]
FEATURES = 24
SECTIONS = 6


def planted_synapses(neurons: int = 48, each: int = 12, classes: int = 3, seed: int = 0) -> pa.Table:
    """Synapses with everything that is asked for, none of it related to anything else; a neuron has one class."""
    random = np.random.default_rng(seed)
    rows = neurons * each
    neuron = np.repeat(np.arange(neurons), each)
    return pa.table(
        {
            "synapse_id": [f"s{i:05d}" for i in range(rows)],
            "brain_region": random.choice(["AL", "EB", "FB"], rows),
            "volume": random.choice(["left", "right"], rows),
            "x_nm": random.uniform(0, 40_000, rows),
            "y_nm": random.uniform(0, 40_000, rows),
            "z_nm": random.uniform(0, 4_000, rows),
            "section": random.integers(0, SECTIONS, rows),
            "source_file": random.choice(["a.csv", "b.csv"], rows),
            "neuron_id": neuron + 720575940600000000,
            "target": np.array(["acetylcholine", "gaba", "glutamate", "dopamine"])[neuron % classes],
            "hemilineage": [f"h{n // (2 * classes) * classes + n % classes}" for n in neuron],
            "contrast": random.normal(30, 5, rows),
            "valid_fraction": np.where(random.random(rows) < 0.1, 0.8, 1.0),
        }
    ).select(list(COLUMNS))


def column(synapses: pa.Table, name: str) -> npt.NDArray[np.generic]:
    return np.array(synapses.column(name).to_pylist())


def signatures(names: npt.NDArray[np.generic], strength: float) -> Array:
    """A random direction (N, D) for every name, of that length."""
    values, index = np.unique(names, return_inverse=True)
    ways = np.random.default_rng(len(values)).normal(size=(len(values), FEATURES))
    return strength * (ways / np.linalg.norm(ways, axis=1, keepdims=True))[index]


def noise(synapses: pa.Table, seed: int = 1) -> Array:
    return np.random.default_rng(seed).normal(size=(synapses.num_rows, FEATURES))


Measures = dict[tuple[str, str], Measure]


def by_name(measures: list[Measure]) -> Measures:
    for measure in measures:
        figures = [measure.value, measure.chance, *(measure.interval or ())]
        assert not any(figure is not None and np.isnan(figure) for figure in figures), measure
        assert measure.sentence.endswith(".")
        if measure.interval is not None and measure.value is not None:
            assert measure.interval[0] <= measure.value <= measure.interval[1], measure
    return {(measure.probe, measure.split): measure for measure in measures}


def of_class(synapses: pa.Table, vectors: Array, seed: int = 0) -> Measures:
    splits, _ = make_splits(synapses, ["neuron_id", "hemilineage"], seed)
    return by_name(measure_class(synapses, vectors, splits, seed))


def of_nuisance(synapses: pa.Table, vectors: Array, seed: int = 0) -> Measures:
    return by_name(measure_nuisance(synapses, vectors, seed))


@pytest.fixture(scope="module")
def few_each() -> pa.Table:
    return planted_synapses(neurons=36, each=8)


@pytest.fixture(scope="module")
def synapses() -> pa.Table:
    return planted_synapses(neurons=48, each=40)


def test_recognition_alone_is_the_whole_claim() -> None:
    """The vectors name the neuron and nothing of the class: a random split is right, held out it guesses."""
    synapses = planted_synapses(neurons=21, each=20)
    neuron = np.unique(column(synapses, "neuron_id"), return_inverse=True)[1]
    vectors = 8 * np.eye(21)[neuron] + np.random.default_rng(1).normal(size=(len(neuron), 21))
    measures = of_class(synapses, vectors)
    gap, claimed, held_out = measures[GAP, NEURON], measures[CLASS, RANDOM], measures[CLASS, NEURON]
    assert claimed.value is not None
    assert held_out.value is not None
    assert claimed.value > 0.9
    assert abs(held_out.value - 1 / 3) < 0.15
    assert gap.value == pytest.approx(claimed.value - held_out.value)
    assert gap.interval is not None
    assert gap.interval[0] > 0.4
    assert f"{gap.value:.2f} of what a random split would claim is recognition of neurons: " in gap.sentence
    naming = of_nuisance(synapses, vectors)["neuron", RANDOM]
    assert (naming.value or 0) > 0.95
    assert naming.chance == 1 / 21


def test_no_recognition_is_found_where_none_is_planted(few_each: pa.Table) -> None:
    """The vectors tell the class and nothing of the neuron."""
    vectors = 2 * signatures(column(few_each, "target"), 1) + noise(few_each)
    measures = of_class(few_each, vectors)
    for split in (NEURON, "hemilineage"):
        gap = measures[GAP, split]
        assert gap.interval is not None
        assert gap.interval[0] <= 0 <= gap.interval[1]
        assert abs(gap.value or 0) < 0.04
        assert gap.sentence.startswith("No sign of recognition of")
    lines = sentences(list(measures.values()))
    assert len(lines) == len(measures)
    assert all("recognition of" in line for line in lines[:2]), "what a random split claims too much comes first"


def test_figures_are_those_of_the_classifier(few_each: pa.Table) -> None:
    """Class and neuron both in the vectors: score, gap and intervals are those that `evaluate_probe` comes to."""
    vectors = signatures(column(few_each, "target"), 1.5) + signatures(column(few_each, "neuron_id"), 4)
    vectors = vectors + noise(few_each)
    splits, _ = make_splits(few_each, ["neuron_id", "hemilineage"], 0)
    measures = by_name(measure_class(few_each, vectors, splits, 0))
    for headline, groups in (("neuron_id", 36), ("hemilineage", 18)):
        expected = evaluate_probe(column(few_each, "synapse_id").tolist(), vectors, splits, headline, 0)
        assert isinstance(expected, Evaluation)
        assert expected.headline is not None
        gap, held_out = measures[GAP, headline], measures[CLASS, headline]
        assert held_out.value == pytest.approx(expected.headline.balanced_accuracy)
        assert held_out.interval == pytest.approx(expected.headline.balanced_accuracy_interval)
        assert gap.value == pytest.approx(expected.gap)
        assert gap.interval == pytest.approx(expected.gap_interval)
        assert (gap.value or 0) > 0.1
        assert gap.groups == held_out.groups == groups
    # brain regions have no folds in the table: they get some
    assert measures[GAP, "brain_region"].groups == 3
    assert measures[GAP, "brain_region"].interval is None
    assert "3 brain regions are too few for an interval" in measures[GAP, "brain_region"].sentence


def test_a_class_in_one_group_counts_for_no_gap(few_each: pa.Table) -> None:
    """It cannot be told from other groups of it, and so says nothing of recognition."""
    target = column(few_each, "target").astype(object)
    target[column(few_each, "neuron_id") == 720575940600000000] = "rare"
    rare = few_each.set_column(COLUMNS.index("target"), "target", pa.array(target.tolist()))
    measures = of_class(rare, 2 * signatures(target.astype(str), 3) + noise(few_each))
    assert (measures[CLASS, NEURON].value or 1) < 0.8
    assert abs(measures[GAP, NEURON].value or 0) < 0.02
    assert measures[GAP, NEURON].sentence.endswith("Without rare: all of the class is in one group.")


def test_nothing_is_read_where_nothing_is_planted(synapses: pa.Table) -> None:
    measures = of_nuisance(synapses, 2 * signatures(column(synapses, "target"), 1) + noise(synapses))
    # the vectors tell the class, so that a third of the neurons come into question
    naming = measures["neuron", RANDOM]
    assert naming.interval is not None
    assert naming.interval[0] < 3 / 48
    values = {"section": 2 * SECTIONS, "brain_region": 3, "volume": 2, "source_file": 2, "padding": 2}
    for probe, count in values.items():
        measure = measures[probe, NEURON]
        assert measure.chance == pytest.approx(1 / count, abs=0.02), measure
        assert measure.value == pytest.approx(1 / count, abs=0.06), measure
        assert measure.groups == 48
    for probe in ("x", "y", "z", "contrast"):
        assert measures[probe, NEURON].value == pytest.approx(0, abs=0.02), probe
    read = [measure for measure in measures.values() if not measure.sentence.startswith("No sign of ")]
    assert {measure.probe for measure in read} <= {"neuron"}


@pytest.mark.parametrize("share", [0.3, 0.8])
@pytest.mark.parametrize("probe", ["contrast", "x", "z"])
def test_a_planted_number_is_read_to_its_share(synapses: pa.Table, probe: str, share: float) -> None:
    """One direction holds the number, and noise makes up the rest of its variance."""
    values = column(synapses, "contrast" if probe == "contrast" else f"{probe}_nm").astype(float)
    if probe != "contrast":
        for volume in ("left", "right"):
            rows = column(synapses, "volume") == volume
            values[rows] -= values[rows].mean()
    values = (values - values.mean()) / values.std()
    vectors = noise(synapses)
    vectors[:, 3] = np.sqrt(share) * values + np.sqrt(1 - share) * vectors[:, 3]
    measures = of_nuisance(synapses, vectors)
    read = measures[probe, NEURON]
    assert read.value == pytest.approx(np.corrcoef(values, vectors[:, 3])[0, 1] ** 2, abs=0.03)
    assert read.value == pytest.approx(share, abs=0.08)
    assert f"{probe} can be read from the vector".lower() in read.sentence.lower()
    for other in {"contrast", "x", "y", "z"} - {probe}:
        assert measures[other, NEURON].value == pytest.approx(0, abs=0.02)


def test_what_only_the_neuron_tells_is_not_read(synapses: pa.Table) -> None:
    """Region and contrast are those of the neuron, which the vectors name: of other neurons nothing follows."""
    neuron = np.unique(column(synapses, "neuron_id"), return_inverse=True)[1]
    random = np.random.default_rng(3)
    region, contrast = np.array(["AL", "EB", "FB"])[random.permutation(48) % 3], random.normal(30, 5, 48)
    ours = synapses.set_column(COLUMNS.index("brain_region"), "brain_region", pa.array(region[neuron]))
    ours = ours.set_column(COLUMNS.index("contrast"), "contrast", pa.array(contrast[neuron]))
    measures = of_nuisance(ours, signatures(neuron, 9) + noise(synapses))
    assert (measures["neuron", RANDOM].value or 0) > 0.95
    assert (measures["brain_region", NEURON].value or 1) < 0.5
    assert (measures["contrast", NEURON].value or 1) < 0.1
    for probe in ("brain_region", "contrast"):
        assert measures[probe, NEURON].sentence.startswith("No sign of"), measures[probe, NEURON]


def test_a_coordinate_is_one_of_its_volume(synapses: pa.Table) -> None:
    """That a volume lies elsewhere tells of the volume, not of x."""
    x = column(synapses, "x_nm").astype(float) + 1e6 * (column(synapses, "volume") == "left")
    moved = synapses.set_column(COLUMNS.index("x_nm"), "x_nm", pa.array(x))
    measures = of_nuisance(moved, signatures(column(synapses, "volume"), 9) + noise(synapses))
    assert (measures["volume", NEURON].value or 0) > 0.95
    assert measures["x", NEURON].value == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize(
    ("probe", "name"),
    [("section", "section"), ("volume", "volume"), ("source_file", "source_file"), ("padding", "valid_fraction")],
)
def test_a_planted_mark_is_named(synapses: pa.Table, probe: str, name: str) -> None:
    values = column(synapses, name).astype(str)
    if probe == "section":
        # a section is one of its volume
        values = np.char.add(column(synapses, "volume").astype(str), values)
    measures = of_nuisance(synapses, signatures(values, 9) + noise(synapses))
    read = measures[probe, NEURON]
    assert (read.value or 0) > 0.95, read
    assert "can be read from the vector" in read.sentence
    assert (measures["brain_region", NEURON].value or 1) < 0.4


def test_a_rare_value_counts_as_much_as_a_frequent_one(synapses: pa.Table) -> None:
    """Vectors without content: whichever of two regions is always said, half of the two are right."""
    region = np.where(np.arange(synapses.num_rows) % 12 < 11, "EB", "AL")
    uneven = synapses.set_column(COLUMNS.index("brain_region"), "brain_region", pa.array(region))
    read = of_nuisance(uneven, np.zeros((synapses.num_rows, 3)))["brain_region", NEURON]
    assert read.value == read.chance == 0.5
    assert read.sentence.startswith("No sign")


def test_without_neurons_blocks_of_place_are_held_out(synapses: pa.Table, few_each: pa.Table) -> None:
    def without_neurons(table: pa.Table) -> pa.Table:
        return table.set_column(COLUMNS.index("neuron_id"), "neuron_id", pa.nulls(table.num_rows, pa.int64()))

    section = np.char.add(column(synapses, "volume").astype(str), column(synapses, "section").astype(str))
    measures = of_nuisance(without_neurons(synapses), signatures(section, 9) + noise(synapses))
    assert (measures["section", PLACE].value or 0) > 0.95
    # two volumes of four by four blocks
    assert measures["section", PLACE].groups == 32
    assert measures["neuron", RANDOM].value is None
    measures = of_class(without_neurons(few_each), noise(few_each))
    assert measures[GAP, NEURON].value is None
    assert "fewer than two neurons of labelled synapses are known" in measures[GAP, NEURON].sentence
    assert measures[GAP, "hemilineage"].value is not None


def few(rows: int, **changes: object) -> pa.Table:
    table = planted_synapses(neurons=12, each=6).slice(0, rows)
    for name, value in changes.items():
        at = COLUMNS.index(name)
        table = table.set_column(at, name, pa.array([value] * rows, table.schema.field(name).type))
    return table


@pytest.mark.parametrize(
    ("synapses", "width"),
    [
        (few(0), 4),
        (few(1), 4),
        (few(3), 4),
        (few(72), 1),
        (few(72), 200),
        (few(72, neuron_id=None), 4),
        (few(72, neuron_id=None, hemilineage=None, brain_region="EB", target=None), 4),
        (few(72, target=None), 4),
        (few(72, target="gaba"), 4),
        (few(72, x_nm=1.0, y_nm=1.0, z_nm=1.0, contrast=0.0, section=1, volume="left", source_file="a"), 4),
        (few(72, contrast=None, valid_fraction=None, section=None), 4),
    ],
    ids=["none", "one", "three", "one dimension", "wide", "no neurons", "nothing known", "no labels", "one class", "one place", "no tiles"],
)  # fmt: skip
def test_what_cannot_be_asked_is_said(synapses: pa.Table, width: int) -> None:
    random = np.random.default_rng(0).normal(size=(synapses.num_rows, width))
    for vectors in (random, np.ones_like(random)):
        measures = of_nuisance(synapses, vectors)
        if vectors is random and synapses.column("section").null_count == 0:
            measures |= of_class(synapses, vectors)
            assert CLASS in {probe for probe, _ in measures}
        assert {probe for probe, _ in measures} >= {"neuron", "section", "padding", "x", "z", "contrast"}
        for measure in measures.values():
            assert (measure.value is None) == (measure.synapses == 0) == ("was not asked" in measure.sentence), measure


def test_the_report_depends_on_its_seed_alone(few_each: pa.Table) -> None:
    vectors = noise(few_each)
    first, again, other = (of_nuisance(few_each, vectors, seed) for seed in (0, 0, 1))
    assert first == again
    assert first != other


def test_wrong_vectors_are_refused(few_each: pa.Table) -> None:
    vectors = noise(few_each)
    with pytest.raises(BadInput, match=f"{few_each.num_rows} synapses but 5 vectors"):
        measure_nuisance(few_each, vectors[:5], 0)
    vectors[7, 3] = np.nan
    with pytest.raises(BadInput, match="NaN"):
        measure_class(few_each, vectors, SPLITS.empty(), 0)


def many(neurons: int, each: int, labelled: int) -> pa.Table:
    """Synapses by neuron, the first `labelled` neurons with a class, one in fifty of them the rare one."""
    neuron = np.repeat(np.arange(neurons), each)
    target = np.where(neuron % 50 == 7, "rare", "gaba").astype(object)
    target[neuron >= labelled] = None
    return pa.table(
        {
            "synapse_id": [f"s{i:06d}" for i in range(len(neuron))],
            "brain_region": np.array(["AL", "EB"])[neuron % 2],
            "neuron_id": neuron,
            "target": pa.array(target.tolist(), pa.string()),
        }
    )


def test_a_sample_has_neurons_with_several_synapses() -> None:
    table = many(400, 30, 150)
    ids = leakage_sample(table, 0)
    assert ids == sorted(set(ids))
    assert len(ids) == SAMPLE_SYNAPSES
    neuron = table.column("neuron_id").to_numpy()[[int(i[1:]) for i in ids]]
    names, counts = np.unique(neuron, return_counts=True)
    assert (len(names), set(counts.tolist())) == (SAMPLE_NEURONS, {SYNAPSES_PER_NEURON})
    assert set(range(150)) < set(names.tolist()), "labelled neurons come first"
    shuffled = table.take(np.random.default_rng(0).permutation(table.num_rows))
    assert leakage_sample(shuffled, 0) == ids
    assert leakage_sample(table, 1) != ids
    # more labelled neurons than are taken: every class is there
    ids = leakage_sample(many(400, 30, 400), 0)
    assert any(int(i[1:]) // 30 % 50 == 7 for i in ids)


def test_a_sample_of_few_synapses_is_all_of_them_and_without_neurons_any() -> None:
    assert len(leakage_sample(many(300, 4, 10), 0)) == 1_200
    # of four synapses each, no neuron can be recognised
    table = many(2_000, 4, 2_000)
    ids = leakage_sample(table, 0)
    assert len(ids) == SAMPLE_SYNAPSES
    assert len({int(i[1:]) // 4 for i in ids}) > 1_500
    # some neurons with nine beside them are enough to ask for recognition
    nine = many(22, 9, 22)
    nine = nine.set_column(2, "neuron_id", pa.array(9_999 + np.repeat(np.arange(22), 9)))
    mixed = pa.concat_tables([table, nine])
    mixed = mixed.set_column(0, "synapse_id", pa.array([f"s{i:06d}" for i in range(mixed.num_rows)]))
    assert len(leakage_sample(mixed, 0)) == 22 * 9
