"""What a dataset file says of its volumes, of volumes of labels, and of the tiles cut from them.

Opening volumes belongs to `synapse_assets.volumes`.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from synapse_assets.datasets.base import Frozen
from synapse_assets.datasets.spaces import mismatch
from synapse_assets.datasets.variables import Location

PositiveNm = Annotated[float, Field(gt=0)]
Xyz = tuple[PositiveNm, PositiveNm, PositiveNm]
TileCodec = Literal["png", "zstd"]


# Fields of a volume that say how patiently it is read: they change no voxel.
PATIENCE = frozenset({"download_ceiling_gb", "timeout_s", "requests_per_second"})


class ArraySpec(Frozen):
    """Where the voxels of a volume lie and how they are read, whatever they hold."""

    kind: Literal["precomputed", "zarr", "n5", "hdf5", "images"] = Field(
        description="precomputed (neuroglancer), zarr (2 or 3) or n5 array, hdf5 file (as CREMI's), or images: a folder of TIFF or "
        "PNG sections, sorted by name, or one TIFF file of many pages."
    )
    url: Location = Field(
        description="Folder, file or URL (file://, http(s)://, gs://, s3://; precomputed: graphene:// too) of the volume; for zarr "
        "and n5 that of the array, or of the group of a pyramid, whose array of voxel_size_nm is read."
    )
    reader: Literal["tensorstore", "cloud-volume"] | None = Field(
        None,
        description="Library that reads a precomputed volume; empty for cloud-volume where tensorstore cannot (graphene://, chunk "
        "files compressed on this machine), tensorstore elsewhere.",
    )
    dataset: str = Field(
        "volumes/raw", min_length=1, description="Path of the array in an hdf5 file; its axes are z, y, x."
    )
    voxel_size_nm: Xyz = Field(
        description="Size of one voxel along x, y, z in nanometres; where the files say another one, the volume is refused."
    )
    offset_voxels: tuple[int, int, int] | None = Field(
        None,
        description="Voxel coordinates of the first voxel; empty for what the volume itself says (precomputed, hdf5), else 0, 0, 0.",
    )
    axis_order: Literal["xyz", "zyx"] = Field(
        "zyx",
        description="Order of the array's axes for zarr and n5; where the files say another one, the volume is refused.",
    )
    space: str = Field(
        "local", description="Name of the coordinate space; points of another space are not cropped from it."
    )
    missing_chunks: Literal["error", "black"] = Field(
        "error", description="What an absent chunk means: an error, or black voxels (then counted as not valid)."
    )
    timeout_s: Annotated[float, Field(gt=0)] = Field(
        120.0, description="Time in seconds that one read over the network may take, with its retries; then it fails."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.reader == "cloud-volume" and self.kind != "precomputed":
            raise ValueError(f"reader cloud-volume is for precomputed volumes, not for {self.kind}; leave it out")
        if self.axis_order == "xyz" and self.kind not in ("zarr", "n5"):
            raise ValueError(f"axis_order is for zarr and n5, not for {self.kind}; leave it out")
        return self


class VolumeSpec(ArraySpec):
    """One electron-microscopy volume (8-bit grey values)."""

    requests_per_second: Annotated[float, Field(gt=0)] | None = Field(
        None,
        description="Most chunks asked for over the network in a second, on average and in each process; null for no limit.",
    )
    download_ceiling_gb: Annotated[float, Field(gt=0)] = Field(
        20.0, description="A run that would fetch more than this over the network is refused with its estimate."
    )


class LabelVolumeSpec(ArraySpec):
    """A volume of ids: a segmentation of neurons, a map of brain regions, or a mask.

    Its values are whole numbers; 0 and the largest value of an unsigned type mean that no object is there.
    """

    dataset: str = Field(
        "volumes/labels/neuron_ids",
        min_length=1,
        description="Path of the array in an hdf5 file; its axes are z, y, x.",
    )
    space: str = Field(
        "local", description="Name of the coordinate space; points of another space are not looked up in it."
    )
    missing_chunks: Literal["error", "black"] = Field(
        "black", description="What an absent chunk means: that no object is there (black), or an error."
    )


class LabelsFrom(Frozen):
    """A label volume that names the brain region, or the neuron, of points that have none of their own."""

    of: Literal["brain_region", "neuron_id"] = Field(description="What its ids are.")
    volume: str | None = Field(None, description="Name of the volume that it belongs to; empty for the only one.")
    labels: LabelVolumeSpec
    names: dict[int, str] = Field(
        {},
        description="Names of brain regions by id. Empty: those that a precomputed volume says itself, else region_<id>.",
    )

    @model_validator(mode="after")
    def _complete(self) -> "LabelsFrom":
        if self.names and self.of != "brain_region":
            raise ValueError("names are of brain regions: leave them out for neuron_id")
        return self


def check_labels_from(labels_from: Sequence[LabelsFrom], volumes: Mapping[str, VolumeSpec]) -> None:
    """Raises ValueError for label volumes of a volume that there is not, of another space than theirs, or two of the same thing."""
    taken = set()
    for entry in labels_from:
        if entry.volume is None and len(volumes) > 1:
            raise ValueError(f"labels_from {entry.of} names no volume, and there are {list(volumes)}: name one")
        name = entry.volume or next(iter(volumes))
        if name not in volumes:
            raise ValueError(f"labels_from {entry.of} is of volume '{name}', which is not one of {list(volumes)}")
        if (entry.of, name) in taken:
            raise ValueError(f"labels_from gives {entry.of} of volume '{name}' twice: keep one")
        taken.add((entry.of, name))
        why_not = space_mismatch(entry.labels, volumes[name])
        if why_not is not None:
            raise ValueError(f"labels_from {entry.of} of volume '{name}' {why_not}")


def space_mismatch(labels: LabelVolumeSpec, volume: VolumeSpec) -> str | None:
    """Why a label volume does not belong to a volume, if so. One that names no space lies in that of the volume."""
    if "space" not in labels.model_fields_set:
        return None
    why_not = mismatch(labels.space, volume.space, None)
    return None if why_not is None else f"is in space {labels.space}, the volume in {volume.space}: {why_not}"


class TileSpec(Frozen):
    """The picture cut around each synapse."""

    size_px: Annotated[int, Field(ge=8, le=2048)] = Field(description="Width and height in voxels of the volume.")
    sections: Annotated[int, Field(ge=1, le=64)] = Field(3, description="Number of sections, centred on the synapse.")
    codec: TileCodec = Field(
        "png",
        description="How tiles that are cut from now on are stored, without loss: png, which any viewer opens, or zstd, encoded "
        "over ten times and decoded six times as fast, for large tables. Stored tiles stay as they are; a table may hold both.",
    )
