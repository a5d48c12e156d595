"""Applying one network from a file, such as that of another lab, to the stored tiles of a dataset. Nothing of the dataset changes."""

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from synapse_assets.datasets import Dataset
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.em.networks import NETWORK_FILE, answers, probabilities_of
from synapse_assets.pipeline.report import progress_logger
from synapse_assets.schema import NETWORK_PREDICTIONS
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.files import storage_explained

if TYPE_CHECKING:
    from synapse_assets.vision.classifier import NetworkSpec

COLUMNS = ("synapse_id", "brain_region", "predicted", "probability", "probabilities")


def predict_with_file(
    store: DatasetStore, dataset: Dataset, model: Path, out: Path, device: str, log: Callable[[str], None]
) -> int:
    """Writes the class that the network in `model` names for every synapse with a tile into the Parquet file `out`; gives the rows.

    `model`: a network's file, or a folder that holds one, such as a stored version of synapse_network. Tiles are streamed; `out` appears
    whole or not at all. Columns: `COLUMNS`. Raises BadInput for a file that is no network, a network that takes other tiles than the
    dataset has, a dataset without images or tiles, and a folder for `out` that is not there.
    """
    from synapse_assets.analysis.evaluation.predictions import named_rows
    from synapse_assets.vision.classifier import SynapseNetwork

    if not dataset.tile_volumes:
        raise BadInput(f"--dataset {dataset.name} has no images: a network names the classes of tiles")
    file = network_file(model)
    network = SynapseNetwork.load(file)
    _require_fitting(file, network.spec, dataset)
    regions = store.tiles.regions()
    if not regions:
        raise BadInput(f"{dataset.name} has no tiles yet: materialise its asset 'tiles' first")
    if not out.parent.is_dir():
        raise BadInput(f"--out {out}: there is no folder {out.parent}; make it, or name another")
    schema = pa.schema([NETWORK_PREDICTIONS.arrow.field(name) for name in COLUMNS])
    partial = out.with_name(f".{out.name}.partial")
    progress, done = progress_logger(log, "predictions", sum(regions.values())), 0
    try:
        with storage_explained(str(out.parent)), pq.ParquetWriter(partial, schema, compression="zstd") as writer:
            for region in regions:
                ids = store.tiles.read(region, ["synapse_id"]).column("synapse_id").to_pylist()
                for rows in answers(store.tiles, region, ids, {"network": network}, device):
                    of_region = pa.array([region] * rows.num_rows, pa.string())
                    probabilities = probabilities_of(rows, "network")
                    table = named_rows(
                        rows.column("synapse_id").to_pylist(), of_region, network.spec.classes, probabilities
                    )
                    writer.write_table(table.select(list(COLUMNS)).cast(schema))
                    done += rows.num_rows
                    progress(done)
        os.replace(partial, out)
    finally:
        partial.unlink(missing_ok=True)
    return done


def network_file(model: Path) -> Path:
    """The network's file that `model` is, or that lies in it. Raises BadInput where there is none, or more than one."""
    if not model.is_dir():
        return model
    found = sorted({*model.glob(NETWORK_FILE), *model.glob(f"*/{NETWORK_FILE}")})
    if not found:
        raise BadInput(f"--model {model}: there is no {NETWORK_FILE} in that folder; give the file of a network")
    if len(found) > 1:
        raise BadInput(f"--model {model} holds several networks; give one of {', '.join(map(str, found))}")
    return found[0]


def _require_fitting(file: Path, spec: "NetworkSpec", dataset: Dataset) -> None:
    x_nm, y_nm, section_nm = next(iter(dataset.tile_volumes.values())).voxel_size_nm
    pixel_nm = math.sqrt(x_nm * y_nm)
    sizes = ((pixel_nm, spec.pixel_nm, "pixel"), (section_nm, spec.section_nm, "section"))
    for here, theirs, what in sizes:
        if not math.isclose(here, theirs, rel_tol=0.01):
            raise BadInput(
                f"{file} was trained on a {what} of {theirs:g} nm, {dataset.name} has {here:g} nm: networks know nanometres; name a volume "
                f"with that voxel size in the dataset's YAML and cut its tiles, or train a network on {dataset.name}"
            )
    tile = dataset.tile_spec
    if spec.tile_shape != (tile.sections, tile.size_px, tile.size_px):
        raise BadInput(
            f"{file} takes tiles of {spec.sections} sections and {spec.tile_px} px, {dataset.name} has {tile.sections} sections and "
            f"{tile.size_px} px: set tile: {{size_px: {spec.tile_px}, sections: {spec.sections}}} in the YAML of a dataset of its own, "
            "and materialise its tiles"
        )
