"""A release of stained pictures as the tests plant it: two plates of drawn pictures with answers, maps, explanations, and compounds."""

import io
import math
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from synapse_assets.datasets.staining import StainingDataset
from synapse_assets.schema import (
    CLUSTER_CARDS,
    CLUSTERS,
    EXPLANATION_CHECKS,
    SYNAPSE_LABELS,
    UMAP_COORDINATES,
    Table,
    staining,
)
from synapse_assets.stores import DatasetStore, build_warehouse
from synapse_assets.volumes.tile_codec import encode_tiles
from synapse_assets_tests.stores.samples import coordinates, synapses, tiles, vectors

CLASSES = ("control", "treated")
NETWORK, VERSION = "small", "n1"
PLATES = ("P1", "plate 2/b")
# Of one picture, whatever a lab may call its files.
HOSTILE = 'treated/a "b" <i>&\'c/../d\ne?x=1#y%2F.png'
SIDE = 96
LARGE = (640, 768)
WINDOW, STRIDE = 32, 16
FIRST = 8.0


def stained_dataset(name: str = "stained") -> StainingDataset:
    """The dataset of the planted release."""
    return StainingDataset.model_validate(
        {
            "name": name,
            "title": "Stained neurons",
            "description": "Planted pictures for tests.",
            "chain": "staining",
            "sources": [{"name": "scope", "path": "/nowhere", "name_pattern": "(?P<compound>c.)"}],
            "classes": list(CLASSES),
            "pixel_nm": 325.0,
            "window_px": WINDOW,
            "networks": {NETWORK: {"architecture": "small_stain"}},
            "answers_from": NETWORK,
            "dose_unit": "µM",
        }
    )


