"""What separation verdicts see: the table that is shipped, what is said of it, and the planted groups it was measured on."""

import csv
import re
import subprocess
import sys
import zipfile
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import skew

from benchmarks.verdict_power import NEURON_SHIFT_SD, PLACE_SPREAD, SEPARATIONS_SD, planted, table
from synapse_assets.analysis.clustering.verdict_power import COLUMNS, TABLE, Cell, Power, power, read_cells

APART = (2.0, 3.0, 4.0, 5.0)


def cells(
    synapses: int, above: tuple[int, ...], stable: tuple[int, ...] = (0, 0, 0, 0), repeats: int = 10
) -> list[Cell]:
    """Cells of one size at `APART`, and one without groups, that give so many verdicts above noise."""
    named = zip(APART, above, stable, strict=True)
    groups = [Cell(synapses, apart, repeats, s, a - s, repeats - a, 0) for apart, a, s in named]
    return [*reversed(groups), Cell(synapses, 0.0, repeats, 0, 1, repeats - 1, 0)]


def of(above: tuple[int, ...], stable: tuple[int, ...] = (0, 0, 0, 0), repeats: int = 10) -> Power:
    """The power at 100 synapses of cells with so many verdicts above noise."""
    return power(100, cells(100, above, stable, repeats))


def test_a_separation_is_seen_from_which_on_eight_in_ten_are_told_from_noise() -> None:
    assert of((0, 7, 8, 10)).detectable_sd == 4.0
    assert of((8, 8, 8, 8)).detectable_sd == 2.0
    assert of((0, 0, 0, 8)).detectable_sd == 5.0
    assert of((0, 0, 0, 7)).detectable_sd is None
    assert of((0, 15, 16, 20), repeats=20).detectable_sd == 4.0
    # One that is seen by luck, between two that are not, does not count.
    assert of((9, 7, 8, 9)).detectable_sd == 4.0
    assert of((10, 10, 10, 7)).detectable_sd is None


def test_that_for_stable_is_counted_by_itself() -> None:
    found = of((5, 8, 9, 10), (0, 3, 8, 9))
    assert (found.detectable_sd, found.stable_sd) == (3.0, 4.0)
    assert of((5, 8, 9, 10), (0, 9, 8, 7)).stable_sd is None


@pytest.mark.parametrize(
    ("synapses", "measured"), [(27, None), (28, 28), (59, 28), (60, 60), (119, 60), (120, 120), (10_000, 120)]
)
def test_the_nearest_size_not_above_speaks(synapses: int, measured: int | None) -> None:
    measured_cells = [*cells(120, (0, 8, 8, 8)), *cells(28, (0, 0, 0, 8)), *cells(60, (0, 0, 8, 8))]
    found = power(synapses, measured_cells)
    assert {cell.synapses for cell in found.cells} == ({measured} if measured else set())
    assert found.detectable_sd == {None: None, 28: 5.0, 60: 4.0, 120: 3.0}[measured]
    assert [cell.separation_sd for cell in found.cells] == (list(APART) if measured else [])
    below = "(the nearest number below this group's" in found.sentence
    assert below == (measured is not None and measured < synapses)
    if measured:
        assert found.sentence.startswith(f"Of {measured} synapses")


def test_the_sentence() -> None:
    assert of((0, 4, 9, 10)).sentence == (
        "Of 100 synapses, two groups 4 standard deviations apart are told from noise in 9 of 10 planted data sets (3 apart: 4 of "
        "10), so groups closer than that may have been missed."
    )
    assert of((8, 9, 9, 10)).sentence == (
        "Of 100 synapses, two groups 2 standard deviations apart are told from noise in 8 of 10 planted data sets, so groups closer "
        "than that may have been missed."
    )
    assert of((0, 0, 0, 5)).sentence == (
        "Of 100 synapses, even two groups 5 standard deviations apart are told from noise in only 5 of 10 planted data sets, so "
        "distinct groups may have been missed."
    )
    assert power(20, cells(28, (0, 0, 0, 5))).sentence == (
        "What separation of groups can be seen among 20 synapses was not measured."
    )


def shipped() -> dict[int, dict[float, dict[str, int]]]:
    """The table's counts by number of synapses and separation, read by other means."""
    counts_of: dict[int, dict[float, dict[str, int]]] = defaultdict(dict)
    for row in csv.DictReader(TABLE.read_text().splitlines()):
        counts = {name: int(row[name]) for name in ("repeats", "stable", "fragile", "noise", "recovered")}
        counts_of[int(row["synapses"])][float(row["separation_sd"])] = counts
    return counts_of


def test_the_shipped_table_is_whole() -> None:
    assert TABLE.read_text().splitlines()[0] == ",".join(COLUMNS)
    counts_of = shipped()
    assert {28, 120} <= counts_of.keys()
    assert len(read_cells()) == sum(map(len, counts_of.values())), "each cell once"
    for synapses, row in counts_of.items():
        assert row.keys() == set(SEPARATIONS_SD), synapses
        for counts in row.values():
            assert counts["repeats"] >= 10
            assert counts["stable"] + counts["fragile"] + counts["noise"] == counts["repeats"]
            assert min(counts.values()) >= 0
            assert counts["recovered"] <= counts["repeats"]
        assert row[0.0]["recovered"] == 0


