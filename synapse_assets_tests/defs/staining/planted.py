"""A tiny staining dataset on real files, whose treated cells are beaded, and an installation that makes it step by step."""

import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
import tifffile
from PIL import Image

from synapse_assets.datasets import StainingDataset
from synapse_assets.definitions import build_definitions
from synapse_assets.settings import Settings
from synapse_assets.stores import DatasetStore

PLATES = ("P1", "P2", "P3")
CLASSES = ("control", "treated")
WINDOW_PX = 64
SIDE_PX = 128
# well: class, and what it was given beside
WELLS = {"A01": ("control", None), "A02": ("control", None), "B01": ("treated", None), "B02": ("treated", None)}
COMPOUNDS = {"C01": ("treated", "rescuer"), "C02": ("treated", "idle")}


def picture(beaded: bool, seed: int, channels: int = 1, side_px: int = SIDE_PX) -> np.ndarray:
    """uint8 (side_px, side_px) or, of several channels, (side_px, side_px, channels): lines on dim noise, which are beaded or not."""
    rng = np.random.default_rng(seed)
    pixels = rng.normal(60, 5, (side_px, side_px, channels))
    for y in rng.integers(0, side_px, side_px // 16):
        # Neurites, which both classes have: those of treated cells are in beads.
        along = np.arange(side_px)
        shown = along % 12 < 6 if beaded else np.ones(side_px, bool)
        for offset in range(-2, 3):
            pixels[np.clip(y + offset, 0, side_px - 1), along[shown]] = 150 if not beaded else 220
    return np.clip(pixels, 1, 254).astype(np.uint8).squeeze()


def staining_dataset(root: Path, **changes: object) -> StainingDataset:
    """The dataset whose pictures are those of the table `root`/pictures/pictures.csv."""
    columns = {name: name for name in ("path", "plate", "well", "label", "compound", "dose")}
    values: dict[str, object] = {
        "name": "stain",
        "title": "Beads",
        "description": "Planted beads for tests.",
        "chain": "staining",
        "sources": [{"name": "table", "path": str(root / "pictures" / "pictures.csv"), "columns": columns}],
        "classes": list(CLASSES),
        "pixel_nm": 300.0,
        "window_px": WINDOW_PX,
        "grouping": ["plate", "well"],
    }
    return StainingDataset.model_validate({**values, **changes})


def seed_of(name: str) -> int:
    """A seed for a picture, whichever others there are."""
    return zlib.crc32(name.encode())


class StainLab:
    """One installation with such a dataset, and an instance of its own. Pictures are added plate by plate."""

    def __init__(self, root: Path, instance: dg.DagsterInstance, **changes: object) -> None:
        self.root, self.instance = root, instance
        self.rows: list[dict[str, Any]] = []
        (root / "pictures").mkdir(parents=True, exist_ok=True)
        self.use(**changes)

    def use(self, **changes: object) -> None:
        """Takes such a dataset from now on."""
        self.dataset = staining_dataset(self.root, **changes)
        self.definitions = build_definitions(
            Settings(data_root=str(self.root / "data"), datasets=[], device="cpu"), datasets=[self.dataset]
        )

    def add(self, plate: str, wells: dict[str, tuple[str, str | None]], fields: int = 1, channels: int = 1) -> None:
        """Draws the pictures of some wells of a plate: beaded those of the treated class, but for the ones that a rescuer was given."""
        for well, (label, compound) in wells.items():
            for field in range(fields):
                name = f"{plate}_{well}_{field}.png"
                beaded = label == "treated" and compound != "rescuer"
                pixels = picture(beaded, seed_of(name), channels)
                if channels in (1, 3):
                    Image.fromarray(pixels).save(self.root / "pictures" / name)
                else:
                    name = name.replace(".png", ".tif")
                    planes = np.moveaxis(pixels, 2, 0)
                    tifffile.imwrite(self.root / "pictures" / name, planes, metadata={"axes": "CYX"})
                dose = None if compound is None else 1.0
                self.rows.append(
                    {"path": name, "plate": plate, "well": well, "label": label, "compound": compound, "dose": dose}
                )
        pd.DataFrame(self.rows).to_csv(self.root / "pictures" / "pictures.csv", index=False)

    @property
    def store(self) -> DatasetStore:
        """What is stored of the dataset."""
        return DatasetStore(str(self.root / "data"), self.dataset.name)

    @property
    def plates(self) -> list[str]:
        """The plates that are registered as partitions."""
        return sorted(self.instance.get_dynamic_partitions("stain_plate"))

    def materialize(self, *names: str, region: str | None = None, raises: bool = True) -> dg.ExecuteInProcessResult:
        """Runs those assets, of one plate or unpartitioned, through Dagster."""
        job = self.definitions.resolve_implicit_global_asset_job_def()
        return job.execute_in_process(
            asset_selection=[dg.AssetKey([self.dataset.name, name]) for name in names],
            partition_key=region,
            instance=self.instance,
            raise_on_error=raises,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )

    def everywhere(self, *names: str, plates: Iterable[str] | None = None) -> None:
        """Runs those assets for the plates, or for every plate there is."""
        for plate in plates or self.plates:
            self.materialize(*names, region=plate)

    def to_vectors(self) -> None:
        """From the files to the vectors of all windows."""
        self.materialize("image_table")
        self.everywhere("images", "windows")
        self.materialize("encoder", "image_splits")
        self.everywhere("embeddings")

    def from_networks(self) -> None:
        """From the classifiers to the release."""
        self.materialize("stain_network", "umap_model", "cluster_model", "stain_scores")
        maps = ["window_maps"] if self.dataset.networks else []
        self.everywhere("umap_coordinates", "clusters", *maps, "image_predictions")
        if self.dataset.networks:
            self.materialize("explanation_checks")
            self.everywhere("explanations")
        compounds = ["compounds"] if self.dataset.names_compounds else []
        self.materialize("cluster_cards", "vector_index", *compounds, "promotions", "warehouse")
