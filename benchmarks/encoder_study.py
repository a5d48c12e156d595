"""How good are the encoders that the pipeline fits without labels? Measured on real EM with real labels.

    python -m benchmarks.encoder_study --data ../shared/data/vnc_sstem --seeds 3 --origins texture self_supervised

Origins: texture; a network trained here; "head" is such a network with the last step in closed form behind it, "head+texture"
    with the texture beside it. The two share a training, so that the costs of both contain it.
Data: vnc_sstem (Gerhard et al., figshare, doi 10.6084/m9.figshare.856713). Fitted without labels on the tiles around
    the points; then each point of sections 01-13 is given one of four labels (what lies at the point) by its nearest
    neighbours and by logistic regression, both fitted on the other three quadrants. The tiles of the tested quadrant
    are trained on too, as in the pipeline (transductive); `--train-on stack2` trains on another block only. Intervals:
    bootstrap of objects, for synapses and mitochondria the connected components of the masks, for membrane and
    cytoplasm blocks of 128x128 pixels over all sections.
"""

import argparse
import csv
import dataclasses
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tifffile
import torch
from PIL import Image
from scipy import ndimage
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from synapse_assets.vision.encoder import Encoder, TileNetwork
from synapse_assets.vision.networks.backbone import build_backbone
from synapse_assets.vision.texture import texture_crop_px
from synapse_assets.vision.training.closed_form import fit_with_head, texture_spec
from synapse_assets.vision.training.simclr import PretrainingSettings, pretrain

TILE_PX = 96
PIXEL_NM = 4.6
ORIGINS = ("texture", "self_supervised", "head", "head+texture")
BASELINES = (  # leave one quadrant out, as given with the data: k-NN, linear
    ("centre 32x32 pixels", 0.62, 0.67),
    ("HOG + LBP", 0.38, 0.60),
    ("random resnet18", 0.36, 0.41),
    ("SimCLR resnet18, 64 px, 4 minutes", 0.69, 0.79),
)
Vectors = dict[str, npt.NDArray[np.float32]]
Predictor = Callable[[npt.NDArray[np.float32], npt.NDArray[np.str_], npt.NDArray[np.float32]], npt.NDArray[np.str_]]


@dataclass(frozen=True)
class Sites:
    """Points of one stack with the tiles around them; labels, regions and objects of the unlabelled stack are empty."""

    tiles: npt.NDArray[np.uint8]
    label: npt.NDArray[np.str_]
    region: npt.NDArray[np.str_]
    section: npt.NDArray[np.int64]
    object: npt.NDArray[np.str_]

    def take(self, chosen: npt.NDArray[np.bool_]) -> "Sites":
        return Sites(*(getattr(self, field.name)[chosen] for field in dataclasses.fields(self)))


def read_sites(data: Path, stack: int) -> Sites:
    """All points of a stack; tiles of 3 sections, mirrored beyond the block."""
    volume = np.stack([tifffile.imread(path) for path in sorted((data / f"stack{stack}" / "raw").glob("*.tif"))])
    half = TILE_PX // 2
    padded = np.pad(volume, ((1, 1), (half, half), (half, half)), mode="reflect")
    objects = {}
    for label, folder in (("synapse", "synapses"), ("mitochondrion", "mitochondria")):
        masks = sorted((data / f"stack{stack}" / folder).glob("*.png"))
        if masks:
            mask = np.stack([np.asarray(Image.open(path)) > 0 for path in masks])
            objects[label] = ndimage.label(mask.reshape(volume.shape), np.ones((3, 3, 3)))[0]
    tiles, rows = [], []
    with (data / f"sites_stack{stack}.csv").open() as file:
        for row in csv.DictReader(file):
            x, y, z = (round(float(row[axis])) for axis in "xyz")
            label = row.get("label", "")
            tiles.append(padded[z : z + 3, y : y + TILE_PX, x : x + TILE_PX])
            number = objects[label][z, y, x] if label in objects else 0
            name = f"{label} {number}" if number else f"{label} block {x // 128} {y // 128}"
            rows.append((label, row["region"], str(z), name))
    label_, region, section, object_ = (np.array(column) for column in zip(*rows, strict=True))
    return Sites(np.stack(tiles), label_, region, section.astype(np.int64), object_)


def nearest(
    known: npt.NDArray[np.float32], label: npt.NDArray[np.str_], asked: npt.NDArray[np.float32]
) -> npt.NDArray[np.str_]:
    """Ten nearest by cosine about the mean of the known, weighted by closeness."""
    mean = known.mean(0)
    return KNeighborsClassifier(10, metric="cosine", weights="distance").fit(known - mean, label).predict(asked - mean)


def linear(
    known: npt.NDArray[np.float32], label: npt.NDArray[np.str_], asked: npt.NDArray[np.float32]
) -> npt.NDArray[np.str_]:
    """Logistic regression on standardised features; its penalty was fixed before the first run (C = 0.03)."""
    model = LogisticRegression(C=0.03, max_iter=400, class_weight="balanced")
    return make_pipeline(StandardScaler(), model).fit(known, label).predict(asked)