def test_what_is_said_of_the_shipped_table_is_in_it() -> None:
    for synapses, row in shipped().items():
        found = power(synapses)
        said = re.search(r"two groups ([\d.]+) standard .* noise in (?:only )?(\d+) of (\d+) planted", found.sentence)
        assert said
        cell = row[float(said[1])]
        assert (cell["stable"] + cell["fragile"], cell["repeats"]) == (int(said[2]), int(said[3]))
        assert found.detectable_sd in (None, float(said[1]))
        assert ("only" in said[0]) == (found.detectable_sd is None)
        if closer := re.search(r"\(([\d.]+) apart: (\d+) of (\d+)\)", found.sentence):
            cell = row[float(closer[1])]
            assert (cell["stable"] + cell["fragile"], cell["repeats"]) == (int(closer[2]), int(closer[3]))
            assert int(closer[2]) < 0.8 * int(closer[3])


def test_the_page_on_methods_has_the_shipped_table() -> None:
    page = (Path(__file__).parents[3] / "docs" / "methods" / "clusters.md").read_text(encoding="utf-8")
    assert f"\n{table(read_cells())}\n" in page


def test_a_wheel_holds_the_table(tmp_path: Path) -> None:
    project = Path(__file__).parents[3]
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=project, check=True, capture_output=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        assert wheel.read(str(TABLE.relative_to(project))) == TABLE.read_bytes()


def within(repeat: int, separation_sd: float, synapses: int = 6_000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log areas less the mean of their neuron, groups and neurons of planted synapses."""
    data = planted(synapses, separation_sd, repeat)
    logs = np.log(data.areas)
    for neuron in range(3):
        logs[data.neurons == neuron] -= logs[data.neurons == neuron].mean(axis=0)
    return logs, data.groups, data.neurons


@pytest.mark.parametrize("separation_sd", [2.0, 4.0, 6.0])
def test_planted_groups_lie_as_far_apart_as_asked(separation_sd: float) -> None:
    directions = []
    for repeat in range(5):
        logs, groups, _ = within(repeat, separation_sd)
        apart = logs[groups == 1].mean(axis=0) - logs[groups == 0].mean(axis=0)
        pooled = sum(np.cov(logs[groups == group].T) * np.mean(groups == group) for group in (0, 1))
        assert np.sqrt(apart @ np.linalg.solve(pooled, apart)) == pytest.approx(separation_sd, rel=0.05)
        directions.append(apart / np.linalg.norm(apart))
    # Each data set has a direction of its own.
    assert np.abs(np.corrcoef(np.array(directions).T)[0, 1]) < 1 - 1e-6


def test_planted_areas_are_skewed_and_correlated_within_a_group() -> None:
    data = planted(6_000, 0, 1)
    one = data.areas[data.neurons == 0]
    assert (skew(one) > 0.4).all()
    assert np.abs(skew(np.log(one))).max() < 0.15
    assert 0.6 < np.corrcoef(np.log(one).T)[0, 1] < 0.9


def test_planted_neurons_differ_modestly_and_have_both_groups() -> None:
    shifts, spreads = [], []
    for repeat in range(60):
        data = planted(1_200, 0, repeat)
        logs = np.log(data.areas)
        within_sd = np.mean([logs[data.neurons == neuron].std(axis=0) for neuron in range(3)], axis=0)
        shifts.append(
            np.array([logs[data.neurons == neuron].mean(axis=0) for neuron in range(3)]).std(axis=0, ddof=1) / within_sd
        )
        spreads += [data.places[data.neurons == neuron].std(axis=0) for neuron in range(3)]
    assert np.sqrt(np.mean(np.square(shifts))) == pytest.approx(NEURON_SHIFT_SD, rel=0.2)
    assert np.quantile(spreads, (0.02, 0.98)) == pytest.approx(PLACE_SPREAD, rel=0.05)
    small = planted(28, 4, 0)
    assert np.bincount(small.neurons).tolist() == [14, 10, 4]
    assert {(n, g) for n, g in zip(small.neurons.tolist(), small.groups.tolist(), strict=True)} == {
        (neuron, group) for neuron in range(3) for group in (0, 1)
    }
    assert np.mean(planted(640, 4, 0).groups) == pytest.approx(0.4, abs=0.005)


def test_planted_features_are_scaled_and_weighted_as_those_of_the_chain() -> None:
    features = planted(640, 4, 0).features()
    low, middle, high = np.percentile(features, (25, 50, 75), axis=0)
    assert middle == pytest.approx(np.zeros(5), abs=1e-12)
    assert high - low == pytest.approx([0.2, 0.2, 0.2, 1.0, 1.0])
    again, other = planted(640, 4, 0).features(), planted(640, 4, 1).features()
    assert (again == features).all()
    assert not (other == features).any()
