"""The staining sample: repeatable, complete, its beads where the truth says, and its unevenness a trap for random splits alone."""

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from scipy import ndimage, spatial
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from sklearn.model_selection import LeaveOneGroupOut, StratifiedKFold, cross_val_predict

from synapse_assets.datasets import load_dataset
from synapse_assets.errors import BadInput
from synapse_assets.sample import StainingTruth, draw_sample_staining, staining

SMALL = replace(staining.LAYOUT, side_px=256)
ONE_PLATE = replace(staining.LAYOUT, plates=1, wells_of_a_class=1, fields=1, side_px=96)


class Drawn:
    """A drawn sample, read again."""

    def __init__(self, folder: Path, truth: StainingTruth) -> None:
        self.folder, self.truth = folder, truth
        with (folder / "pictures.csv").open(newline="") as file:
            self.rows = list(csv.DictReader(file))
        with (folder / "truth.csv").open(newline="") as file:
            places = [
                (r["path"], float(r["x_px"]), float(r["y_px"]), float(r["radius_px"])) for r in csv.DictReader(file)
            ]
        self.pictures = {row["path"]: tifffile.imread(folder / row["path"]) for row in self.rows}
        self.beads = {
            path: np.array([place[1:] for place in places if place[0] == path]).reshape(-1, 3) for path in self.pictures
        }

    def labelled(self) -> list[dict[str, str]]:
        return [row for row in self.rows if row["label"]]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drawn]:
    folder = tmp_path_factory.mktemp("staining") / "raw"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(staining, "LAYOUT", SMALL)
        yield Drawn(folder, draw_sample_staining(folder))


def test_the_whole_of_it_fits_a_laptop() -> None:
    layout = staining.LAYOUT
    pictures = layout.plates * (2 * layout.wells_of_a_class * layout.fields + 9)
    assert pictures * layout.side_px**2 * 2 < 60e6
    # An interval needs eight wells, of a compound at a dose three.
    assert layout.wells_of_a_class >= 4
    assert layout.plates >= 3


def test_plates_wells_and_compounds(sample: Drawn) -> None:
    assert sample.truth.pictures == len(sample.rows) == 100
    assert set(sample.rows[0]) == set(staining.COLUMNS)
    assert {row["pixel_nm"] for row in sample.rows} == {"325.0"}
    for plate in ("P1", "P2", "P3", "P4"):
        wells = {row["well"]: row for row in sample.rows if row["plate"] == plate}
        assert Counter(row["label"] for row in wells.values()) == {"control": 4, "treated": 4, "": 9}
        given = [(row["compound"], row["dose"]) for row in wells.values() if row["compound"]]
        assert sorted(given) == sorted((name, dose) for name in "ABC" for dose in ("1.0", "3.0", "10.0"))
    # A picture with a compound has no label, one without has no dose.
    assert all(bool(row["label"]) == (not row["compound"]) == (not row["dose"]) for row in sample.rows)
    assert {(row["plate"], row["culture"]) for row in sample.rows} == {
        ("P1", "culture1"), ("P2", "culture1"), ("P3", "culture2"), ("P4", "culture2"),
    }  # fmt: skip


def test_pictures_use_12_of_16_bits(sample: Drawn) -> None:
    values = np.stack(list(sample.pictures.values()))
    assert values.dtype == np.uint16
    assert values.shape == (100, 256, 256)
    assert 2048 < values.max() <= 4095
    assert (values == 4095).mean() < 0.001


def test_beads_are_where_the_truth_says(sample: Drawn) -> None:
    """At every place the picture is brighter than on a ring about it: as a rule, by far, and less so a pixel and a half beside it."""
    there, beside, elsewhere = [], [], []
    rng = np.random.default_rng(0)
    for path, beads in sample.beads.items():
        picture = ndimage.gaussian_filter(sample.pictures[path].astype(float), 1)
        for x, y, radius in beads:
            there.append(contrast_at(picture, x, y, radius))
            beside.append(contrast_at(picture, x + 1.5, y, radius))
            elsewhere.append(contrast_at(picture, *rng.uniform(8, 247, 2), radius))
    assert np.mean(np.array(there) > 0) > 0.97
    assert np.median(there) > 10 * np.median(np.abs(elsewhere))
    assert np.mean(there) > 1.1 * np.mean(beside)


