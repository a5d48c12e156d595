"""Settings of HDBSCAN: what each finds, how far runs agree, and the choice with its reasons."""

import numpy as np
import pyarrow as pa
import pytest

from synapse_assets.analysis.clustering.agreement import ABSENT, adjusted_rand, agreement
from synapse_assets.analysis.clustering.parameter_sweep import Runs, Setting, Sweep, choose, cluster_runs, grid, sweep
from synapse_assets.schema import morphology
from synapse_assets_tests.analysis.morphology.grouped import found, grouped, maps_of


def runs_of(labels: list[list[int]]) -> Runs:
    array = np.array(labels, dtype=np.int32)
    return Runs(array, (array >= 0).astype(float), agreement(array))


def splits(clusters: int, wrong: float, noise: float = 0.0, seed: int = 0) -> Runs:
    """Six runs over 60 points that agree but for a share that is `wrong`, with so much noise."""
    random = np.random.default_rng(seed)
    labels = np.tile(np.arange(60) % clusters, (6, 1))
    swapped = random.random(labels.shape) < wrong
    labels[swapped] = random.integers(0, clusters, swapped.sum())
    labels[:, : round(60 * noise)] = -1
    return runs_of(labels.tolist())


@pytest.mark.parametrize("seed", range(5))
def test_adjusted_rand_is_that_of_scikit_learn(seed: int) -> None:
    from sklearn.metrics import adjusted_rand_score

    random = np.random.default_rng(seed)
    a, b = random.integers(-1, 4, size=(2, 80)).astype(np.int32)
    b[:40] = a[:40]
    assert adjusted_rand(a, b) == adjusted_rand_score(a, b)
    absent = random.random(80) < 0.2
    gone = np.where(absent, ABSENT, a).astype(np.int32)
    assert adjusted_rand(gone, b) == adjusted_rand_score(a[~absent], b[~absent])


def test_runs_that_find_nothing_do_not_agree() -> None:
    nothing, something = np.full(20, -1, np.int32), np.repeat([0, 1], 10).astype(np.int32)
    assert adjusted_rand(nothing, nothing) == 0.0
    assert adjusted_rand(nothing, something) == 0.0
    assert adjusted_rand(something, 1 - something) == 1.0
    assert adjusted_rand(np.zeros(20, np.int32), np.zeros(20, np.int32)) == 1.0
    assert adjusted_rand(np.full(20, ABSENT, np.int32), something) == 0.0


def test_figures_of_runs() -> None:
    runs = runs_of([[0, 0, 1, 1, -1, -2], [0, 0, 1, 1, 1, -1], [0, 0, 0, -2, -1, -1]])
    assert runs.clusters == 2
    assert runs.noise_fraction == pytest.approx((1 / 5 + 1 / 6 + 2 / 5) / 3)
    assert runs.mean_probability == 1.0
    assert runs.pairs.tolist() == runs.agreement[np.triu_indices(3, 1)].tolist()
    assert runs.stability == pytest.approx(runs.pairs.mean())


def test_the_standard_error_is_that_of_the_mean_over_runs() -> None:
    """Against drawing whole sets of runs anew, many times."""
    sets = [splits(3, 0.15, seed=seed) for seed in range(300)]
    truth = np.std([one.stability for one in sets])
    assert np.mean([one.error for one in sets]) == pytest.approx(truth, rel=0.25)


def test_choice() -> None:
    sure, fine, shaky, faint = splits(2, 0.02), splits(4, 0.02, seed=1), splits(5, 0.3), splits(6, 0.0, noise=0.6)
    assert choose([sure, shaky]) == 0
    assert choose([shaky, fine]) == 1
    assert choose([faint, shaky]) == 1, "a setting that leaves most as noise is not eligible"
    assert choose([faint, runs_of([[0] * 20] * 4)]) is None
    assert splits(6, 0.0, noise=0.5).eligible, "half is not most"
    assert not splits(6, 0.0, noise=0.55).eligible
    near = Runs(splits(4, 0.0).labels, splits(4, 0.0).probabilities, sure.agreement)
    assert choose([sure, near]) == 1, "as stable, and finer"


