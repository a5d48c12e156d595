"""Synaptic sites of an HDF5 file in the layout of the CREMI challenge, pre- or postsynaptic ones.

The group `annotations` holds `ids`, `types`, `locations` (z, y, x; nm; from the group's `offset`, which is 0 where it says none)
and `presynaptic_site/partners`, pairs of ids, as specified at https://cremi.org/data. Only what is in the file itself is read, as in
`volumes`: whoever wrote it would choose which other files of this machine are opened. Volumes in such files belong there.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synapse_assets.datasets import CremiSource
from synapse_assets.errors import BadInput
from synapse_assets.sources.checks import NoRows, checked_synapses, existing_file
from synapse_assets.sources.regions import RegionNames
from synapse_assets.sources.tally import Tally

MOST_SITES = 10_000_000
_SIDES = {"presynaptic": "presynaptic_site", "postsynaptic": "postsynaptic_site"}
_PARTNERS = "presynaptic_site/partners"


def read(source: CremiSource, regions: RegionNames, tally: Tally) -> Iterator[pa.Table]:
    """The sites of the source's side as one batch of `schema.SYNAPSE_TABLE`, in nm of the file's own space, in file order.

    `synapse_id` is the annotation's id. Of a postsynaptic site `object_id` is the `synapse_id` of its presynaptic one, of the first
    where there are several, and empty where there is none. Sites of the other side are counted in `tally`.

    Raises BadInput where the file is no HDF5, lacks one of the datasets, where they do not belong together or lie in another
    file, and where a partner has no location; NoRows where no site is of that side.
    """
    file = existing_file(source.path)
    annotations = _Annotations(file)
    chosen = np.flatnonzero(annotations.types == _SIDES[source.sites])
    for kind, count in zip(*np.unique(annotations.types, return_counts=True), strict=True):
        if kind != _SIDES[source.sites]:
            tally.left_out[f"type is {kind}"] += int(count)
    if not len(chosen):
        raise NoRows(f"{file}: none of its {len(annotations.ids):,} annotations is a {_SIDES[source.sites]}")
    z, y, x = annotations.locations_nm[chosen].T
    columns: dict[str, pa.Array | pa.ChunkedArray] = {
        **{f"{axis}_nm": pa.array(np.ascontiguousarray(values)) for axis, values in zip("xyz", (x, y, z), strict=True)},
        "synapse_id": _named(annotations.ids[chosen].tolist(), source.id_prefix),
        "brain_region": regions.keys(pa.repeat(pa.scalar(source.brain_region, pa.string()), len(chosen))),
        "volume": pa.repeat(pa.scalar(source.volume, pa.string()), len(chosen)),
    }
    if source.sites == "postsynaptic":
        presynaptic = annotations.presynaptic_of()
        columns["object_id"] = _named([presynaptic.get(i) for i in annotations.ids[chosen].tolist()], source.id_prefix)
    yield checked_synapses(columns, source.name, source.path, chosen + 1)


def _named(ids: list[int | None], prefix: str) -> pa.Array:
    return pa.array([None if number is None else f"{prefix}{number}" for number in ids], pa.string())


class _Annotations:
    """What the group `annotations` of a file holds: ids (n,), types (n,) as text, locations_nm (n, 3) z, y, x."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with h5py.File(path, "r", locking="best-effort") as file:
                self._read(file)
        except OSError as error:
            raise BadInput(f"{path} cannot be read as HDF5, it is another kind of file or cut off: {error}") from error

    def _read(self, file: h5py.File) -> None:
        group = self._item(file, "annotations")
        if not isinstance(group, h5py.Group):
            raise BadInput(f"{self._path} has no group 'annotations'; it holds {sorted(file)}: name a CREMI file")
        self.ids = self._whole_numbers(group, "ids", (None,))
        count = len(self.ids)
        types = self._values(group, "types", (count,))
        self.types = np.array(
            [kind.decode("utf-8", "replace") if isinstance(kind, bytes) else str(kind) for kind in types]
        )
        locations = self._values(group, "locations", (count, 3))
        self.locations_nm = self._numbers(locations, "locations") + self._offset(group)
        partners = self._item(group, _PARTNERS)
        none = np.empty((0, 2), np.uint64)
        self._partners = none if partners is None else self._whole_numbers(group, _PARTNERS, (None, 2))
        self._refuse_repeated()

    def _refuse_repeated(self) -> None:
        ids, counts = np.unique(self.ids, return_counts=True)
        if (counts > 1).any():
            raise BadInput(
                f"{self._path}: id {ids[counts > 1][0]} is that of {counts.max()} annotations; give each an id of its own"
            )

    def presynaptic_of(self) -> dict[int, int]:
        """The presynaptic site of each postsynaptic one that has a partner, by their ids; the first in the file."""
        types = dict(zip(self.ids.tolist(), self.types.tolist(), strict=True))
        first: dict[int, int] = {}
        for row, pair in enumerate(self._partners.tolist(), start=1):
            for site, kind in zip(pair, _SIDES.values(), strict=True):
                if types.get(site) != kind:
                    is_what = f"is a {types[site]}" if site in types else "has no location"
                    raise BadInput(
                        f"{self._path}, annotations/{_PARTNERS}, row {row}: {pair} should be a {' and a '.join(_SIDES.values())}, but "
                        f"{site} {is_what}; correct the pair"
                    )
            first.setdefault(pair[1], pair[0])
        return first

    def _item(self, group: h5py.Group, name: str) -> Any:
        """What the group holds by that name, None for nothing. Raises BadInput for a link."""
        here: Any = group
        for part in name.split("/"):
            link = here.get(part, getlink=True) if isinstance(here, h5py.Group) else None
            if link is None:
                return None
            if not isinstance(link, h5py.HardLink):
                target = f" into another file ('{link.filename}')" if isinstance(link, h5py.ExternalLink) else ""
                raise BadInput(
                    f"{self._path}: '{name}' is a link{target}, which is not followed; copy what it names into the file"
                )
            here = here[part]
        return here

    def _values(self, group: h5py.Group, name: str, shape: tuple[int | None, ...]) -> npt.NDArray[Any]:
        """The values of a dataset of `annotations`, whose shape is to be that one, None standing for any length."""
        where = f"{self._path}: dataset 'annotations/{name}'"
        dataset = self._item(group, name)
        if not isinstance(dataset, h5py.Dataset):
            raise BadInput(f"{where} is missing; the group holds {sorted(group)}: name a CREMI file")
        if dataset.external or dataset.is_virtual:
            raise BadInput(f"{where} takes its values from other files, which are not read; copy it into one file")
        fits = dataset.shape is not None and len(dataset.shape) == len(shape)
        if not fits or any(wanted not in (None, size) for wanted, size in zip(shape, dataset.shape, strict=True)):
            asked = ", ".join("any" if size is None else f"{size:,}" for size in shape)
            raise BadInput(f"{where} has shape {dataset.shape}, but ({asked}) belongs to its ids; correct the file")
        if dataset.shape[0] > MOST_SITES:
            raise BadInput(
                f"{where} has {dataset.shape[0]:,} rows; at most {MOST_SITES:,} are read from a file: split it"
            )
        try:
            return np.asarray(dataset[()])
        except (OSError, ValueError, TypeError) as error:
            raise BadInput(f"{where} cannot be read, it is cut off or packed in a way unknown here: {error}") from error

    def _whole_numbers(self, group: h5py.Group, name: str, shape: tuple[int | None, ...]) -> npt.NDArray[Any]:
        values = self._values(group, name, shape)
        if not np.issubdtype(values.dtype, np.integer):
            raise BadInput(
                f"{self._path}: dataset 'annotations/{name}' holds {values.dtype}, but ids are whole numbers"
            )
        return values

    def _numbers(self, values: npt.NDArray[Any], what: str) -> npt.NDArray[np.float64]:
        if values.dtype.kind not in "iuf":
            raise BadInput(
                f"{self._path}: '{what}' of annotations holds {values.dtype}, but it is numbers (z, y, x; nm)"
            )
        return values.astype(np.float64)

    def _offset(self, group: h5py.Group) -> npt.NDArray[np.float64]:
        if "offset" not in group.attrs:
            return np.zeros(3)
        offset = self._numbers(np.asarray(group.attrs["offset"]).reshape(-1), "offset")
        if offset.shape != (3,) or not np.isfinite(offset).all():
            raise BadInput(
                f"{self._path}: 'offset' of annotations is {offset.tolist()}, but it is three numbers (z, y, x; nm)"
            )
        return offset
