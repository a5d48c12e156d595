"""Do methods of explanation say anything of the classifier? Maps of 32 held-out pictures against those of other networks, 3 draws.

    python -m benchmarks.explanations [--data ROOT --dataset sample] [--steps 150]

Without a data root, tiles are noise of 3 x 48 x 48 px in which one planted square of 13 px makes the class; with one, the labelled tiles
of that dataset, of which the last fold is held out. An em_resnet10 is trained twice, and a linear probe fitted twice on
texture. About two minutes of one core. A row is a method; columns are mean Spearman correlations of maps (see
`vision.explanation.sanity`):

retrained     with the network trained again; below it, each other one has to stay
other         with the map of another picture
random, shuffled, head  with copies of random weights, shuffled weights, or of which only the last layer is shuffled
class         with the map of another class
gain          retrained less random, with its 95 % interval: the lower end has to be above .10
deletion, insertion  how much better than a random order, in probability
area          under precision and recall of planted places (chance)
"""

import argparse
import time
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from sklearn.linear_model import LogisticRegression
from torch.nn import functional

from synapse_assets.analysis.evaluation.explanation_checks import MethodCheck, PlantedPlaces, judge
from synapse_assets.vision.classifier import ClassifyingNetwork, NetworkSpec, SynapseNetwork, build_features
from synapse_assets.vision.explanation.explainable import Explainable, explainable_network, explainable_probe
from synapse_assets.vision.explanation.methods import logits_of
from synapse_assets.vision.explanation.sanity import NOT_OFFERED, measure_method
from synapse_assets.vision.training.closed_form import fit_with_head, texture_spec

Tiles = npt.NDArray[np.uint8]
Codes = npt.NDArray[np.int64]

PICTURES, DRAWS = 32, 3
SIDE, SECTIONS, PATCH = 48, 3, 13
PIXEL_NM = 8.0
COLUMNS = ("retrained", "other_picture", "all_random", "all_shuffled", "head_shuffled", "other_class")


def planted(count: int, seed: int) -> tuple[Tiles, Codes, Codes]:
    """Tiles, their class (stripes, rings or chequers in the square), and the centre of the square (N, 2)."""
    rng = np.random.default_rng(seed)
    kinds, half = rng.integers(0, 3, count), PATCH // 2
    centres = rng.integers(half + 2, SIDE - half - 2, (count, 2))
    tiles = ndimage.gaussian_filter(rng.standard_normal((count, SECTIONS, SIDE, SIDE)), (0, 0, 1.2, 1.2))
    tiles /= tiles.std()
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    for tile, kind, (row, column) in zip(tiles, kinds, centres, strict=True):
        angle, phase = rng.uniform(0, 2 * np.pi, 2)
        patterns = (
            np.sin((y * np.cos(angle) + x * np.sin(angle)) * 2 * np.pi / 5 + phase),
            np.sin(2 * np.pi * np.hypot(y, x) / 6 + phase),
            np.sin(2 * np.pi * y / 4.5 + phase) * np.sin(2 * np.pi * x / 4.5 + phase),
        )
        square = tile[:, row - half : row + half + 1, column - half : column + half + 1]
        square *= 0.4
        square += 2 * np.sign(patterns[kind])
    return (tiles * 28 + 128).clip(0, 255).astype(np.uint8), kinds.astype(np.int64), centres


def stored(root: str, dataset: str) -> tuple[Tiles, Codes, tuple[str, ...], npt.NDArray[np.bool_]]:
    """Labelled tiles of a dataset, their classes, the names of these, and which are held out: the last fold of the first split."""
    from synapse_assets.schema import SPLITS
    from synapse_assets.stores import DatasetStore
    from synapse_assets.volumes import decode_tiles

    store = DatasetStore(root, dataset)
    folds = store.results(SPLITS).read().to_pandas()
    folds = folds[folds["split"] == folds["split"].iloc[0]].drop_duplicates("synapse_id").set_index("synapse_id")
    rows = store.tiles.read_ids(sorted(folds.index), ["synapse_id", "image"])
    folds = folds.loc[rows.column("synapse_id").to_pylist()]
    names, codes = np.unique(folds["target"].to_numpy(str), return_inverse=True)
    held = (folds["fold"] == folds["fold"].max()).to_numpy()
    return decode_tiles(rows.column("image")), codes.astype(np.int64), tuple(map(str, names)), held


