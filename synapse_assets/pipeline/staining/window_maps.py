"""Dense maps: what a network says of every window of the pictures of a plate, in one pass over each.

The network itself lives in `vision.staining`; colours and pictures of maps belong to `figures.staining`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from logging import Logger
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from synapse_assets.datasets import StainingDataset
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.report import Check, Report, Stopwatch, progress_logger
from synapse_assets.pipeline.staining.labelled import fold_of_picture
from synapse_assets.pipeline.staining.networks import MODEL, network_file, stored_classifiers
from synapse_assets.pipeline.staining.pictures import Pictures
from synapse_assets.pipeline.staining.tested import StainTest
from synapse_assets.schema.staining import WINDOW_MAPS
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.models import model_in_use
from synapse_assets.stores.rows import content_key

if TYPE_CHECKING:
    from synapse_assets.vision.staining import DenseMap, StainNetwork

FACTS = ("image_id", "plate", "well", "culture", "label", "image_hash")


def map_plate(store: DatasetStore, dataset: StainingDataset, plate: str, device: str, log: Logger) -> Report:
    """Maps the usable pictures of a plate with the network that maps are of, those that changed or that it has not seen.

    Maps are staged, so the next call continues one that was killed. Raises BadInput if no classifiers are fitted, or not that network.
    """
    watch = Stopwatch()
    version = model_in_use(store.models(MODEL), f"materialise the asset '{MODEL}' first")
    results, name = store.results(WINDOW_MAPS), str(dataset.map_network)
    keys = stored_classifiers(store, version)
    if not keys:
        results.write_partition(plate, WINDOW_MAPS.empty())
        return Report({"network": "no classifier could be fitted"}, watch.seconds, 0, 0, version, [_one_each(0, 0)])
    networks = FoldNetworks.of(store, version, name)
    usable = Pictures.of(store, dataset, plate)
    pictures = usable.rows.select(list(FACTS))
    # The network and, by picture, the fold that its stored map is of.
    made_from = {"network": keys[name], **{row["image_id"]: str(networks.fold(row)) for row in pictures.to_pylist()}}
    kept = _unchanged(results.read(plate), results.made_from(plate) or {}, pictures, made_from)
    known = set(kept.column("image_id").to_pylist())
    todo = [row for row in pictures.to_pylist() if row["image_id"] not in known]
    staging = store.staging("window_maps", plate, content_key(pictures, keys[name]))
    staged = staging.done_ids()
    progress = progress_logger(log.info, f"{plate}: maps", len(todo))
    for done, picture in enumerate((row for row in todo if row["image_id"] not in staged), start=1):
        dense = networks.dense(picture, usable.pixels(picture["image_id"]), device)
        staging.append(_row(picture, dense, networks, version))
        progress(done)
    table = _complete(kept, staging.reader(), version)
    results.write_partition(plate, table, made_from)
    staging.clear()
    return Report(
        details={"network": name, "version": version, "kept_rows": kept.num_rows, "resumed_rows": len(staged)},
        seconds=watch.seconds,
        rows=table.num_rows,
        computed_rows=len(todo) - len(staged),
        content_version=content_key(pictures.select(["image_id", "image_hash"]), name, *sorted(made_from.values())),
        checks=[_one_each(table.num_rows, pictures.num_rows)],
    )


@dataclass
class FoldNetworks:
    """One network of a version of the model, of all its folds; each is loaded when it is first asked."""

    name: str
    folder: Path
    test: StainTest
    loaded: "dict[int, StainNetwork]" = field(default_factory=dict)

    @classmethod
    def of(cls, store: DatasetStore, version: str, name: str) -> "FoldNetworks":
        """Raises BadInput for a network that the version does not have."""
        known = stored_classifiers(store, version)
        if name not in known:
            raise BadInput(
                f"{MODEL} {version} has no network {name}, but {', '.join(known)}: materialise {MODEL}, which trains it, and promote the "
                "result if it stays a candidate"
            )
        folder = store.models(MODEL).path(version) / name
        return cls(name, folder, StainTest.load(folder, name, version))

    def fold(self, picture: Mapping[str, Any]) -> int:
        """The fold whose network is asked about a picture (`FACTS`)."""
        return fold_of_picture(picture, self.test.headline, self.test.fold_of_group)

    def dense(self, picture: Mapping[str, Any], pixels: Any, device: str) -> "DenseMap":
        """The map of a picture (`FACTS`) by the network that never saw its group."""
        return self.network(picture).dense(pixels, device)

    def network(self, picture: Mapping[str, Any]) -> "StainNetwork":
        """The network that never saw the group of a picture (`FACTS`)."""
        from synapse_assets.vision.staining import StainNetwork

        fold = self.fold(picture)
        if fold not in self.loaded:
            self.loaded[fold] = StainNetwork.load(network_file(self.folder, fold))
        return self.loaded[fold]


def _unchanged(before: pa.Table, made_from: Mapping[str, str], pictures: pa.Table, now: Mapping[str, str]) -> pa.Table:
    """The maps of before whose picture is as it was, and would be asked of the same network."""
    hash_of = dict(zip(*(pictures.column(name).to_pylist() for name in ("image_id", "image_hash")), strict=True))
    same = [
        made_from.get("network") == now["network"]
        and hash_of.get(image_id) == image_hash
        and made_from.get(image_id) == now.get(image_id)
        for image_id, image_hash in zip(
            *(before.column(n).to_pylist() for n in ("image_id", "image_hash")), strict=True
        )
    ]
    return before.filter(pa.array(same, pa.bool_()))


def _row(picture: Mapping[str, Any], dense: "DenseMap", networks: FoldNetworks, version: str) -> pa.Table:
    """A row of `schema.staining.WINDOW_MAPS`, with the column that unfinished work is known by."""
    _, rows, columns = dense.probabilities.shape
    row = {
        "image_id": picture["image_id"],
        "plate": picture["plate"],
        "image_hash": picture["image_hash"],
        "classifier": networks.name,
        "version": version,
        "out_of_fold": True,
        "window_px": round(2 * dense.first_px),
        "first_px": dense.first_px,
        "stride_px": dense.stride_px,
        "rows": rows,
        "columns": columns,
        "classes": list(networks.test.classes),
        "probabilities": dense.probabilities.ravel(),
    }
    table = pa.Table.from_pylist([row], schema=WINDOW_MAPS.arrow)
    return table.append_column("synapse_id", table.column("image_id"))


def _complete(kept: pa.Table, staged: pa.RecordBatchReader | None, version: str) -> pa.Table:
    """All maps of a plate, sorted by picture, under the version in use."""
    parts = [kept] if staged is None else [kept, staged.read_all().select(WINDOW_MAPS.names).cast(WINDOW_MAPS.arrow)]
    table = pa.concat_tables(parts).sort_by("image_id")
    versions = pa.array([version] * table.num_rows, pa.string())
    return table.set_column(table.schema.get_field_index("version"), WINDOW_MAPS.arrow.field("version"), versions)


def _one_each(rows: int, pictures: int) -> Check:
    return Check(
        "one_map_per_picture",
        rows == pictures,
        f"{rows:,} maps for {pictures:,} usable pictures",
        numbers={"maps": rows, "pictures": pictures},
    )
