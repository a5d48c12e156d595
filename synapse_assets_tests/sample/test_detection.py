"""The truth about the sample: masks lie where the picture is dark, sites where the masks are, and the picture is what it was."""

import csv
import hashlib
import json
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tensorstore as ts
from scipy import ndimage

from synapse_assets.errors import BadInput
from synapse_assets.sample import DetectionTruth, draw_sample_detection
from synapse_assets.sample.brain import Plan, SampleTissue
from synapse_assets.sample.detection import draw_detection
from synapse_assets.sample.drawing import (
    LOOKS,
    Cells,
    Mask,
    Site,
    draw_mitochondrion,
    draw_style,
    draw_t_bar,
    mark_block,
)
from synapse_assets_tests.sample.small import LAYOUT, draw_small, instead_of_the_sample

FIRST_VOXEL = np.array([1200, 800, 60])
VOXEL_NM = np.array([4, 4, 40])
MASKS = ("presynaptic", "cleft", "postsynaptic", "mitochondria")
# Of each section's grey values, recorded before anything but the picture was drawn.
GREY_SUMS = [36434476, 36169420, 36232393, 38452552, 38238161, 38331208, 42013864, 42173719, 42239435]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small")
    draw_small(folder)
    return folder


@pytest.fixture(scope="module")
def drawn(root: Path) -> Path:
    return root / "sample_detection" / "raw"


@pytest.fixture(scope="module")
def truth(drawn: Path) -> DetectionTruth:
    with instead_of_the_sample():
        return draw_sample_detection(drawn)


def open_precomputed(folder: Path) -> ts.TensorStore:
    store = {"driver": "file", "path": f"{folder}/"}
    return ts.open({"driver": "neuroglancer_precomputed", "kvstore": store}, open=True, read=True).result()


def voxels_of(folder: Path) -> npt.NDArray[Any]:
    """(z, y, x)"""
    return np.ascontiguousarray(open_precomputed(folder).read().result()[..., 0].T)


@pytest.fixture(scope="module")
def grey(root: Path) -> npt.NDArray[np.float64]:
    return voxels_of(root / "sample/raw/volume").astype(float)


@pytest.fixture(scope="module")
def masks(drawn: Path) -> dict[str, npt.NDArray[np.uint32]]:
    return {name: voxels_of(drawn / name) for name in MASKS}


def rows_of(path: Path) -> list[dict[str, int]]:
    with path.open(newline="") as file:
        return [{name: int(value) for name, value in row.items()} for row in csv.DictReader(file)]