def out_of_group(
    predict: Predictor, vectors: npt.NDArray[np.float32], label: npt.NDArray[np.str_], group: npt.NDArray[np.str_]
) -> npt.NDArray[np.str_]:
    """Each point's label predicted from the points of the other groups."""
    found = np.empty_like(label)
    for held_out in np.unique(group):
        asked = group == held_out
        found[asked] = predict(vectors[~asked], label[~asked], vectors[asked])
    return found


def balanced(right: npt.NDArray[np.bool_] | npt.NDArray[np.float64], label: npt.NDArray[np.str_]) -> float:
    """Mean over the labels of the share that is right."""
    return float(np.mean([right[label == name].mean() for name in np.unique(label)]))


def interval(right: npt.NDArray[np.float64], sites: Sites, rounds: int = 2000) -> tuple[float, float]:
    """95 % interval of `balanced`: objects drawn anew within each label."""
    rng = np.random.default_rng(0)
    drawn = np.zeros(rounds)
    labels = np.unique(sites.label)
    for name in labels:
        chosen = sites.label == name
        _, number = np.unique(sites.object[chosen], return_inverse=True)
        points = np.bincount(number)
        hits = np.bincount(number, weights=right[chosen])
        pick = rng.integers(0, len(points), (rounds, len(points)))
        drawn += hits[pick].sum(1) / points[pick].sum(1) / len(labels)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)


def judge(vectors: npt.NDArray[np.float32], sites: Sites) -> dict[str, npt.NDArray[np.float64]]:
    """For each judge, whether it is right at each point: leave one quadrant out."""
    return {
        "k-NN": (out_of_group(nearest, vectors, sites.label, sites.region) == sites.label).astype(float),
        "linear": (out_of_group(linear, vectors, sites.label, sites.region) == sites.label).astype(float),
    }


def flattering(vectors: npt.NDArray[np.float32], sites: Sites) -> tuple[float, float]:
    """What testing on later sections of the same objects would claim: k-NN and linear, fitted on 01-08, asked on
    09-13."""
    known, asked = sites.section <= 8, sites.section > 8
    label = sites.label[asked]
    found = [
        balanced(predict(vectors[known], sites.label[known], vectors[asked]) == label, label)
        for predict in (nearest, linear)
    ]
    return found[0], found[1]


def report(name: str, judged: list[dict[str, npt.NDArray[np.float64]]], sites: Sites, note: str = "") -> None:
    """One line: mean over seeds with the interval over objects, and each seed's own."""
    cells = []
    for judge_name in ("k-NN", "linear"):
        right = np.mean([seed[judge_name] for seed in judged], axis=0)
        low, high = interval(right, sites)
        each = " ".join(f"{balanced(seed[judge_name], sites.label):.3f}" for seed in judged)
        cells.append(f"{judge_name} {balanced(right, sites.label):.3f} [{low:.2f}, {high:.2f}] ({each})")
    print(f"{name:44s} {cells[0]}   {cells[1]}   {note}", flush=True)


def with_views(encoder: Encoder, views: int) -> Encoder:
    spec = dataclasses.replace(encoder.spec, views=views)
    return Encoder(spec, TileNetwork(spec, encoder.network.backbone))


def network_alone(
    unlabelled: npt.NDArray[np.uint8], sites: Sites, settings: PretrainingSettings, keep: Path | None
) -> tuple[Vectors, str]:
    """Vectors of the network trained here, of its halves, with one view, and untrained; and what it cost."""
    wall, processor = time.monotonic(), time.process_time()
    encoder, history = pretrain(unlabelled, settings, _print_progress)
    cost = f"{time.monotonic() - wall:.0f} s wall, {time.process_time() - processor:.0f} core-seconds"
    last = history[-1]
    note = f"{last['step']:.0f} steps, {cost}, matched {last['matched']:.2f}, rank {last['effective_rank']:.0f}"
    torch.manual_seed(settings.seed)
    untrained = Encoder(
        encoder.spec,
        TileNetwork(
            encoder.spec, build_backbone(settings.architecture, encoder.spec.sections, settings.crop_px, "centre")
        ),
    )
    vectors = {
        "trained": encoder.embed(sites.tiles),
        "trained, used with 1 view": with_views(encoder, 1).embed(sites.tiles),
        "random network": untrained.embed(sites.tiles),
    }
    half = encoder.dimensions // 2
    vectors["trained, centre half of the vector"] = vectors["trained"][:, :half]
    vectors["trained, mean half of the vector"] = vectors["trained"][:, half:]
    if keep:
        encoder.save(keep)
        np.savez(keep / "vectors.npz", **{name.replace(" ", "_"): v for name, v in vectors.items()})
        (keep / "history.json").write_text(json.dumps(history))
    return vectors, note


