"""Explanations and class differences as the tests plant them beside the tiny lab: checks of three methods, stored maps, effects."""

import io
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from synapse_assets.datasets import EM
from synapse_assets.schema import CLASS_DIFFERENCES, EXPLANATION_CHECKS, EXPLANATIONS, TILE_ATTRIBUTES, TILES
from synapse_assets.stores import DatasetStore, build_warehouse
from synapse_assets.stores.rows import vectors_in_use
from synapse_assets_tests.conftest import CLASSES, REGIONS, TILE_PX

PROBE = "linear_probe"
VERDICTS = {"occlusion": "trustworthy", "grad_cam": "partly", "gradients": "not"}
PLANTED = (EXPLANATION_CHECKS, EXPLANATIONS, TILE_ATTRIBUTES, CLASS_DIFFERENCES)


def planted_map() -> np.ndarray:
    """Grey values as they are stored: the upper left quarter speaks for the class at most, the lower right against it by half."""
    half = TILE_PX // 2
    grey = np.full((TILE_PX, TILE_PX), 128, np.uint8)
    grey[:half, :half], grey[half:, half:] = 255, 65
    return grey


def plant_explanations(store: DatasetStore) -> dict[str, Any]:
    """Writes the tables of `PLANTED` for the stored tiles; gives the release that they belong to."""
    release = store.release() or {}
    version = release["models"]["synapse_classifier"]
    checks = [
        {
            "classifier": PROBE,
            "version": version,
            "method": method,
            "check": check,
            "value": None if check == "pointing_game" else 0.4 - 0.3 * (verdict == "not"),
            "low": None if check == "pointing_game" else 0.3 - 0.3 * (verdict == "not"),
            "high": None if check == "pointing_game" else 0.5,
            "chance": 0.0,
            "passed": None if check == "pointing_game" else verdict == "trustworthy",
            "pictures": 32,
            "draws": 3,
            "verdict": verdict,
            "sentence": f"{method} is {verdict}, said in words.",
        }
        for method, verdict in VERDICTS.items()
        for check in ("randomisation", "head", "pointing_game")
    ]
    store.results(EXPLANATION_CHECKS).write(pa.Table.from_pylist(checks, schema=EXPLANATION_CHECKS.arrow))
    buffer = io.BytesIO()
    Image.fromarray(planted_map()).save(buffer, format="PNG")
    for region in REGIONS:
        of_region = store.tiles.read(region, ["synapse_id", "tile_hash"]).slice(0, 3).to_pylist()
        explained = [
            {
                **row,
                "brain_region": region,
                "classifier": PROBE,
                "version": version,
                "method": method,
                "class_name": CLASSES[0],
                "probability": 0.75,
                "chosen_as": ("typical", "error", "uncertain")[number],
                "verdict": VERDICTS[method],
                "largest": 2.0,
                "map": buffer.getvalue(),
            }
            for number, row in enumerate(of_region)
            for method in ("occlusion", "gradients")
        ]
        store.results(EXPLANATIONS).write_partition(region, pa.Table.from_pylist(explained, schema=EXPLANATIONS.arrow))
        measured = [
            {name: row.get(name) for name in TILE_ATTRIBUTES.names} | {"brain_region": region} for row in of_region
        ]
        store.results(TILE_ATTRIBUTES).write_partition(
            region, pa.Table.from_pylist(measured, schema=TILE_ATTRIBUTES.arrow)
        )
    store.results(CLASS_DIFFERENCES).write(pa.Table.from_pylist(differences(), schema=CLASS_DIFFERENCES.arrow))
    names = [name for name in release["tables"] if name not in ("synapses", TILES.name, "embeddings")]
    results = [store.results(EM.tables[name]) for name in names]
    large = [store.synapses, store.tiles, vectors_in_use(store)]
    build_warehouse(
        store,
        [*large, *results, *(store.results(table) for table in PLANTED if table.name not in names)],
        {name: release[name] for name in ("models", "scores")},
    )
    return store.release() or {}


def differences() -> list[dict[str, Any]]:
    """Rows of `class_differences`: one that stands, one that does not, one that could not be measured."""
    base = {"groups": 4, "other_groups": 8, "lowest": ["s000", "s018"], "highest": ["s036"]}
    stands = {"effect": -1.5, "low": -2.0, "high": -1.0, "p_value": 0.0004, "differs": True}
    chance = {"effect": 0.2, "low": -0.5, "high": 0.9, "p_value": 0.6, "differs": False}
    unknown = {"effect": None, "low": None, "high": None, "p_value": None, "differs": False}
    return [
        {
            **base,
            **found,
            "attribute": attribute,
            "class_name": name,
            "sentence": f"{attribute} of {name}, said in words.",
        }
        for attribute, name, found in (
            ("vesicle_darkness", CLASSES[0], chance),
            ("vesicle_darkness", CLASSES[1], stands),
            ("cleft_length_nm", CLASSES[2], unknown),
        )
    ]
