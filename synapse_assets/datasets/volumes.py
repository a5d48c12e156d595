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
    """A volume of labels that says the region or the neuron of points that have none of their own."""

    of: Literal["brain_region", "neuron_id"] = Field(
        description="What its ids are: brain regions, or neurons as the tables of neurons number them."
    )
    labels: LabelVolumeSpec = Field(
        description="Where it lies, in the space of the volume; its voxels may be of another size. Id 0 is none."
    )
    volume: str | None = Field(
        None, description="The one of `volumes` whose points are looked up in it; empty where there is only one."
    )
    names: dict[Annotated[int, Field(gt=0)], Annotated[str, Field(min_length=1)]] = Field(
        {},
        description="Names of brain regions by id. Others have the label that a precomputed volume itself gives them in its "
        "segment_properties, else region_ and the id.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> "LabelsFrom":
        if self.names and self.of == "neuron_id":
            raise ValueError("names are for labels of brain_region; ids of neurons stay numbers: leave names out")
        return self


def check_labels_from(labels_from: Sequence[LabelsFrom], volumes: Mapping[str, VolumeSpec]) -> None:
    """Raises ValueError for a volume of labels that belongs to none of the volumes, or lies in another space than its volume."""
    for labels in labels_from:
        name = labels.volume or next(iter(volumes))
        if name not in volumes:
            raise ValueError(
                f"labels_from names the volume '{name}', which is not one of {list(volumes)}: name one of them"
            )
        if labels.volume is None and len(volumes) > 1:
            raise ValueError(
                f"labels_from does not say for which of the volumes {list(volumes)} its {labels.of} is: add volume: {name}"
            )
        space = volumes[name].space
        if labels.labels.space != space:
            raise ValueError(
                f"labels_from: the {labels.of} labels are in space {labels.labels.space}, volume '{name}' in {space}: points of one "
                f"cannot be looked up in the other. Where they are in the same, add space: {space} to the labels"
            )


def space_mismatch(labels: LabelVolumeSpec, volume: VolumeSpec) -> str | None:
    """Why a mask does not belong to a volume, if so. One that names no space lies in that of the volume."""
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
