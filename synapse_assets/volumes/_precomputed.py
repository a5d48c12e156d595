"""Neuroglancer precomputed volumes: which scale is meant, and reading it with tensorstore."""

import os
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import tensorstore as ts

from synapse_assets.datasets import ArraySpec
from synapse_assets.errors import BadInput
from synapse_assets.volumes._stored import open_store
from synapse_assets.volumes._values import GREY, Values

# Suffixes that cloud-volume gives to compressed objects on file://; tensorstore looks for the bare name.
_COMPRESSED_SUFFIXES = (".gz", ".br", ".zstd", ".bz2", ".xz")
_FILES_LOOKED_AT = 20_000
_LABEL_ENCODINGS = ("compressed_segmentation", "compresso", "crackle")
# JPEG chunks take about half a byte a voxel: a 64x64x64 chunk of FAFB v14 is 127,808 bytes. Everything else is
# counted as raw, which is the upper bound.
_JPEG_BYTES_PER_VOXEL = 0.5


@dataclass(frozen=True)
class Scale:
    """One scale of a precomputed volume; offset, size and chunk are x, y, z in voxels."""

    index: int
    key: str
    offset: tuple[int, int, int]
    size: tuple[int, int, int]
    chunk: tuple[int, int, int]
    dtype: str
    bytes_per_voxel: float


def chosen_scale(info: dict[str, Any], spec: ArraySpec, values: Values, where: str) -> Scale:
    """The scale of the file 'info' that has `spec`'s voxel size.

    Raises BadInput where there is none, where `info` is not that of a precomputed volume, and where the volume is not
    one channel of `values`.
    """
    try:
        dtype, channels = str(info["data_type"]), int(info["num_channels"])
        scales = [(tuple(float(v) for v in scale["resolution"]), scale) for scale in info["scales"]]
        encodings = {str(scale["encoding"]) for _, scale in scales}
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(
            f"{where}: its file 'info' is not that of a neuroglancer precomputed volume: {error!r}"
        ) from error
    labels = sorted(encodings.intersection(_LABEL_ENCODINGS))
    if values is GREY and (labels or (info.get("type") == "segmentation" and dtype != "uint8")):
        encoded = f" encoded as {labels[0]}" if labels else ""
        raise BadInput(
            f"{where}: it is a segmentation ({dtype} labels{encoded}), but a volume holds 8-bit grey values; give the "
            "url of the image layer"
        )
    if not values.accepts(dtype):
        raise BadInput(f"{where}: its values are {dtype}, but {values.asked}")
    if channels != 1:
        raise BadInput(
            f"{where}: it has {channels} channels, but a {values.volume} holds {values.channel}; extract one"
        )
    fits = [
        i for i, (resolution, _) in enumerate(scales) if np.allclose(resolution, spec.voxel_size_nm, rtol=1e-6, atol=0)
    ]
    if not fits:
        available = ", ".join("x".join(f"{v:g}" for v in resolution) for resolution, _ in scales)
        requested = "x".join(f"{v:g}" for v in spec.voxel_size_nm)
        raise BadInput(
            f"{where}: no scale of voxel_size_nm {requested}; there are {available}: set voxel_size_nm to one of them"
        )
    scale = scales[fits[0]][1]
    if scale["encoding"] not in values.encodings:
        raise BadInput(
            f"{where}: its chunks are encoded as {scale['encoding']}; {', '.join(values.encodings)} can be read: write "
            "the volume again as one of them"
        )
    try:
        chosen = Scale(
            index=fits[0],
            key=str(scale["key"]),
            offset=_xyz(scale.get("voxel_offset", (0, 0, 0))),
            size=_xyz(scale["size"]),
            chunk=_xyz(scale["chunk_sizes"][0]),
            dtype=dtype,
            bytes_per_voxel=_JPEG_BYTES_PER_VOXEL if scale["encoding"] == "jpeg" else float(np.dtype(dtype).itemsize),
        )
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise BadInput(
            f"{where}: scale {fits[0]} in its file 'info' is not that of a neuroglancer precomputed volume: {error!r}"
        ) from error
    if spec.offset_voxels is not None and spec.offset_voxels != chosen.offset:
        raise BadInput(
            f"{where}: offset_voxels {spec.offset_voxels} in the dataset, but its file 'info' says {chosen.offset}: "
            "leave offset_voxels out, a precomputed volume says it itself"
        )
    return chosen


def open_scale(
    store: str | dict[str, Any], scale: Scale, where: str, context: ts.Context, timeout_s: float
) -> ts.TensorStore:
    """The array of `scale`, axes z, y, x, of the volume at tensorstore's description `store`."""
    array = open_store(
        {"driver": "neuroglancer_precomputed", "kvstore": store, "scale_index": scale.index}, where, context, timeout_s
    )
    return array[ts.d["channel"][0]].transpose(["z", "y", "x"])


def segment_labels(properties: dict[str, Any], file: str, where: str) -> dict[int, str]:
    """The label of each id in the content of a neuroglancer `segment_properties` file; none where it has no labels.

    Raises BadInput where it is not such a file, or has more or fewer labels than ids.
    """
    try:
        inline = properties["inline"]
        ids = [int(number) for number in inline["ids"]]
        columns = [[str(v) for v in p["values"]] for p in inline["properties"] if p["type"] == "label"]
        return dict(zip(ids, columns[0], strict=True)) if columns else {}
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(
            f"{where}: its file '{file}' does not hold the segment properties of a neuroglancer volume: {error!r}. Give names "
            "in the dataset, or correct the file"
        ) from error


def compressed_file(folder: Path) -> str | None:
    """Name of a chunk file in `folder` whose suffix says that it is compressed, if one of the first 20,000 is."""
    if not folder.is_dir():
        return None
    with os.scandir(folder) as entries:
        return next((e.name for e in islice(entries, _FILES_LOOKED_AT) if e.name.endswith(_COMPRESSED_SUFFIXES)), None)


def _xyz(values: Any) -> tuple[int, int, int]:
    x, y, z = (int(v) for v in values)
    return x, y, z