def test_of_settings_within_two_hundredths_the_finer_and_of_those_the_surer() -> None:
    def runs(clusters: int, stability: float) -> Runs:
        labels = np.tile(np.arange(60, dtype=np.int32) % clusters, (4, 1))
        return Runs(labels, np.ones((4, 60)), np.full((4, 4), stability) + (1 - stability) * np.eye(4))

    assert choose([runs(2, 0.97), runs(4, 0.955)]) == 1
    assert choose([runs(2, 0.97), runs(4, 0.945)]) == 0
    assert choose([runs(2, 0.97), runs(4, 0.955), runs(4, 0.96), runs(4, 0.96)]) == 2
    assert choose([runs(4, 0.9), runs(4, 0.97)]) == 1


def test_two_clusters_of_the_smallest_size_are_enough() -> None:
    random = np.random.default_rng(0)
    places = random.normal(size=(2, 10, 3)).astype(np.float32) + np.repeat([0, 100], 5)[:, None].astype(np.float32)
    rows = np.tile(np.arange(10, dtype=np.int32), (2, 1))
    found = cluster_runs(rows, places, 10, Setting(5, 2))
    assert found.clusters == 2
    assert found.stability == 1.0
    assert cluster_runs(rows[:, :9], places[:, :9], 10, Setting(5, 2)).noise_fraction == 1.0


def test_reasons_name_what_spoke_against_a_setting() -> None:
    settings = tuple(Setting(5 + number, 2) for number in range(5))
    sure = splits(3, 0.02)
    same = Runs(splits(2, 0.0).labels, splits(2, 0.0).probabilities, sure.agreement)
    runs = (sure, splits(4, 0.3), splits(4, 0.0, noise=0.7), runs_of([[0] * 20] * 4), same)
    swept = Sweep(settings, runs, choose(runs), 1, "")
    why = [swept.why(number) for number in range(5)]
    assert why[0].startswith("chosen: the runs agree best")
    assert "agree less well than at 5/2" in why[1]
    assert "70% of the synapses in no cluster" in why[2]
    assert "fewer than two clusters" in why[3]
    assert "fewer clusters (2 against 3)" in why[4]


def test_the_grid_grows_with_the_group() -> None:
    assert all(size >= 5 and 2 <= samples <= size for size, samples in [*grid(12), *grid(643), *grid(3_000)])
    sizes = [size for size, _ in grid(643)]
    assert min(sizes) <= 20
    assert max(sizes) >= 100
    assert 6 <= len(grid(643)) <= 12
    assert len(set(grid(12))) == len(grid(12))


def test_planted_groups_are_found_at_the_chosen_setting() -> None:
    _, swept, _ = found("groups")
    assert swept.chosen is not None
    taken = swept.runs[swept.chosen]
    assert taken.clusters == 3
    assert taken.stability > 0.95
    assert taken.noise_fraction < 0.05
    assert taken.mean_probability > 0.5


def test_rows_are_those_of_the_table() -> None:
    _, swept, _ = found("groups")
    rows = swept.rows()
    table = morphology.PARAMETER_SWEEP.conform(
        pa.Table.from_pylist(
            [{**row, "investigation_group": "pv", "projection_model": "v"} for row in rows],
            schema=morphology.PARAMETER_SWEEP.arrow,
        )
    )
    assert table.num_rows == len(swept.settings)
    assert [(row["min_cluster_size"], row["min_samples"]) for row in rows if row["published"]] == [(15, 4)]
    assert sum(row["chosen"] for row in rows) == 1
    assert [row["why"].startswith("chosen") for row in rows] == [row["chosen"] for row in rows]


def test_without_runs_nothing_is_swept() -> None:
    swept = sweep(maps_of(grouped((8,))[0]))
    assert (swept.rows(), swept.setting, swept.published) == ([], None, None)
    assert "too few" in swept.reason


def test_a_cluster_size_beyond_the_group_finds_nothing() -> None:
    maps = found("groups")[0]
    runs = cluster_runs(maps.rows, maps.places, len(maps.points), Setting(100, 200))
    assert runs.clusters == 0
    assert runs.noise_fraction == 1.0
    assert runs.stability == 0.0
    assert not runs.eligible
    swept = sweep(maps, (100, 200))
    assert swept.published is not None
    assert swept.chosen != swept.published
