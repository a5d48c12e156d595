"""Opening a volume of any kind as one tensorstore array with axes z, y, x: of 8-bit grey values, or of labels.

Which reader a volume needs is decided here; how each file format is read is in the modules beside this one. What is
the same for all of them, reading boxes, is in `_opened.py`.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tensorstore as ts

from synapse_assets.datasets import ArraySpec
from synapse_assets.errors import BadInput
from synapse_assets.volumes._addresses import is_remote, local_path, open_files, plain_address, store_spec
from synapse_assets.volumes._cloud_volume import open_cloud_volume
from synapse_assets.volumes._context import Retries, reading_context
from synapse_assets.volumes._errors import is_missing_chunk, is_network_error
from synapse_assets.volumes._hdf5 import open_hdf5
from synapse_assets.volumes._images import open_images
from synapse_assets.volumes._precomputed import Scale, chosen_scale, compressed_file, open_scale, segment_labels
from synapse_assets.volumes._stored import open_array_of, read_json
from synapse_assets.volumes._values import LABELS, Values

__all__ = ["Array", "is_missing_chunk", "is_network_error", "names_of_segments", "open_array"]

_ONLY_CLOUD_VOLUME = ("graphene://", "middleauth+")


@dataclass(frozen=True)
class Array:
    """An opened volume. Shapes and origins are (z, y, x) in voxels; `where` is how messages name the volume.

    `remarks`: what its files leave open, a sentence each.
    """

    store: ts.TensorStore
    values: Values
    origin: npt.NDArray[np.int64]
    shape: npt.NDArray[np.int64]
    grid_origin: npt.NDArray[np.int64]
    chunk_shape: npt.NDArray[np.int64]
    bytes_per_voxel: float
    remote: bool
    where: str
    remarks: tuple[str, ...] = ()


def open_array(spec: ArraySpec, values: Values, retries: Retries) -> Array:
    """The array that `spec` describes, axes z, y, x, in voxel coordinates of the volume.

    Raises BadInput where nothing is there, or it is not one channel of `values`.
    """
    where = f"{spec.kind} {values.volume} '{spec.url}'"
    url = plain_address(spec.url)
    remote = is_remote(url)
    if not remote:
        path = local_path(url, spec.url)
        if spec.kind != "images" and path.is_dir() == (spec.kind == "hdf5"):
            actual, expected = ("folder", "file") if path.is_dir() else ("file", "folder")
            raise BadInput(f"{where}: {path} is a {actual}, but such a volume is a {expected}; check its kind and url")
        url = str(path)
    context = reading_context(retries)
    bytes_per_voxel: float | None = None
    remarks: tuple[str, ...] = ()
    if spec.kind in ("hdf5", "images"):
        if remote:
            raise BadInput(f"{where}: it is read from this machine only; copy it here, or convert it to zarr")
        if spec.kind == "hdf5":
            store = open_hdf5(Path(url), spec, values, where, context)
        else:
            store, remarks = open_images(Path(url), spec, values, where, context)
    elif spec.kind == "precomputed":
        store, scale = _open_precomputed(url, spec, values, where, context)
        bytes_per_voxel = scale.bytes_per_voxel
    else:
        store, remarks = open_array_of(url, spec, where, context)
    if not values.accepts(store.dtype.name):
        raise BadInput(f"{where}: its values are {store.dtype.name}, but {values.asked}")
    layout = store.chunk_layout
    shape = np.array(store.domain.shape, dtype=np.int64)
    chunks = layout.read_chunk.shape
    return Array(
        store=store,
        values=values,
        origin=np.array(store.domain.inclusive_min, dtype=np.int64),
        shape=shape,
        grid_origin=np.array(layout.grid_origin, dtype=np.int64),
        chunk_shape=np.maximum(np.array(chunks if chunks is not None else shape, dtype=np.int64), 1),
        bytes_per_voxel=bytes_per_voxel or float(store.dtype.numpy_dtype.itemsize),
        remote=remote,
        where=where,
        remarks=remarks,
    )


def _open_precomputed(
    url: str, spec: ArraySpec, values: Values, where: str, context: ts.Context
) -> tuple[ts.TensorStore, Scale]:
    address = url if is_remote(url) else f"file://{url}"
    if url.startswith("graphene://") and values is LABELS:
        raise BadInput(
            f"{where}: what such a server calls a segment is a piece of a neuron, and which neuron that is changes; give the "
            "precomputed segmentation of one materialization"
        )
    if url.startswith(_ONLY_CLOUD_VOLUME):
        if spec.reader == "tensorstore":
            raise BadInput(f"{where}: only cloud-volume reads such an address; leave reader out")
        return open_cloud_volume(address, spec, values, where, context)
    if spec.reader == "cloud-volume":
        return open_cloud_volume(address, spec, values, where, context)
    info = read_json(open_files(url, where, context), "info", where, spec.timeout_s)
    if info is None:
        raise BadInput(f"{where}: there is no file 'info' in it, so no neuroglancer precomputed volume; check its url")
    scale = chosen_scale(info, spec, values, where)
    compressed = None if is_remote(url) else compressed_file(Path(url) / scale.key)
    if compressed and spec.reader == "tensorstore":
        raise BadInput(
            f"{where}: chunk file '{scale.key}/{compressed}' is compressed under a name that tensorstore does not "
            "look for (cloud-volume writes gzip on file:// so): leave reader out, or write the volume again with "
            "compress=False"
        )
    if compressed:
        return open_cloud_volume(address, spec, values, where, context)
    return open_scale(store_spec(url), scale, where, context, spec.timeout_s), scale


def names_of_segments(spec: ArraySpec, where: str, retries: Retries) -> dict[int, str]:
    """The labels that the `segment_properties` of a precomputed volume give its ids, where they lie in its files.

    Raises BadInput where such properties cannot be read, ConnectionError where the network fails after retries.
    """
    url = plain_address(spec.url)
    if spec.kind != "precomputed" or url.startswith(_ONLY_CLOUD_VOLUME):
        return {}
    url = url if is_remote(url) else str(local_path(url, spec.url))
    files = open_files(url, where, reading_context(retries))
    folder = (read_json(files, "info", where, spec.timeout_s) or {}).get("segment_properties")
    if not isinstance(folder, str):
        return {}
    if ".." in folder.split("/") or "://" in folder:
        raise BadInput(
            f"{where}: its 'segment_properties' '{folder}' lie outside its folder and are not read; give names in the dataset"
        )
    name = f"{folder.strip('/')}/info"
    properties = read_json(files, name, where, spec.timeout_s)
    if properties is None:
        raise BadInput(f"{where}: its 'segment_properties' lie in '{name}', which is not there; complete it")
    return segment_labels(properties, name, where)