def voxel(row: dict[str, int]) -> tuple[int, int, int]:
    """z, y, x of the array."""
    place = np.array([row["x"], row["y"], row["z"]])
    x, y, z = place // VOXEL_NM - FIRST_VOXEL
    np.testing.assert_array_equal(place % VOXEL_NM, VOXEL_NM // 2)
    return int(z), int(y), int(x)


def digest(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()[:16] for path in files}


def nm_to(labels: npt.NDArray[np.uint32], label: int, at: tuple[int, int, int]) -> float:
    """How far the nearest voxel of that label is from a voxel, in its section; inf further than 30 pixels."""
    z, y, x = at
    low = max(y - 30, 0), max(x - 30, 0)
    away = np.argwhere(labels[z, low[0] : y + 31, low[1] : x + 31] == label) + low - (y, x)
    return float(4 * np.hypot(*away.T).min(initial=np.inf))


def test_the_picture_is_what_it_was(root: Path) -> None:
    folder = root / "sample/raw"
    digests = digest(folder)
    assert {name: digests[name] for name in digests if "4_4_40" not in name} == {
        "synapses.json": "cf907c0b3371292b",
        "skeletons.json": "10c1951812be29dc",
        "hemi_lineages.json": "ba184fde44d2b42c",
        "truth.json": "1740b84d671e822e",
        "volume/info": "84aedeca74b076ba",
    }
    voxels = np.ascontiguousarray(voxels_of(folder / "volume").T)
    if hashlib.sha256(voxels).hexdigest()[:16] != "2428e7c66de30b9e":
        # Another processor may round a grey value here and there to its neighbour.
        np.testing.assert_allclose(voxels.sum((0, 1), dtype=np.int64), GREY_SUMS, rtol=0, atol=50)


def test_what_is_written(root: Path, drawn: Path, truth: DetectionTruth) -> None:
    assert (truth.synapses, truth.seed) == (48, 0)
    synapses = rows_of(drawn / "synapses.csv")
    table = json.loads((root / "sample/raw/synapses.json").read_text())
    assert {str(row.pop("synapse_id")): row for row in synapses} == {
        synapse: {axis: row[axis] for axis in "xyz"} for synapse, row in table.items()
    }
    sites = rows_of(drawn / "postsynaptic_sites.csv")
    assert [row["site_id"] for row in sites] == list(range(1, truth.postsynaptic_sites + 1))
    by_synapse = [row["synapse_id"] for row in sites]
    assert {by_synapse.count(int(synapse)) for synapse in table} == {2, 3, 4}
    picture = open_precomputed(root / "sample/raw/volume")
    for name, times, kind in (
        *((name, (1, 1, 1), "uint32") for name in MASKS),
        ("neurons", (2, 2, 1), "uint64"),
        ("regions", (8, 8, 3), "uint32"),
    ):
        labels = open_precomputed(drawn / name)
        assert labels.dtype.name == kind
        for edge in ("inclusive_min", "exclusive_max"):
            fine = np.array(getattr(labels.domain, edge)[:3]) * times
            np.testing.assert_array_equal(fine, getattr(picture.domain, edge)[:3])
    assert voxels_of(drawn / "mitochondria").max() < 1000  # numbered from 1
    assert len(np.unique(voxels_of(drawn / "mitochondria"))) == truth.mitochondria + 1


def test_ids_are_those_of_the_tables(root: Path, drawn: Path, masks: dict[str, npt.NDArray[np.uint32]]) -> None:
    table = json.loads((root / "sample/raw/synapses.json").read_text())
    neurons, regions = voxels_of(drawn / "neurons"), voxels_of(drawn / "regions")
    named = json.loads((drawn / "regions/names/info").read_text())["inline"]
    names = dict(zip(map(int, named["ids"]), named["properties"][0]["values"], strict=True))
    skeletons = {row["skeleton_id"] for row in table.values()}
    fine = neurons.repeat(2, 1).repeat(2, 2)
    assert set(np.unique(neurons).tolist()) == skeletons | {0}
    assert any(neuron > 2**53 and int(float(neuron)) != neuron for neuron in skeletons)
    for name in ("presynaptic", "cleft", "postsynaptic"):
        assert set(np.unique(masks[name]).tolist()) == {0, *map(int, table)}, name
    for synapse, row in table.items():
        z, y, x = voxel(row)
        # The T-bar lies in its neuron's bouton, the density in no bouton.
        here = z, slice(max(y - 32, 0), y + 33), slice(max(x - 32, 0), x + 33)
        assert (fine[here][masks["presynaptic"][here] == int(synapse)] == row["skeleton_id"]).mean() > 0.85
        assert (fine[here][masks["postsynaptic"][here] == int(synapse)] == 0).mean() > 0.95
        if isinstance(row["brain_region"], str):
            assert names[int(regions[z // 3, y // 8, x // 8])] == row["brain_region"]


def test_masks_lie_where_the_picture_is_dark(
    grey: npt.NDArray[np.float64], masks: dict[str, npt.NDArray[np.uint32]]
) -> None:
    """How much darker what is marked is than the voxels around it that are not, of the standard deviation there."""
    synaptic = (masks["presynaptic"] > 0) | (masks["cleft"] > 0) | (masks["postsynaptic"] > 0)
    for name, fewest in zip(MASKS, (20, 60, 60, 300), strict=True):
        darker = []
        for label, place in enumerate(ndimage.find_objects(masks[name].astype(np.int32)), start=1):
            if place is None:
                continue
            rows, columns = (slice(max(side.start - 8, 0), side.stop + 8) for side in place[1:])
            for z in range(*place[0].indices(9)):
                at = z, rows, columns
                inside = masks[name][at] == label
                around = ndimage.binary_dilation(inside, iterations=6) & ~synaptic[at] & ~inside
                if inside.sum() >= fewest:
                    darker.append((grey[at][around].mean() - grey[at][inside].mean()) / grey[at][around].std())
        assert len(darker) > 40
        assert np.mean(darker) > 0.7, name
        assert np.mean(np.array(darker) > 0) > 0.95, name


def test_sites_lie_at_what_they_are_sites_of(drawn: Path, masks: dict[str, npt.NDArray[np.uint32]]) -> None:
    for row in rows_of(drawn / "synapses.csv"):
        z, y, x = voxel(row)
        assert row["synapse_id"] in masks["presynaptic"][z, y - 1 : y + 2, x - 1 : x + 2]
    rows = rows_of(drawn / "postsynaptic_sites.csv")
    places = np.array([voxel(row) for row in rows])
    synapse = np.array([row["synapse_id"] for row in rows])
    away = np.array([nm_to(masks["postsynaptic"], label, tuple(at)) for label, at in zip(synapse, places, strict=True)])
    assert np.mean(away == 0) > 0.5
    assert away.max() < 50
    apart = np.hypot(*((places[1:] - places[:-1]) * VOXEL_NM[::-1]).T[1:])[synapse[1:] == synapse[:-1]]
    assert apart.min() > 30


def test_each_postsynaptic_site_lies_in_a_cell_of_its_own(drawn: Path) -> None:
    """Cells are those whose centre, less its radius, is nearest; near a T-bar no outline wobbles."""
    rows = {voxel(row): row for row in rows_of(drawn / "postsynaptic_sites.csv")}
    taken: list[tuple[int, ...]] = []
    for slab, blocks in enumerate(Plan(LAYOUT, SampleTissue, 0).slabs()):
        cells = blocks[0].cells
        for (z, y, x), row in rows.items():
            if z // 3 != slab:
                continue
            away = np.hypot(*(cells.places[z % 3] - (x, y)).T) - cells.radius
            nearest = int(np.argmin(away))
            assert (cells.kind[nearest], cells.number[nearest]) == (4, row["synapse_id"])
            taken.append((slab, nearest))
    assert len(set(taken)) == len(taken) == len(rows)


def test_a_mitochondrion_has_one_id_through_its_sections(masks: dict[str, npt.NDArray[np.uint32]]) -> None:
    labels = masks["mitochondria"]
    below, above = labels[:-1], labels[1:]
    both = (below > 0) & (above > 0)
    assert np.mean(below[both] == above[both]) > 0.98
    # From slab to slab too, which are drawn one by one.
    at_seam = both[[2, 5]]
    assert np.mean(below[[2, 5]][at_seam] == above[[2, 5]][at_seam]) > 0.98
    sections = [np.flatnonzero((labels == label).any((1, 2))) for label in np.unique(labels)[1:]]
    assert all((np.diff(present) == 1).all() for present in sections)
    assert max(map(len, sections)) == 9
    assert min(map(len, sections)) == 3


def test_a_mitochondrion_is_where_the_picture_is_covered() -> None:
    """What is left of what lies below it, seen as the difference between a white and a black ground."""
    grounds = np.zeros((3, 90, 90), np.float32), np.ones((3, 90, 90), np.float32)
    places = np.array([[45.0, 45.0], [46.0, 44.0], [20.0, 80.0]])  # the last one runs out of the picture
    for ground in grounds:
        drawn_masks = draw_mitochondrion(ground, places, np.full(3, 25.0), np.random.default_rng(3))
    covered = painted(drawn_masks, (3, 90, 90))
    assert 500 < covered[0].sum() < 2500
    np.testing.assert_array_equal(covered, grounds[1] - grounds[0] < 0.5)


def test_a_t_bar_is_where_it_darkens_the_picture() -> None:
    look, site = LOOKS["gaba"], Site(40.0, 40.0, 0.7, 40.0, id=7)
    only_t_bar, whole = np.zeros((3, 80, 80), np.float32), np.zeros((3, 80, 80), np.float32)
    draw_t_bar(only_t_bar, site, replace(look, cleft=0.0), np.random.default_rng(5))
    found = draw_t_bar(whole, site, replace(look, cleft=1.0), np.random.default_rng(5))
    beyond = only_t_bar - whole  # what cleft and density add
    presynaptic, cleft, density = (
        painted(drawn_masks, whole.shape) for drawn_masks in (found.presynaptic, found.cleft, found.postsynaptic)
    )
    strength = -only_t_bar.min((1, 2), keepdims=True) / 0.40
    assert (presynaptic ^ (-only_t_bar > 0.5 * 0.40 * strength)).sum() < 0.08 * presynaptic.sum()
    assert (beyond >= 0.49 * strength * np.where(cleft, 0.26, np.where(density, 0.17, 0))).all()
    neither = ~cleft & ~density
    assert (beyond < 0.55 * strength * (0.26 + 0.17))[neither].all()
    assert not (cleft & density).any(axis=0).sum() > 0.1 * density.any(axis=0).sum()
    outward = [(np.argwhere(part)[:, 1:] - 40) @ (np.sin(0.7), np.cos(0.7)) for part in (presynaptic, cleft, density)]
    assert outward[0].mean() < 0 < outward[1].mean() < outward[2].mean()


def painted(drawn_masks: list[Mask], shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    covered = np.zeros(shape, bool)
    for section, rows, columns, inside in drawn_masks:
        covered[section, rows, columns] |= inside
    return covered


def test_of_two_mitochondria_at_one_place_the_later_one_shows() -> None:
    cells = Cells(
        np.repeat(np.array([[[60.0, 64.0], [70.0, 64.0]]]), 3, axis=0),
        np.array([26.0, 26.0]),
        np.full(2, 0.64),
        np.array([1, 1], np.int8),
        np.array([11, 12]),
    )

    def labels(of: Cells) -> npt.NDArray[np.uint32]:
        rng = np.random.default_rng(1)
        return mark_block((0, 0), (128, 128), of, [], draw_style("gaba", np.random.default_rng(2)), rng).mitochondria

    both, first = labels(cells), labels(replace(cells, kind=np.array([1, 0], np.int8)))
    hidden = (first == 11) & (both == 12)
    assert hidden.sum() > 500
    np.testing.assert_array_equal((both == 11) | hidden, first == 11)


def test_it_is_drawn_once_and_damage_is_mended_to_the_same_bytes(drawn: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(drawn, copy)
    written = (copy / "truth.json").stat().st_mtime_ns
    truth = draw_detection(copy, LAYOUT, 0)
    assert (copy / "truth.json").stat().st_mtime_ns == written
    next((copy / "cleft/4_4_40").iterdir()).unlink()
    assert draw_detection(copy, LAYOUT, 0) == truth
    assert digest(copy) == digest(drawn)


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "synapses.csv").write_text("mine")
    with pytest.raises(BadInput, match="no truth about the sample brain"):
        draw_sample_detection(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["synapses.csv"]


def test_a_killed_drawing_leaves_nothing_half_made_and_another_seed_draws_another(drawn: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from synapse_assets_tests.sample.small import LAYOUT; "
        "from synapse_assets.sample.detection import draw_detection; draw_detection(sys.argv[1], LAYOUT, 1)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "raw")])
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob(".raw-*/mitochondria/4_4_40/*")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (tmp_path / "raw").exists()
    draw_detection(tmp_path / "raw", LAYOUT, 1)
    here, other = digest(drawn), digest(tmp_path / "raw")
    assert set(other) == set(here)
    alike = {name for name in here if other[name] == here[name] and not name.startswith("regions/")}
    assert alike == {f"{name}/info" for name in (*MASKS, "neurons")}
