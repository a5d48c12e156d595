"""Stability: settings, runs and clusters as they were planted."""

import numpy as np
import pyarrow as pa
import pytest

from synapse_assets.analysis.clustering.verdict_power import Cell
from synapse_assets.errors import BadInput
from synapse_assets.figures.stability import power_figure, stability_figure, sweep_figure
from synapse_assets.figures.style import INK, cluster_colour
from synapse_assets.schema import morphology
from synapse_assets_tests.figures.pixels import (
    of_colour,
    opened_sheet,
    spots,
)
from synapse_assets_tests.figures.planted import CHOSEN, SENTENCE


def sweep(sizes: list[int], samples: list[int], chosen: object = None, published: object = None) -> pa.Table:
    """A table of `morphology.PARAMETER_SWEEP` for the group as."""
    rows = [
        {
            "investigation_group": "as", "min_cluster_size": size, "min_samples": sample, "clusters": 9.0 - 0.1 * size,
            "noise_fraction": 0.02 * sample, "mean_probability": 0.9, "stability_ari": 0.01 * size + 0.05 * sample,
            "stability_error": 0.02, "published": (size, sample) == published, "chosen": (size, sample) == chosen,
            "why": SENTENCE if (size, sample) == chosen else "less stable", "projection_model": "m",
        }
        for size in sizes
        for sample in samples
    ]  # fmt: skip
    return morphology.PARAMETER_SWEEP.conform(pa.Table.from_pylist(rows, schema=morphology.PARAMETER_SWEEP.arrow))


def test_the_sweep_marks_the_chosen_and_the_published_setting() -> None:
    both = opened_sheet(sweep_figure(sweep([5, 11, 12, 40], [2, 5], (5, 2), (40, 5))))
    none = opened_sheet(sweep_figure(sweep([5, 11, 12, 40], [2, 5])))
    # in four panels and in the legend
    assert spots(both, CHOSEN, least=40) == 5
    assert spots(both, INK, least=60) == 5
    assert spots(none, CHOSEN) == 0
    assert spots(none, INK, least=60) == 0
    # the reason is below, however long
    assert both.shape[0] > none.shape[0] + 100
    opened_sheet(sweep_figure(sweep([20], [5], (20, 5), (20, 5))))
    assert opened_sheet(sweep_figure(sweep([], []))).shape[0] < 200
    two = sweep([5], [2]).set_column(0, "investigation_group", pa.array(["ss"]))
    with pytest.raises(BadInput, match=r"\['as', 'ss'\]"):
        sweep_figure(pa.concat_tables([sweep([5], [2]), morphology.PARAMETER_SWEEP.conform(two)]))


def test_a_stability_has_bars_of_its_length_and_limits() -> None:
    random = np.random.default_rng(0)
    pairs, nulls = np.clip(random.normal(0.9, 0.03, 276), 0, 1), random.normal(0.1, 0.05, 19)
    stability = {0: 1.0, 1: 0.75, 2: 0.3, 3: float("nan")}
    png = stability_figure(pairs, nulls, stability, (0.88, 0.92), 0.97, "stable", "Why.")
    pixels = opened_sheet(png)
    assert of_colour(pixels, "#00694b").sum() > 100
    right = pixels[:, int(0.6 * pixels.shape[1]) :]
    ends = {c: np.flatnonzero(of_colour(right, cluster_colour(c)).sum(axis=0) > 15)[[0, -1]] for c in (0, 1, 2)}
    length = {c: np.ptp(end) for c, end in ends.items()}
    assert [length[c] / length[0] for c in (0, 1, 2)] == pytest.approx([1.0, 0.75, 0.3], abs=0.01)
    assert spots(right, cluster_colour(3)) == 0
    bar = np.flatnonzero(of_colour(right, cluster_colour(0)).any(axis=1))
    below = right[bar[-1] + 1 :, :, :]
    start, end = ends[0]
    dark = np.flatnonzero((below.max(axis=2) < 90).sum(axis=0) > 60)
    found = (dark[(dark > start + 10)] - start) / (end - start)
    assert all(min(abs(at - 0.6), abs(at - 0.75)) < 0.01 for at in found)
    assert found.min() == pytest.approx(0.6, abs=0.01)
    assert found.max() == pytest.approx(0.75, abs=0.01)
    # the independent agreement is a line of its own colour
    assert of_colour(pixels, CHOSEN).sum() > 100
    without = opened_sheet(stability_figure(pairs, nulls, stability, None, None, "fragile", "Why."))
    assert of_colour(without, CHOSEN).sum() == 0
    assert of_colour(without, "#9a5200").sum() > 100


def test_complete_agreement_is_drawn_at_one() -> None:
    pixels = opened_sheet(stability_figure([1.0] * 66, [0.1] * 9, {}, (1.0, 1.0), None, "stable", "Why."))
    left = pixels[:, : pixels.shape[1] // 2 + 80].astype(int)
    upright = np.flatnonzero((left[..., 2] - left[..., 0] > 60).sum(axis=0) > 150)
    assert len(upright) > 0
    assert upright.min() > 0.45 * pixels.shape[1]


def test_stabilities_of_any_size() -> None:
    nan = float("nan")
    opened_sheet(stability_figure([], [], {}, None, None, "not distinguishable from noise", "Too few synapses."))
    opened_sheet(
        stability_figure([nan, 0.1], [0.2], {0: nan}, (nan, nan), nan, "not distinguishable from noise", SENTENCE)
    )
    opened_sheet(stability_figure([-0.4, 1.0], [], {0: 0.0}, (None, None), 1.0, "", ""))
    forty = stability_figure(
        [0.5] * 66, [0.1] * 9, {i: i / 40 for i in range(40)}, (0.4, 0.6), 0.5, "fragile", SENTENCE
    )
    short = stability_figure([0.5] * 66, [0.1] * 9, {i: i / 40 for i in range(40)}, (0.4, 0.6), 0.5, "fragile", "Why.")
    assert opened_sheet(forty).shape[0] > opened_sheet(short).shape[0] + 100


def test_what_could_be_seen_stands_at_the_foot() -> None:
    values = ([0.5] * 66, [0.1] * 9, {0: 0.5}, (0.4, 0.6), 0.5, "fragile", "Why.")
    without, one, long = (opened_sheet(stability_figure(*values, foot)) for foot in ("", "Could be seen.", SENTENCE))
    assert without.shape[0] + 10 < one.shape[0] < long.shape[0] - 10
    ink = [(pixels[-16:].max(axis=2) < 160).sum() for pixels in (without, one, long)]
    assert ink[0] + 50 < min(ink[1:])


def test_the_power_of_verdicts_rises_with_the_separation() -> None:
    cells = [Cell(28, apart, 10, 0, above, 10 - above, 0) for apart, above in ((0.0, 0), (2.0, 0), (4.0, 10))]
    pixels = opened_sheet(power_figure(cells))
    halves = np.split(pixels[100:], [pixels.shape[1] // 2], axis=1)
    rises = [np.ptp(np.flatnonzero(of_colour(half, "#0072B2").any(axis=1))) for half in halves]
    # From none to all were called fragile, and none stable.
    assert rises[0] > 250
    assert rises[1] < 20
    opened_sheet(power_figure([]))
