"""The sites of a dataset that is a subset of published tables: what fetching and making it takes, and making their table.

The rule of the choice belongs to `sources.subsets`, fetching to `sources.downloads`; what the finished dataset should show, to
`reproduction`.
"""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from synapse_assets.datasets import EmDataset, PublishedFile, PublishedSubset
from synapse_assets.datasets.fingerprints import hashed_fields
from synapse_assets.errors import BadInput, Unreachable
from synapse_assets.pipeline.report import progress_logger
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.files import Files
from synapse_assets.stores.models import fingerprint

RECORD_FILE = "subset.json"
# Version of the code that chooses: another one chooses again.
_METHOD = 1
# Assumed, not measured: what a public server gives one connection.
DOWNLOAD_BYTES_PER_S = 10e6
# Measured on one core: twice through 4 million rows with FlyWire's columns (324 MB), in 4.1 s.
TABLE_BYTES_PER_S = 150e6
# docs/measurements.md: everything from 2,400 synapses in five regions in 225 s on two busy cores, without a GPU.
SITE_S = 225 / 2_400
# Measured on one core: all runs of a region of 20 sites, in 5.7 s. Until the sites are chosen, all of FlyWire's regions count.
REGION_S = 5.7
_MOST_REGIONS = 79
# docs/measurements.md: a tile of 256 x 256 x 3 voxels is 155 kB as PNG; twice while it is stored.
_STORED_BYTES_PER_VOXEL = 2 * 155.3e3 / (256 * 256 * 3)


@dataclass(frozen=True)
class Cost:
    """What making the dataset takes on this machine from here on.

    downloads: the published files, each with the bytes that are still to come. tile_gb: what tiles take over the network; exact
    once the sites are chosen, before that the figure for as many places at random in the volume. hours: by part. Disk in gigabytes.
    """

    downloads: list[tuple[PublishedFile, int]]
    tile_gb: float
    tile_gb_is_exact: bool
    hours: dict[str, float]
    disk_gb: float
    free_gb: float


def cost_of(store: DatasetStore, dataset: EmDataset, subset: PublishedSubset) -> Cost:
    """What is still to be fetched and made. Of the volume only its description is read.

    Raises BadInput where the disk has too little room, Unreachable where the volume does not answer.
    """
    from synapse_assets.sources.downloads import fetched_bytes
    from synapse_assets.volumes import open_volume
    from synapse_assets.volumes.plan import plan_tiles

    is_chosen = chosen_sites(store, dataset, subset) is not None
    left = [
        (file, max(0, file.bytes - fetched_bytes(file)) if _is_needed(file, subset, is_chosen) else 0)
        for file in subset.downloads
    ]
    [spec] = (dataset.volumes[source.volume] for source in dataset.sources)
    try:
        volume = open_volume(spec)
        low, high = (edge * volume.voxel_size_nm for edge in volume.bounds_voxels)
        points_nm, regions = (
            _places(dataset)
            if is_chosen
            else (np.random.default_rng(0).uniform(low, high, (subset.sites, 3)), _MOST_REGIONS)
        )
        [tiles, *_] = plan_tiles(spec, points_nm, dataset.tile).scales
    except ConnectionError as error:
        raise Unreachable(str(error)) from error
    voxels = dataset.tile.size_px**2 * dataset.tile.sections
    still_bytes = sum(size for _, size in left)
    disk_gb = (still_bytes + subset.sites * voxels * _STORED_BYTES_PER_VOXEL) / 1e9
    hours = {
        "tables": still_bytes / DOWNLOAD_BYTES_PER_S / 3600,
        "choice": 0.0 if is_chosen else 2 * sum(file.bytes for file in subset.downloads) / TABLE_BYTES_PER_S / 3600,
        "tiles": tiles.hours,
        "everything else": (subset.sites * SITE_S + regions * REGION_S) / 3600,
    }
    folder = next(path for path in (store.raw, *store.raw.parents) if path.exists())
    free_gb = shutil.disk_usage(folder).free / 1e9
    if free_gb < disk_gb:
        raise BadInput(
            f"{dataset.name} needs {disk_gb:.3g} GB of disk, and {folder} has {free_gb:.3g} GB left: make room, or set SYNAPSE_DATA_ROOT "
            "to a folder on a larger disk"
        )
    return Cost(left, tiles.bytes / 1e9, is_chosen, hours, disk_gb, free_gb)