def contrast_at(picture: npt.NDArray[np.float64], x: float, y: float, radius: float) -> float:
    around = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    ring = np.stack([y + (radius + 3) * np.sin(around), x + (radius + 3) * np.cos(around)])
    middle, rim = (ndimage.map_coordinates(picture, at, order=1) for at in (np.array([[y], [x]]), ring))
    return float(middle[0] - np.median(rim))


def test_beads_are_smaller_than_a_tenth_of_a_window(sample: Drawn) -> None:
    dataset = load_dataset("sample_staining", "/nowhere")
    radius = np.concatenate([beads[:, 2] for beads in sample.beads.values()])
    assert 2 * radius.max() < dataset.window_px / 10  # type: ignore[attr-defined]
    assert radius.min() > 2


def test_only_the_treated_have_beads_and_compounds_undo_them_by_dose(sample: Drawn) -> None:
    beads: dict[tuple[str, str], list[int]] = {}
    for row in sample.rows:
        beads.setdefault((row["label"] or row["compound"], row["dose"]), []).append(len(sample.beads[row["path"]]))
    mean = {name: np.mean(counts) for name, counts in beads.items()}
    assert mean["control", ""] == 0
    treated = mean["treated", ""]
    assert np.median(beads["treated", ""]) > 10
    assert sum(map(len, sample.beads.values())) == sample.truth.beads
    a, b, c = ([mean[name, dose] / treated for dose in ("1.0", "3.0", "10.0")] for name in "ABC")
    assert a[0] > a[1] > a[2] == 0
    assert min(b) > 0.6
    assert a[2] < c[2] < 0.75
    assert sample.truth.left["A"] == [0.6, 0.25, 0.0]


def test_beads_can_be_found_by_their_neighbours(sample: Drawn) -> None:
    """Round spots that have two others at the distance of beads, on either side: many in treated pictures, few in controls, at the places
    of the truth."""
    scores, labels, found, right = [], [], [], []
    for row in sample.labelled():
        beads = sample.beads[row["path"]]
        if row["label"] == "treated" and len(beads) < 10:
            continue
        spots = pearls(sample.pictures[row["path"]].astype(float))
        scores.append(len(spots))
        labels.append(row["label"] == "treated")
        if len(beads):
            apart = spatial.distance.cdist(beads[:, :2], spots)
            found.append((apart.min(1, initial=np.inf) < 3).mean())
            right += (apart.min(0) < 3).tolist()
    assert sum(labels) > 20
    assert roc_auc_score(labels, scores) > 0.95
    assert np.mean(found) > 0.5
    assert np.mean(right) > 0.9