def png(pixels: np.ndarray) -> bytes:
    """Pixels as PNG."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def drawn(seed: int, treated: bool, height: int = SIDE, width: int = SIDE) -> np.ndarray:
    """A dark picture with bright lines; those of the treated are beaded on the right half."""
    rng = np.random.default_rng(seed)
    picture = rng.normal(25, 5, (height, width))
    column = np.arange(width)
    for _ in range(6):
        row = height * rng.random() + height / 6 * np.sin(column / width * 6 * rng.random() + rng.random())
        bright = 150 + (70 * np.sin(column / 2) * (column > width / 2) if treated else 0)
        inside = (row > 1) & (row < height - 2)
        for offset in (-1, 0, 1):
            picture[(row + offset).astype(int)[inside], column[inside]] = np.broadcast_to(bright, column.shape)[inside]
    return np.clip(picture, 0, 255).astype(np.uint8)


def probability_at(rows: int, columns: int, treated: bool) -> np.ndarray:
    """Probability of treated of every window: of treated pictures it rises from the left to the right."""
    across = np.linspace(0.1, 0.95 if treated else 0.3, columns, dtype=np.float32)
    return np.broadcast_to(across, (rows, columns))


def picture_rows() -> list[dict[str, Any]]:
    """Rows of `images`: pictures of both classes on both plates, of a compound, one blurred, one that cannot be read."""
    rows = []

    def add(image_id: str, plate: str, well: str | None, label: str | None, **changes: Any) -> None:
        treated = label == "treated"
        height, width = changes.pop("shape", (SIDE, SIDE))
        rows.append(
            {
                "image_id": image_id,
                "plate": plate,
                "well": well,
                "field": "1" if well else None,
                "culture": "c1",
                "stain": "MAP2",
                "label": label,
                "compound": None,
                "dose": None,
                "pixel_nm": 325.0,
                "source": "scope",
                "path": f"/nowhere/{image_id}",
                "width_px": width,
                "height_px": height,
                "channels": 1,
                "bits": 12,
                "image_hash": f"h{len(rows)}",
                "focus": 0.2,
                "saturated_fraction": 0.001,
                "foreground_fraction": 0.3,
                "usable": True,
                "why_not": None,
                "remarks": None,
                "preview": png(drawn(len(rows), treated)),
                **changes,
            }
        )

    for plate in PLATES:
        for number in range(4):
            add(f"{plate}/control_{number}.png", plate, f"B{number + 2:02}", "control")
            add(f"{plate}/treated_{number}.png", plate, f"C{number + 2:02}", "treated")
    add(HOSTILE, "P1", "D02", "treated", remarks="brighter than the others: 3 % of its pixels are saturated")
    add("P1/large.png", "P1", "D03", "treated", shape=LARGE)
    add("P1/blurred.png", "P1", "D04", "control", usable=False, why_not="blurred: focus 0.01 of 0.05")
    unread = {"width_px": None, "height_px": None, "channels": None, "bits": None, "image_hash": None, "focus": None}
    unread |= {"saturated_fraction": None, "foreground_fraction": None, "preview": None}
    cut = "/home/scope/P1/corrupt.tif cannot be read: the file is cut short"
    add("P1/corrupt.tif", "P1", None, None, usable=False, why_not=cut, **unread)
    for compound, dose in (("c1", 1.0), ("c1", 10.0), ("c2", 1.0)):
        for number in range(3):
            add(f"P1/{compound}_{dose:g}_{number}.png", "P1", f"E{number + 2:02}", None, compound=compound, dose=dose)
    return rows


def _predictions(images: list[dict[str, Any]]) -> list[dict[str, Any]]:
    rows = []
    for at, image in enumerate(row for row in images if row["usable"]):
        for classifier, version in (("texture_probe", VERSION), (NETWORK, VERSION)):
            treated = 0.9 if image["label"] == "treated" else 0.15
            if image["compound"]:
                treated = 0.3 if image["compound"] == "c1" else 0.85
            answer = CLASSES[int(treated > 0.5)]
            if image["image_id"] == f"{PLATES[0]}/control_1.png":
                treated, answer = 0.55, "uncertain"
            if image["image_id"] == f"{PLATES[0]}/control_2.png":
                treated, answer = 0.8, "treated"
            treated -= 0.001 * at
            rows.append(
                {
                    **{name: image[name] for name in ("image_id", "plate", "well", "label")},
                    "classifier": classifier,
                    "version": version,
                    "predicted": CLASSES[int(treated > 0.5)],
                    "answer": answer,
                    "probability": max(treated, 1 - treated),
                    "probabilities": [("control", 1 - treated), ("treated", treated)],
                    "out_of_fold": image["label"] is not None,
                }
            )
    return rows


def _maps(images: list[dict[str, Any]]) -> list[dict[str, Any]]:
    made = []
    for image in images:
        if image["usable"]:
            rows, columns = math.ceil(image["height_px"] / STRIDE), math.ceil(image["width_px"] / STRIDE)
            treated = probability_at(rows, columns, image["label"] == "treated")
            made.append(
                {
                    **{name: image[name] for name in ("image_id", "plate", "image_hash")},
                    "classifier": NETWORK,
                    "version": VERSION,
                    "out_of_fold": image["label"] is not None,
                    "window_px": WINDOW,
                    "first_px": FIRST,
                    "stride_px": STRIDE,
                    "rows": rows,
                    "columns": columns,
                    "classes": list(CLASSES),
                    "probabilities": np.stack([1 - treated, treated]).ravel().tolist(),
                }
            )
    return made


def saliency_of(image: dict[str, Any]) -> np.ndarray:
    """Where the network is said to see the class: the right half, 0 to 1."""
    across = np.clip(np.arange(image["width_px"]) / image["width_px"] - 0.5, 0, None) * 2
    return np.broadcast_to(across, (image["height_px"], image["width_px"]))


def explained_row(image: dict[str, Any], verdict: str, chosen_as: str) -> dict[str, Any]:
    """A row of `explanations`. Its coloured picture is magenta, so that it is told from one that is drawn anew."""
    height, width = image["height_px"], image["width_px"]
    picture = drawn(0, image["label"] == "treated", height, width)
    return {
        **{name: image[name] for name in ("image_id", "plate", "image_hash")},
        "classifier": NETWORK,
        "version": VERSION,
        "method": "grad_cam",
        "class_name": image["label"] or "control",
        "probability": 0.9,
        "chosen_as": chosen_as,
        "verdict": verdict,
        "sentence": f"grad_cam of {NETWORK}: treated above 0.50, uncertain from 0.35 to 0.65.",
        "picture": png(picture),
        "saliency": png(np.rint(saliency_of(image) * 65_535).astype(np.uint16)),
        "coloured": png(np.broadcast_to(np.array([255, 0, 255], np.uint8), (height, width, 3)).copy()),
        "layer": None,
    }


def _scores() -> list[dict[str, Any]]:
    rows = []
    for classifier in (NETWORK, "texture_probe"):
        for split, value in (("plate", 0.91), ("random_crops", 0.995)):
            for score in ("f1", "balanced_accuracy", "roc_auc"):
                for class_name in (None, "treated") if score == "f1" else (None,):
                    rows.append(
                        {
                            "classifier": classifier,
                            "version": VERSION,
                            "split": split,
                            "level": "image" if split == "plate" else "window",
                            "class_name": class_name,
                            "score": score,
                            "value": value - 0.1 * (classifier == "texture_probe"),
                            "low": None if split == "random_crops" else value - 0.15,
                            "high": None if split == "random_crops" else value + 0.05,
                            "images": 18,
                            "wells": 16,
                            "sentence": f"{score} of {classifier} by {split}: said in words.",
                        }
                    )
    return rows


def _checks() -> list[dict[str, Any]]:
    return [
        {
            "classifier": NETWORK,
            "version": VERSION,
            "method": method,
            "check": "randomisation",
            "value": value,
            "low": value - 0.1,
            "high": value + 0.1,
            "chance": 0.0,
            "passed": value > 0.3,
            "pictures": 32,
            "draws": 3,
            "verdict": verdict,
            "sentence": f"{method} is {verdict}, said in words.",
        }
        for method, value, verdict in (("gradients", 0.05, "not"), ("grad_cam", 0.6, "trustworthy"))
    ]


def _thresholds() -> list[dict[str, Any]]:
    return [
        {
            "classifier": NETWORK,
            "version": VERSION,
            "level": level,
            "class_name": name,
            "threshold": 0.5,
            "low": 0.35,
            "high": 0.65,
            "youden_j": 0.8,
            "images": 12,
            "wells": 12,
        }
        for level in ("image", "window")
        for name in CLASSES
    ]


def _compounds() -> list[dict[str, Any]]:
    def row(rank: int | None, name: str, dose: float | None, likeness: float, rescue: float | None) -> dict[str, Any]:
        ids = [] if dose is None else [f"P1/{name}_{dose:g}_{number}.png" for number in range(3)]
        return {
            "rank": rank,
            "compound": name,
            "dose": dose,
            "classifier": NETWORK,
            "version": VERSION,
            "images": 3,
            "wells": 3,
            "likeness": likeness,
            "low": likeness - 0.05,
            "high": likeness + 0.05,
            "rescue": rescue,
            "rescue_low": None if rescue is None else rescue - 0.2,
            "rescue_high": None if rescue is None else rescue + 0.2,
            "most_untreated": ids[:2],
            "most_treated": ids[2:],
            "sentence": f"{name} in words, dose {dose}.",
        }

    return [
        row(None, "control", None, 0.15, None),
        row(None, "treated", None, 0.9, None),
        row(1, "c1", 1.0, 0.6, 0.4),
        row(1, "c1", 10.0, 0.3, 0.8),
        row(2, "c2", 1.0, 0.85, 0.07),
    ]


def _wells(images: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "plate": image["plate"],
            "well": image["well"],
            "label": image["label"],
            "compound": image["compound"],
            "dose": image["dose"],
            "classifier": NETWORK,
            "version": VERSION,
            "images": 1,
            "likeness": 0.5,
        }
        for image in images
        if image["usable"]
    ]


def _write(store: DatasetStore, table: Table, rows: list[dict[str, Any]]) -> None:
    """By plate where the table is stored so."""
    results = store.results(table)
    if table in (staining.PLATES, staining.COMPOUND_WELLS) or "plate" not in table.names:
        results.write(pa.Table.from_pylist(rows, schema=table.arrow))
        return
    for plate in dict.fromkeys(row["plate"] for row in rows):
        of_plate = [row for row in rows if row["plate"] == plate]
        results.write_partition(plate, pa.Table.from_pylist(of_plate, schema=table.arrow))


def plant_windows(store: DatasetStore) -> list[Any]:
    """Windows with vectors, places on the map and clusters, as a release of the chain has them; without neurons."""
    picture = f"{PLATES[0]}/control_0.png"
    ids = [f"{picture}@0_{16 * number}" for number in range(12)]
    plate, labels = PLATES[0], [CLASSES[number % 2] for number in range(12)]
    rows = synapses(plate, ids)
    for name, value in (("neuron_id", None), ("volume", picture), ("score", None)):
        field = rows.schema.field(name)
        rows = rows.set_column(rows.schema.get_field_index(name), field, pa.array([value] * 12, field.type))
    store.synapses.replace_region(plate, rows, [])
    made = tiles(plate, ids)
    images = encode_tiles(np.stack([drawn(number, bool(number % 2), WINDOW, WINDOW)[None] for number in range(12)]))
    at = made.schema.get_field_index("image")
    store.tiles.replace_region(plate, made.set_column(at, made.schema.field(at), images.cast(pa.binary())), [])
    of_windows = vectors(plate, ids)
    turned = [[math.cos(number / 9), math.sin(number / 9), 0.0, 0.0] for number in range(12)]
    at = of_windows.schema.get_field_index("vector")
    field = of_windows.schema.field(at)
    store.vectors("m1", 4).replace_region(
        plate, of_windows.set_column(at, field, pa.array(turned).cast(field.type)), []
    )
    known = {
        "synapse_id": ids,
        "brain_region": [plate] * 12,
        "neuron_id": [None] * 12,
        "target": labels,
        "known_classes": [[name] for name in labels],
        "hemilineage": [None] * 12,
        "cell_type": [None] * 12,
    }
    store.results(SYNAPSE_LABELS).write_partition(plate, pa.table(known, schema=SYNAPSE_LABELS.arrow))
    store.results(UMAP_COORDINATES).write_partition(plate, coordinates(plate, ids))
    members = {
        "synapse_id": ids,
        "brain_region": [plate] * 12,
        "cluster": [0] * 6 + [1] * 6,
        "cluster_model": ["k1"] * 12,
    }
    store.results(CLUSTERS).write_partition(plate, pa.table(members, schema=CLUSTERS.arrow))
    card = {"share": 0.5, "targets": "{}", "regions": "{}", "neurons": 0, "one_neuron": False, "verdict": "fragile"}
    card |= {"top_neuron_share": None, "explained_by": None, "explanation": None, "synapses": 6}
    cards = [{**card, "cluster": number, "medoids": [ids[6 * number]]} for number in range(2)]
    store.results(CLUSTER_CARDS).write(pa.Table.from_pylist(cards, schema=CLUSTER_CARDS.arrow))
    results = [store.results(table) for table in (SYNAPSE_LABELS, UMAP_COORDINATES, CLUSTERS, CLUSTER_CARDS)]
    return [store.synapses, store.tiles, store.vectors("m1", 4), *results]


def plant(store: DatasetStore, *without: Table) -> list[dict[str, Any]]:
    """Writes and releases everything but the tables named; gives the rows of `images`."""
    images = picture_rows()
    by_id = {row["image_id"]: row for row in images}
    explained = [
        explained_row(by_id[HOSTILE], "trustworthy", "typical"),
        explained_row(by_id["P1/large.png"], "partly", "uncertain"),
        explained_row(by_id["P1/control_2.png"], "not", "error"),
    ]
    plates = [
        {
            "plate": plate,
            "images": sum(row["plate"] == plate for row in images),
            "wells": len({row["well"] for row in images if row["plate"] == plate and row["well"]}),
            "labels": list(CLASSES),
        }
        for plate in PLATES
    ]
    content = {
        staining.PLATES: plates,
        staining.IMAGES: images,
        staining.IMAGE_PREDICTIONS: _predictions(images),
        staining.WINDOW_MAPS: _maps(images),
        staining.STAIN_EXPLANATIONS: explained,
        staining.STAIN_SCORES: _scores(),
        staining.STAIN_THRESHOLDS: _thresholds(),
        EXPLANATION_CHECKS: _checks(),
        staining.COMPOUNDS: _compounds(),
        staining.COMPOUND_WELLS: _wells(images),
    }
    kept = {table: rows for table, rows in content.items() if table not in without}
    for table, rows in kept.items():
        _write(store, table, rows)
    release = {
        "models": {"encoder": "m1", "cluster_model": "k1", "stain_network": VERSION},
        "scores": {"encoder": {"dimensions": 4}, "cluster_model": {"verdict": "fragile", "verdict_reason": "planted"}},
    }
    build_warehouse(store, [*plant_windows(store), *(store.results(table) for table in kept)], release)
    return images