def make_sites(
    store: DatasetStore,
    dataset: EmDataset,
    subset: PublishedSubset,
    progress: Callable[[PublishedFile, int], None],
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Fetches the published files and writes the table of chosen sites, unless it is there; gives `chosen_sites`.

    progress: told of each file how many bytes of it there are. say: takes a line on the rest. Raises BadInput where a file is not the
    published one, Unreachable where a server does not answer; what has come stays, and the next call goes on there.
    """
    from synapse_assets.sources import ClassNames, RegionNames, join_neurons, read_neurons, read_source
    from synapse_assets.sources.downloads import fetch_published
    from synapse_assets.sources.subsets import as_csv, choose_sites

    record = chosen_sites(store, dataset, subset)
    for file in subset.downloads:
        if _is_needed(file, subset, record is not None):
            fetch_published(file, partial(progress, file))
    if record is not None:
        return record
    classes = ClassNames(dataset.names_transmitters)
    neurons = join_neurons([read_neurons(source, None, store.raw, classes) for source in dataset.neurons])
    regions = RegionNames(dataset.missing_region, dataset.region_names, dataset.region_vocabulary)

    def batches() -> Any:
        count = progress_logger(say, "rows of the table")
        rows = 0
        for batch in read_source(
            subset.table, dataset.volumes[subset.table.volume], regions, raw=store.raw, classes=classes
        ):
            rows += batch.num_rows
            count(rows)
            yield batch

    sites = choose_sites(batches, neurons, subset)
    content = as_csv(sites)
    _write(_table(dataset), content)
    record = {
        "rule": _rule(dataset, subset),
        "sites": len(sites),
        "sha256": hashlib.sha256(content).hexdigest(),
        "files": {Path(file.path).name: _digest(file) for file in subset.downloads},
    }
    _write(store.raw / RECORD_FILE, json.dumps(record, indent=2).encode() + b"\n")
    return record


def chosen_sites(store: DatasetStore, dataset: EmDataset, subset: PublishedSubset) -> dict[str, Any] | None:
    """What is on record of the table of chosen sites: `rule`, `sites`, `sha256`, and `files` with the digest that each was checked
    by. None where there is no such table, or it was made by another rule or changed since."""
    record: dict[str, Any] | None = Files(str(store.raw)).read_json(RECORD_FILE)
    table = _table(dataset)
    if record is None or record.get("rule") != _rule(dataset, subset) or not table.is_file():
        return None
    return record if hashlib.sha256(table.read_bytes()).hexdigest() == record["sha256"] else None


def _is_needed(file: PublishedFile, subset: PublishedSubset, is_chosen: bool) -> bool:
    """Whether a file is still read: the whole table only until the sites are chosen."""
    return not is_chosen or Path(file.path) != Path(subset.table.path)


def _rule(dataset: EmDataset, subset: PublishedSubset) -> str:
    """Changes with whatever decides which sites are chosen: not with addresses, paths or what is expected."""
    return fingerprint(
        {
            "method": _METHOD,
            "rule": hashed_fields(subset, exclude={"downloads", "table", "sha256"}),
            "table": hashed_fields(subset.table, exclude={"path"}),
            "neurons": [hashed_fields(source, exclude={"path"}) for source in dataset.neurons],
            "regions": [dataset.missing_region, dataset.region_names, dataset.region_vocabulary],
            "files": [[file.bytes, file.md5, file.sha256] for file in subset.downloads],
        },
        {},
    )


def _digest(file: PublishedFile) -> str | None:
    """The digest that a file was checked by; None where none is known."""
    known = (f"{name} {value}" for name, value in (("sha256", file.sha256), ("md5", file.md5)) if value is not None)
    return next(known, None)


def _table(dataset: EmDataset) -> Path:
    """The file of the chosen sites: that of the dataset's only source."""
    return Path(getattr(dataset.sources[0], "path"))  # noqa: B009 -- a dataset with a subset has one source, with a path


def _places(dataset: EmDataset) -> tuple[np.ndarray, int]:
    """The chosen places, (N, 3) nm, and how many brain regions they lie in."""
    import pyarrow.csv

    table: pa.Table = pyarrow.csv.read_csv(_table(dataset))
    points_nm = np.stack([table.column(axis).to_numpy().astype(float) for axis in ("x_nm", "y_nm", "z_nm")], axis=1)
    return points_nm, len(table.column("brain_region").unique())


def _write(path: Path, content: bytes) -> None:
    """Replaces a file in one step."""
    with Files(str(path.parent)).replace(path.name) as stream:
        stream.write(content)
