"""Control against treated on real cells, each cell line held out: texture with a linear probe, and the small stain network.

    python -m benchmarks.real_cells geomstats-2.8.0-py3-none-any.whl --folder cells

Data: 650 outlines of mouse osteosarcoma cells of two lines (dunn, dlm8), untreated or treated with jasplakinolide or cytochalasin D, as
shipped with geomstats 2.8.0 (MIT; Miolane et al., JMLR 21(223), 2020), of which the wheel or its folder is given. Each outline is drawn as
a filled cell in a picture of its own, all at one scale, with a table `pictures.csv` beside them (plate: the line; well: the cell), which a
dataset of the staining chain can read. Classifiers are fitted on one line and tested on the other. Intervals: bootstrap of the cells of
the tested line within each class. Beside them: the area of the cell alone, as treated cells are larger. The pixels of the outlines have no
stated size, and whether all were taken at one magnification is not said.
"""

import argparse
import csv
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from sklearn.linear_model import LogisticRegression

from synapse_assets.analysis.evaluation.linear_probe import LinearProbe, fit_probe
from synapse_assets.datasets.staining import StainNetworkChoice
from synapse_assets.errors import BadInput
from synapse_assets.vision.staining import picture_probabilities
from synapse_assets.vision.training.closed_form import fit_with_head, texture_spec
from synapse_assets.vision.training.stain import train_stain_network

INSIDE_WHEEL = "geomstats/datasets/data/cells"
FILES = ("cells.txt", "cell_lines.txt", "treatments.txt")
CLASSES = ("control", "treated")
SIDE_PX = 256
SCALE = 0.5  # pixels of a picture for each of the outlines: the longest cell, 454, fills 227 of 256
FINER = 4  # drawn so many times finer, then averaged
# The texture's windows are made for synapses, 352 nm across; here they span the picture.
TEXTURE_PIXEL_NM = 352 / SIDE_PX
DIMENSIONS = 32
NETWORK = StainNetworkChoice(architecture="small_stain", head="linear", steps=300, batch_size=16)

Outline = npt.NDArray[np.int64]
Pictures = npt.NDArray[np.uint8]
Treated = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Cells:
    """Outlines (points, 2) in the pixels that they were traced in; of each its line and its treatment."""

    outlines: Sequence[Outline]
    line: npt.NDArray[np.str_]
    treatment: npt.NDArray[np.str_]

    @property
    def treated(self) -> npt.NDArray[np.int64]:
        """0 or 1, by cell."""
        return (self.treatment != "control").astype(np.int64)


def read_cells(place: Path) -> Cells:
    """The cells of a geomstats wheel, or of the folder that it was unpacked to (or of that of the three text files)."""
    texts = _texts(place)
    outlines = [
        np.array([[int(value) for value in point.split()] for point in cell.splitlines()], np.int64)
        for cell in texts["cells.txt"].strip().split("\n\n")
    ]
    line, treatment = (np.array(texts[name].split()) for name in FILES[1:])
    if not len(outlines) == len(line) == len(treatment):
        raise BadInput(
            f"{place}: {len(outlines)} outlines, {len(line)} lines and {len(treatment)} treatments do not belong together"
        )
    return Cells(outlines, line, treatment)


def _texts(place: Path) -> dict[str, str]:
    if place.is_file():
        with zipfile.ZipFile(place) as wheel:
            return {name: wheel.read(f"{INSIDE_WHEEL}/{name}").decode() for name in FILES}
    folder = next((found for found in (place, place / INSIDE_WHEEL) if (found / FILES[0]).is_file()), None)
    if folder is None:
        raise BadInput(f"{place} is neither the wheel of geomstats nor a folder with {', '.join(FILES)}")
    return {name: (folder / name).read_text(encoding="utf-8") for name in FILES}


def drawn(outline: Outline) -> Pictures:
    """The filled cell, uint8 (SIDE_PX, SIDE_PX), the middle of its extent in the middle."""
    middle = (outline.max(0) + outline.min(0)) / 2
    points = ((outline - middle) * SCALE + SIDE_PX / 2) * FINER
    canvas = Image.new("L", (SIDE_PX * FINER, SIDE_PX * FINER))
    ImageDraw.Draw(canvas).polygon([tuple(point) for point in points.tolist()], fill=220)
    return np.asarray(canvas.reduce(FINER))