def trained(tiles: Tiles, codes: Codes, classes: Sequence[str], steps: int, seed: int) -> Explainable:
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    sections, side = tiles.shape[1:3]
    mean, spread = float(tiles.mean()) / 255, float(tiles.std()) / 255
    spec = NetworkSpec(
        "em_resnet10", tuple(classes), sections, side, side, PIXEL_NM, 40.0, (mean,) * sections, (spread,) * sections
    )
    network = ClassifyingNetwork(spec, build_features(spec)).train()
    optimiser = torch.optim.AdamW(network.parameters(), 2e-3)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=steps)
    for _ in range(steps):
        rows = rng.integers(0, len(tiles), 32)
        pictures = torch.rot90(torch.from_numpy(tiles[rows]), int(rng.integers(4)), (-2, -1))
        loss = functional.cross_entropy(network(pictures)[:, network.dimensions :], torch.from_numpy(codes[rows]))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        rate.step()
    return explainable_network(SynapseNetwork(spec, network))


def probed(tiles: Tiles, codes: Codes, classes: Sequence[str], seed: int) -> Explainable:
    """On half of the tiles, another one for each seed."""
    part = np.random.default_rng(seed).permutation(len(tiles))[: len(tiles) // 2]
    spec = texture_spec(tiles.shape[1], tiles.shape[2], PIXEL_NM)
    encoder = fit_with_head(spec, None, tiles[part], 16, seed=seed, device="cpu")
    vectors = encoder.embed(tiles[part], "cpu")
    mean, scale = vectors.mean(0), vectors.std(0)
    probe = LogisticRegression(C=0.01, max_iter=500).fit((vectors - mean) / scale, codes[part])
    if len(classes) == 2:
        weights, offsets = np.concatenate([0 * probe.coef_, probe.coef_]), np.array([0.0, probe.intercept_[0]])
    else:
        weights, offsets = probe.coef_, probe.intercept_
    return explainable_probe(encoder, weights / scale, offsets - weights @ (mean / scale), classes)


def line(check: MethodCheck, seconds: float) -> str:
    gain, area = check.row("randomisation"), {row.check: row for row in check.rows}.get("area_under_precision")
    low, high = gain.interval or (np.nan, np.nan)
    cells = [f"{check.method:24}", *(f"{check.row(name).value:5.2f}" for name in COLUMNS)]
    cells += [f"{gain.value:5.2f} ({low:.2f} to {high:.2f})"]
    cells += [f"{check.row(name).value:5.2f}" for name in ("deletion", "insertion")]
    cells += [f"{area.value:.2f} ({area.chance:.2f})" if area else "-", f"{seconds:4.0f} s", check.verdict]
    return " | ".join(cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", help="a data root; planted tiles without")
    parser.add_argument("--dataset", default="sample")
    parser.add_argument("--steps", type=int, default=150)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.data:
        tiles, codes, classes, out = stored(asked.data, asked.dataset)
        held, truth, where = tiles[out][:PICTURES], codes[out][:PICTURES], None
        tiles, codes = tiles[~out], codes[~out]
    else:
        classes = ("stripes", "rings", "chequers")
        (tiles, codes, _), (held, truth, centres) = planted(600, 0), planted(PICTURES, 1)
        where = PlantedPlaces(centres[:, None], PATCH // 2 + 1)
    makers: tuple[Callable[[int], Explainable], ...] = (
        lambda seed: trained(tiles, codes, classes, asked.steps, seed),
        lambda seed: probed(tiles, codes, classes, seed),
    )
    heads = ("retrained", "other", "random", "shuffled", "head", "class", "gain", "deletion", "insertion", "area")
    print(f"{len(tiles)} tiles, {len(held)} held out, {DRAWS} draws\nmethod | {' | '.join(heads)} | seconds | verdict")
    for make in makers:
        began = time.process_time()
        pair = make(0), make(1)
        right = [float((logits_of(one, held, "cpu").argmax(1) == truth).mean()) for one in pair]
        print(f"two trainings {time.process_time() - began:.0f} s, accuracy {right[0]:.2f} and {right[1]:.2f}")
        methods = pair[0].methods[:1] if pair[0].methods[0] == "contribution" else (*pair[0].methods, NOT_OFFERED)
        for method in methods:
            began = time.process_time()
            check = judge(method, measure_method(*pair, method, held, draws=DRAWS), where)
            print(line(check, time.process_time() - began), flush=True)


if __name__ == "__main__":
    main()