def pearls(picture: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Spots (n, 2) x, y that bend down along every direction, each between two others."""
    xx, yy, xy = (ndimage.gaussian_filter(picture, 1.8, order=order) for order in ((0, 2), (2, 0), (1, 1)))
    half, root = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    weakest, strongest = -(half + root), root - half
    round_ = weakest / (ndimage.gaussian_filter(picture, 15) - 100)
    is_spot = (round_ == ndimage.maximum_filter(round_, 5)) & (round_ > 0.08) & (weakest > 0.3 * strongest)
    spots = np.argwhere(is_spot)[:, ::-1].astype(float)
    chosen = []
    for spot in spots:
        apart = spots - spot
        away = np.hypot(*apart.T)
        beside = apart[(away > 6) & (away < 15)]
        turn = np.arctan2(beside[:, 1], beside[:, 0])
        opposite = np.abs(np.angle(np.exp(1j * (turn[:, None] - turn[None] - np.pi)))) < 0.5
        chosen.append(bool(opposite.any()))
    return spots[np.array(chosen, dtype=bool)]


def test_the_unevenness_fools_a_random_split_and_no_split_by_plate(sample: Drawn) -> None:
    """A linear model of how bright the background of the four quarters is."""
    rows = sample.labelled()
    features = np.log([
        [np.quantile(half, 0.25) - 100 for rows_ in np.split(sample.pictures[row["path"]].astype(float), 2)
         for half in np.split(rows_, 2, axis=1)] for row in rows
    ])  # fmt: skip
    labels, plates = ([row[name] for row in rows] for name in ("label", "plate"))
    model = LogisticRegression()
    random = cross_val_predict(model, features, labels, cv=StratifiedKFold(8, shuffle=True, random_state=0))
    by_plate = cross_val_predict(model, features, labels, groups=plates, cv=LeaveOneGroupOut())
    assert balanced_accuracy_score(labels, random) > 0.9
    assert 0.3 < balanced_accuracy_score(labels, by_plate) < 0.6
    assert len(set(sample.truth.uneven.values())) == 4


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staining, "LAYOUT", ONE_PLATE)
    first = draw_sample_staining(tmp_path / "first")
    assert draw_sample_staining(tmp_path / "second") == first
    drawn = digests(tmp_path / "first")
    assert drawn == digests(tmp_path / "second")
    assert len(drawn) == 11 + 3
    draw_sample_staining(tmp_path / "other", seed=1)
    other = digests(tmp_path / "other")
    pictures = {digest for name, digest in drawn.items() if name.endswith(".tif")}
    assert pictures.isdisjoint(other.values())


def test_it_is_the_sample_that_figures_were_taken_on(sample: Drawn) -> None:
    """Scores compare over releases only as long as nothing is drawn otherwise."""
    assert hashlib.sha256((sample.folder / "pictures.csv").read_bytes()).hexdigest()[:16] == "29959962cb116c23"
    sums = [int(sample.pictures[row["path"]].sum(dtype=np.int64)) for row in sample.rows[::33]]
    # Another processor may round a grey value here and there to its neighbour.
    np.testing.assert_allclose(sums, [40723814, 27745937, 28205608, 30245815], rtol=1e-4)


def test_it_is_drawn_once_and_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staining, "LAYOUT", ONE_PLATE)
    folder = tmp_path / "raw"
    truth = draw_sample_staining(folder)
    assert {path.name for path in tmp_path.iterdir()} == {"raw"}
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.tif")}
    assert draw_sample_staining(folder) == truth
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.tif")} == before
    lost = next(iter(before))
    content = lost.read_bytes()
    lost.unlink()
    assert draw_sample_staining(folder) == truth
    assert lost.read_bytes() == content
    assert json.loads((folder / "truth.json").read_text())["seed"] == 0


def test_what_is_no_sample_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staining, "LAYOUT", ONE_PLATE)
    (tmp_path / "mine.tif").write_bytes(b"mine")
    with pytest.raises(BadInput, match="holds files that are no staining sample"):
        draw_sample_staining(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.tif"]
    with pytest.raises(BadInput, match="is a file, but the staining sample is a folder"):
        draw_sample_staining(tmp_path / "mine.tif")


def test_the_packaged_dataset_reads_what_is_drawn(sample: Drawn) -> None:
    dataset = load_dataset("sample_staining", str(sample.folder.parent))
    assert (dataset.generate, dataset.chain) == ("sample_staining", "staining")  # type: ignore[attr-defined]
    source = dataset.sources[0]  # type: ignore[attr-defined]
    assert source.path == f"{sample.folder.parent}/sample_staining/raw/pictures.csv"
    assert set(source.columns.model_dump(exclude_none=True).values()) == set(staining.COLUMNS)
    assert (dataset.control, dataset.treated) == staining.CLASSES  # type: ignore[attr-defined]
    assert dataset.names_compounds  # type: ignore[attr-defined]