def write_dataset(cells: Cells, pictures: Pictures, folder: Path) -> None:
    """The pictures as PNG, and their table."""
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    with (folder / "pictures.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "label", "plate", "well", "treatment"))
        for index, picture in enumerate(pictures):
            path = f"pictures/{index:03d}.png"
            Image.fromarray(picture).save(folder / path)
            label = CLASSES[cells.treated[index]]
            writer.writerow((path, label, cells.line[index], f"cell{index:03d}", cells.treatment[index]))


Fit = Callable[[npt.NDArray[np.int64], npt.NDArray[np.int64]], Treated]


def by_area(cells: Cells, pictures: Pictures) -> Fit:
    """Probability of treated from the logarithm of the area alone."""
    area = np.log(pictures.sum((1, 2), dtype=np.float64))[:, None]

    def fit(train: npt.NDArray[np.int64], test: npt.NDArray[np.int64]) -> Treated:
        model = LogisticRegression(class_weight="balanced").fit(area[train], cells.treated[train])
        return model.predict_proba(area[test])[:, 1]

    return fit


def by_texture(cells: Cells, pictures: Pictures) -> Fit:
    """The closed-form encoder and the linear probe, both fitted on the line that is not held out."""
    names = np.array(CLASSES)[cells.treated]

    def fit(train: npt.NDArray[np.int64], test: npt.NDArray[np.int64]) -> Treated:
        spec = texture_spec(1, SIDE_PX, TEXTURE_PIXEL_NM)
        encoder = fit_with_head(spec, None, pictures[train][:, None], DIMENSIONS, device="cpu")
        probe = fit_probe(encoder.embed(pictures[train][:, None], device="cpu"), names[train].tolist(), seed=0)
        assert isinstance(probe, LinearProbe)
        return probe.predict(encoder.embed(pictures[test][:, None], device="cpu"))[1][:, probe.classes.index("treated")]

    return fit


def by_network(cells: Cells, pictures: Pictures) -> Fit:
    """The small stain network, a window as large as the picture."""
    groups = np.arange(len(pictures))

    def fit(train: npt.NDArray[np.int64], test: npt.NDArray[np.int64]) -> Treated:
        with tempfile.TemporaryDirectory() as folder:
            trained = train_stain_network(
                NETWORK,
                CLASSES,
                SIDE_PX,
                1.0,
                255,
                lambda row: pictures[row][None],
                cells.treated,
                groups,
                train,
                seed=0,
                device="cpu",
                folder=Path(folder),
            )
        assert isinstance(trained, tuple)
        network = trained[0]
        return np.array([picture_probabilities(network.dense(pictures[row][None], device="cpu"))[1] for row in test])

    return fit


def balanced(right: npt.NDArray[np.float64], treated: npt.NDArray[np.int64]) -> float:
    """Mean over both classes of the share that is right."""
    return float(np.mean([right[treated == code].mean() for code in (0, 1)]))


def interval(right: npt.NDArray[np.float64], treated: npt.NDArray[np.int64], rounds: int = 2000) -> tuple[float, float]:
    """95 % interval of `balanced`: cells drawn anew within each class."""
    rng = np.random.default_rng(0)
    means = [rng.choice(right[treated == code], (rounds, int((treated == code).sum()))).mean(1) for code in (0, 1)]
    low, high = np.quantile(np.mean(means, axis=0), [0.025, 0.975])
    return float(low), float(high)


def f1(predicted: npt.NDArray[np.bool_], treated: npt.NDArray[np.int64]) -> float:
    """Mean of the F1 of both classes."""
    found = []
    for code in (0, 1):
        named, is_so = predicted == code, treated == code
        found.append(2 * (named & is_so).sum() / (named.sum() + is_so.sum()))
    return float(np.mean(found))


def main() -> None:
    """Draws the cells, and prints a line for each classifier and held-out cell line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("geomstats", type=Path, help="the wheel, or the folder it was unpacked to")
    parser.add_argument("--folder", type=Path, help="where pictures and their table are kept; nowhere if not given")
    options = parser.parse_args()
    cells = read_cells(options.geomstats)
    pictures = np.stack([drawn(outline) for outline in cells.outlines])
    if options.folder:
        write_dataset(cells, pictures, options.folder)
    print(f"{len(pictures)} cells, {SIDE_PX} px, {SCALE} px for a pixel of the outlines")
    for line in np.unique(cells.line):
        of_line = cells.line == line
        counts = ", ".join(
            f"{name} {(of_line & (cells.treatment == name)).sum()}" for name in np.unique(cells.treatment)
        )
        print(f"{line}: {counts}; median area {np.median(pictures[of_line].sum((1, 2)) / 220):.0f} px")
    for name, method in (("area alone", by_area), ("texture + probe", by_texture), ("small_stain", by_network)):
        fit = method(cells, pictures)
        for line in np.unique(cells.line):
            test = np.flatnonzero(cells.line == line)
            start = time.monotonic()
            chance = fit(np.flatnonzero(cells.line != line), test)
            seconds = time.monotonic() - start
            treated = cells.treated[test]
            right = ((chance > 0.5) == treated).astype(np.float64)
            low, high = interval(right, treated)
            print(
                f"{name:16s} {line} held out: balanced accuracy {balanced(right, treated):.3f} [{low:.2f}, {high:.2f}], "
                f"F1 {f1(chance > 0.5, treated):.3f}, {len(test)} cells, {seconds:.0f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
