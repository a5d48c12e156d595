"""A volume in an HDF5 file, in the layout of the CREMI challenge: axes z, y, x, resolution and offset beside it.

Only what is in the file itself is read: links to other files, storage in other files and datasets assembled of others
are refused, for whoever wrote the file would choose which files of this machine are opened.
"""

from collections import deque
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import tensorstore as ts

from synapse_assets.datasets import ArraySpec
from synapse_assets.errors import BadInput
from synapse_assets.volumes._chunked import Box, chunked
from synapse_assets.volumes._errors import missing_chunk
from synapse_assets.volumes._values import Values

# Read at once from a dataset without chunks: a few sections of a piece that holds a tile.
_PIECE = (4, 512, 512)
_SOFT_LINKS = 32
_MOST_NAMED = 12


def open_hdf5(path: Path, spec: ArraySpec, values: Values, where: str, context: ts.Context) -> ts.TensorStore:
    """The dataset `spec.dataset` of the file, axes z, y, x.

    Its attribute `offset` (nm; z, y, x) says the first voxel where `spec.offset_voxels` does not. A chunk that was
    never written counts as missing. Raises BadInput where the file cannot be read, has no such dataset, or not one of
    three axes that holds `values`, and where its attribute `resolution` (nm; z, y, x) or `element_size_um` (ImageJ's; um;
    z, y, x) is not `spec.voxel_size_nm`.
    """
    try:
        file = h5py.File(path, "r", locking="best-effort")
    except OSError as error:
        raise BadInput(f"{where}: it cannot be read as HDF5, it is another kind of file or cut off: {error}") from error
    dataset = _find(file, spec.dataset, where)
    _refuse_unreadable(dataset, values, f"{where}: its dataset '{spec.dataset}'", f"; the file holds {_contents(file)}")
    origin = _origin(dataset, spec, f"{where}: dataset '{spec.dataset}'")
    chunks = dataset.chunks

    def read(box: Box) -> npt.NDArray[Any]:
        first = tuple(side.start for side in box)
        try:
            if chunks and dataset.id.get_chunk_info_by_coord(first).byte_offset is None:
                raise missing_chunk(
                    f"chunk at {list(first)} (zyx) of dataset '{spec.dataset}' is missing, it was never written"
                )
            return np.asarray(dataset[box])
        except OSError as error:
            raise ValueError(f"chunk at {list(first)} (zyx) of dataset '{spec.dataset}': {error}") from error

    return chunked(
        read,
        dtype=dataset.dtype,
        shape=dataset.shape,
        origin=origin,
        chunk_shape=chunks or tuple(min(a, b) for a, b in zip(_PIECE, dataset.shape, strict=True)),
        context=context,
    )


def _contents(file: h5py.File) -> str:
    names: list[str] = []

    def note(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            names.append(f"'{name}' {item.shape} {item.dtype}")

    file.visititems(note)  # follows no links out of the file
    if not names:
        return "no datasets"
    further = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + further


def _find(file: h5py.File, name: str, where: str) -> h5py.Dataset:
    """The dataset of that name, following links inside the file but none out of it."""
    here, parts, turns = file["/"], deque(part for part in name.split("/") if part), 0
    while parts:
        part = parts.popleft()
        link = here.get(part, getlink=True) if isinstance(here, h5py.Group) else None
        if isinstance(link, h5py.ExternalLink):
            raise BadInput(
                f"{where}: '{name}' is a link into another file ('{link.filename}'), which is not followed; give the "
                "url and dataset of that file"
            )
        if isinstance(link, h5py.SoftLink) and turns < _SOFT_LINKS:
            here, turns = (file["/"] if link.path.startswith("/") else here), turns + 1
            parts.extendleft(reversed([p for p in link.path.split("/") if p]))
        elif isinstance(link, h5py.HardLink):
            here = here[part]
        else:
            here = None
            break
    if not isinstance(here, h5py.Dataset):
        raise BadInput(f"{where}: no dataset '{name}' in it; it holds {_contents(file)}: set dataset to one of them")
    return here


def _refuse_unreadable(dataset: h5py.Dataset, values: Values, label: str, holds: str) -> None:
    if dataset.external or dataset.is_virtual:
        raise BadInput(f"{label} takes its values from other files, which are not read; copy it into one file")
    if dataset.ndim != 3 or 0 in dataset.shape:
        raise BadInput(f"{label} has shape {dataset.shape}, but a volume has three axes z, y, x{holds}: set dataset")
    if not values.accepts(dataset.dtype):
        raise BadInput(f"{label} holds {dataset.dtype}, but {values.asked}{holds}")
    if dataset.id.get_storage_size() == 0:
        raise BadInput(f"{label} holds no values, none were ever written; complete the file")
    created = dataset.id.get_create_plist()
    filters = [created.get_filter(i) for i in range(created.get_nfilters())]
    unknown = [name.decode() or str(code) for code, _, _, name in filters if not h5py.h5z.filter_avail(code)]
    if unknown:
        raise BadInput(
            f"{label} is compressed with the HDF5 filter {unknown[0]}, which is not installed here; rewrite it with gzip"
        )


def _triple(dataset: h5py.Dataset, name: str, label: str) -> npt.NDArray[np.float64] | None:
    """The attribute `name`, x, y, z."""
    if name not in dataset.attrs:
        return None
    try:
        values = np.asarray(dataset.attrs[name], dtype=np.float64).reshape(-1)
    except (TypeError, ValueError) as error:
        raise BadInput(f"{label}: its attribute '{name}' is no numbers: {error}") from error
    if values.shape != (3,) or not np.isfinite(values).all():
        raise BadInput(f"{label}: its attribute '{name}' is {values.tolist()}, but it is three numbers z, y, x in nm")
    return values[::-1]


def _origin(dataset: h5py.Dataset, spec: ArraySpec, label: str) -> tuple[int, int, int]:
    """The first voxel, z, y, x."""
    for name, unit_nm in (("resolution", 1.0), ("element_size_um", 1e3)):
        resolution = _triple(dataset, name, label)
        if resolution is not None and not np.allclose(resolution * unit_nm, spec.voxel_size_nm, rtol=1e-5, atol=0):
            raise BadInput(
                f"{label}: its attribute '{name}' is {(resolution * unit_nm).tolist()} nm (xyz), but voxel_size_nm is "
                f"{list(spec.voxel_size_nm)}: set voxel_size_nm to that of the file"
            )
    offset_nm = _triple(dataset, "offset", label)
    x, y, z = spec.offset_voxels or (0, 0, 0)
    if spec.offset_voxels is None and offset_nm is not None:
        offset = offset_nm / np.array(spec.voxel_size_nm)
        x, y, z = (int(v) for v in np.rint(offset))
        if np.abs(offset - (x, y, z)).max() > 1e-3:
            raise BadInput(
                f"{label}: its attribute 'offset' is {offset_nm.tolist()} nm (xyz), no whole number of voxels of "
                f"{list(spec.voxel_size_nm)}: set offset_voxels in the dataset"
            )
    return z, y, x