def with_last_step(
    unlabelled: npt.NDArray[np.uint8],
    sites: Sites,
    settings: PretrainingSettings,
    origins: Sequence[str],
    dimensions: int,
) -> Iterator[tuple[str, npt.NDArray[np.float32], str]]:
    """Name, vectors and cost of the origins that end in the closed form."""
    begun = time.process_time()
    network = None
    if any(name.startswith("head") for name in origins):
        network, _ = pretrain(unlabelled, dataclasses.replace(settings, pooling="moments"), _print_progress)
    training_s = time.process_time() - begun
    for name in origins:
        begun = time.process_time()
        if name == "texture":
            spec, backbone, before_s = texture_spec(3, TILE_PX, PIXEL_NM), None, 0.0
        elif name.startswith("head") and network is not None:
            spec, backbone, before_s = network.spec, network.network.backbone, training_s
            if name == "head+texture":
                side = texture_crop_px(TILE_PX, PIXEL_NM)
                spec = dataclasses.replace(spec, texture_px=side, pixel_nm=PIXEL_NM)
        else:
            continue
        encoder = fit_with_head(spec, backbone, unlabelled, dimensions, seed=settings.seed)
        cost = before_s + time.process_time() - begun
        yield name, encoder.embed(sites.tiles), f"{encoder.dimensions} dimensions, {cost:.0f} core-seconds"


def main() -> None:
    defaults = PretrainingSettings()
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder vnc_sstem")
    parser.add_argument("--seeds", type=int, default=3, help="how many encoders, seeded from --first-seed on")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=defaults.max_steps)
    parser.add_argument("--architecture", default=defaults.architecture)
    parser.add_argument("--crop", type=int, default=defaults.crop_px, help="pixels")
    parser.add_argument("--batch", type=int, default=defaults.batch_size)
    parser.add_argument("--temperature", type=float, default=defaults.temperature)
    parser.add_argument("--learning-rate", type=float, default=defaults.learning_rate)
    parser.add_argument("--origins", nargs="+", choices=ORIGINS, default=ORIGINS)
    parser.add_argument("--dimensions", type=int, default=32, help="of the last step")
    parser.add_argument("--train-on", choices=("both", "stack2"), default="both")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="folder for encoders, vectors and histories")
    arguments = parser.parse_args()
    if not (arguments.data / "sites_stack1.csv").is_file():
        print(f"skipped: there is no {arguments.data / 'sites_stack1.csv'}")
        return
    torch.set_num_threads(arguments.threads)
    everything, other = read_sites(arguments.data, 1), read_sites(arguments.data, 2)
    sites = everything.take((everything.section >= 1) & (everything.section <= 13))
    unlabelled = other.tiles if arguments.train_on == "stack2" else np.concatenate([everything.tiles, other.tiles])
    print(f"{len(sites.label)} points, {len(np.unique(sites.object))} objects; fitted on {len(unlabelled)} tiles")
    for name, knn, lin in BASELINES:
        print(f"{'given: ' + name:44s} k-NN {knn:.2f}   linear {lin:.2f}")
    edge = (TILE_PX - 32) // 2
    pixels = sites.tiles[..., edge:-edge, edge:-edge].reshape(len(sites.label), -1).astype(np.float32)
    report("centre 32x32 pixels, judged here", [judge(pixels, sites)], sites)

    rows: dict[str, list[dict[str, npt.NDArray[np.float64]]]] = {}
    for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
        settings = PretrainingSettings(
            architecture=arguments.architecture,
            crop_px=arguments.crop,
            batch_size=arguments.batch,
            max_steps=arguments.steps,
            learning_rate=arguments.learning_rate,
            temperature=arguments.temperature,
            seed=seed,
        )
        for name, values, note in with_last_step(unlabelled, sites, settings, arguments.origins, arguments.dimensions):
            rows.setdefault(name, []).append(judge(values, sites))
            report(f"seed {seed}, {name}", [rows[name][-1]], sites, note)
        if "self_supervised" not in arguments.origins:
            continue
        keep = arguments.keep / f"seed{seed}" if arguments.keep else None
        vectors, note = network_alone(unlabelled, sites, settings, keep)
        for name, values in vectors.items():
            rows.setdefault(name, []).append(judge(values, sites))
        claim = flattering(vectors["trained"], sites)
        report(f"seed {seed}", [rows["trained"][-1]], sites, note)
        print(f"{'  on later sections of the same objects':44s} k-NN {claim[0]:.3f}   linear {claim[1]:.3f} (flatters)")
    print(f"over {arguments.seeds} seeds, interval of 95 % over objects, in brackets each seed:")
    for name, judged in rows.items():
        report(name, judged, sites)


def _print_progress(row: dict[str, float]) -> None:
    if math.isclose(row["step"] % 50, 0):
        print("  " + ", ".join(f"{name} {value:.4g}" for name, value in row.items()), flush=True)


if __name__ == "__main__":
    main()
