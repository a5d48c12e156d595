"""What the staining chain finds of what was planted in its sample. On a data root in which sample_staining was made.

    python -m benchmarks.staining [data root] [tolerance in px: 32, two of the network's cells]

scores        macro F1 and balanced accuracy of pictures, plates held out, network beside texture probe, and what a split of crops claims
compounds     the ranking: A was drawn to undo the beads, B to do nothing, C to undo a part
explanations  verdict of each method
places        of every labelled treated picture, by the network that never saw its plate: area under precision and recall of the planted
              stretches of beads, each found within the tolerance of a bead, and what chance reaches; of the coloured saliency (Grad-CAM
              times the probability of the treated), of Grad-CAM and the dense map alone, and of the picture's own brightness
seconds       dense map, Grad-CAM and coloured saliency of a picture of 2048 x 2048 px (pictures of the sample side by side)
"""

import csv
import resource
import sys
import time

import numpy as np
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from synapse_assets.analysis.dense_maps import at_pixels
from synapse_assets.analysis.evaluation.localisation import precision_recall_area
from synapse_assets.datasets import StainingDataset, load_dataset
from synapse_assets.figures.staining import coloured_saliency
from synapse_assets.pipeline.staining.explanations import grey_picture
from synapse_assets.pipeline.staining.networks import MODEL
from synapse_assets.pipeline.staining.pictures import Pictures
from synapse_assets.pipeline.staining.window_maps import FACTS, FoldNetworks
from synapse_assets.schema import EXPLANATION_CHECKS
from synapse_assets.schema.staining import COMPOUNDS, STAIN_SCORES
from synapse_assets.settings import Settings
from synapse_assets.stores import DatasetStore
from synapse_assets.vision.explanation.pictures import explain_picture

NAME = "sample_staining"
_NEXT_PX = 16.0


def say_scores(store: DatasetStore) -> None:
    for row in store.results(STAIN_SCORES).read().to_pylist():
        if row["level"] == "image" and row["class_name"] is None:
            interval = "" if row["low"] is None else f" ({row['low']:.3f} to {row['high']:.3f})"
            value = "none" if row["value"] is None else f"{row['value']:.3f}"
            print(f"{row['classifier']}, {row['split']}: {row['score']} {value}{interval}, {row['wells']} wells")
    for row in store.results(COMPOUNDS).read().to_pylist():
        rescue = "" if row["rescue"] is None else f", rescue {row['rescue']:.2f}"
        print(f"{row['rank'] or '-'} {row['compound']} {row['dose'] or ''}: likeness {row['likeness']:.2f}{rescue}")
    seen = {row["method"]: row["verdict"] for row in store.results(EXPLANATION_CHECKS).read().to_pylist()}
    print("; ".join(f"{method}: {verdict}" for method, verdict in seen.items()))


def planted(store: DatasetStore) -> dict[str, np.ndarray]:
    """Places of beads (n, 2), y and x in pixels, by file."""
    places: dict[str, list[tuple[float, float]]] = {}
    with (store.raw / "truth.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            places.setdefault(row["path"], []).append((float(row["y_px"]), float(row["x_px"])))
    return {path: np.array(found) for path, found in places.items()}


def stretches(beads_px: np.ndarray) -> np.ndarray:
    """The beaded stretch of a neurite that each bead is of: beads no further apart than `_NEXT_PX` are neighbours."""
    near = cKDTree(beads_px).sparse_distance_matrix(cKDTree(beads_px), _NEXT_PX)
    return np.asarray(connected_components(near, directed=False)[1])


def measure_places(store: DatasetStore, dataset: StainingDataset, tolerance_px: float) -> None:
    networks = FoldNetworks.of(store, str(store.models(MODEL).current), str(dataset.map_network))
    pictures, truth = Pictures.of(store, dataset), planted(store)
    treated = networks.test.classes.index(dataset.treated)
    found: dict[str, list[tuple[float, float]]] = {}
    for row in pictures.rows.select([*FACTS, "compound", "path"]).to_pylist():
        places = next((of_file for path, of_file in truth.items() if row["path"].endswith(path)), None)
        if row["label"] != dataset.treated or row["compound"] or places is None:
            continue
        network, pixels = networks.network(row), pictures.pixels(row["image_id"])
        dense = network.dense(pixels, "cpu")
        of_treated = at_pixels(dense.probabilities, dense.first_px, dense.stride_px, pixels.shape[1:])[treated]
        attribution = explain_picture(network, pixels, dataset.treated, device="cpu").clip(0)
        grey = grey_picture(pixels, network.spec.white_level).astype(np.float32)
        maps = {
            "coloured saliency": attribution * of_treated,
            "Grad-CAM": attribution,
            "dense map": of_treated,
            "picture": grey,
        }
        for name, values in maps.items():
            found.setdefault(name, []).append(
                precision_recall_area(values, places, tolerance_px, place_of=stretches(places))
            )
    for name, areas in found.items():
        area, chance = np.mean(areas, axis=0)
        print(f"{name}: area {area:.3f}, chance {chance:.3f}, {len(areas)} pictures, within {tolerance_px:g} px")


def measure_seconds(store: DatasetStore, dataset: StainingDataset) -> None:
    networks = FoldNetworks.of(store, str(store.models(MODEL).current), str(dataset.map_network))
    pictures = Pictures.of(store, dataset)
    row = pictures.rows.select(list(FACTS)).to_pylist()[0]
    network, pixels = networks.network(row), np.tile(pictures.pixels(row["image_id"]), (1, 4, 4))[:, :2048, :2048]
    began = time.perf_counter()
    dense = network.dense(pixels, "cpu")
    mapped = time.perf_counter()
    attribution = explain_picture(network, pixels, dataset.treated, device="cpu")
    explained = time.perf_counter()
    coloured_saliency(
        grey_picture(pixels, network.spec.white_level),
        attribution,
        dense.probabilities,
        dense.first_px,
        dense.stride_px,
        network.spec.classes,
        [(0.5, 0.4, 0.6)] * len(network.spec.classes),
    )
    coloured = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{pixels.shape[1]} x {pixels.shape[2]} px: dense map {mapped - began:.1f} s, Grad-CAM {explained - mapped:.1f} s, coloured "
        f"{coloured - explained:.1f} s; peak memory {peak:.2f} GiB"
    )


def main() -> None:
    settings = Settings()
    root = sys.argv[1] if len(sys.argv) > 1 else settings.data_root
    dataset = load_dataset(NAME, root)
    assert isinstance(dataset, StainingDataset)
    store = DatasetStore(root, NAME)
    say_scores(store)
    measure_places(store, dataset, float(sys.argv[2]) if len(sys.argv) > 2 else 32.0)
    measure_seconds(store, dataset)


if __name__ == "__main__":
    main()
