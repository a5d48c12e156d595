"""What a dataset file says of its volumes and of the tiles cut from them. Opening volumes belongs to `synapse_assets.volumes`."""

from typing import Annotated, Literal

from pydantic import Field

from synapse_assets.datasets.base import Frozen

PositiveNm = Annotated[float, Field(gt=0)]
Xyz = tuple[PositiveNm, PositiveNm, PositiveNm]


class VolumeSpec(Frozen):
    """One electron-microscopy volume (8-bit grey values)."""

    kind: Literal["precomputed", "zarr", "n5", "images"] = Field(
        description="precomputed (neuroglancer), zarr (2 or 3) or n5 array, or images: a folder of TIFF or PNG sections, sorted by name."
    )
    url: str = Field(description="Folder or URL (file://, http(s)://, gs://, s3://) of the volume.")
    voxel_size_nm: Xyz = Field(description="Size of one voxel along x, y, z in nanometres.")
    offset_voxels: tuple[int, int, int] = Field(
        (0, 0, 0), description="Voxel coordinates of the first voxel; for precomputed volumes the file itself says it."
    )
    axis_order: Literal["xyz", "zyx"] = Field("zyx", description="Order of the array's axes for zarr and n5.")
    space: str = Field(
        "local", description="Name of the coordinate space; points of another space are not cropped from it."
    )
    missing_chunks: Literal["error", "black"] = Field(
        "error", description="What an absent chunk means: an error, or black voxels (then counted as not valid)."
    )
    download_ceiling_gb: Annotated[float, Field(gt=0)] = Field(
        20.0, description="A run that would fetch more than this over the network is refused with its estimate."
    )


class TileSpec(Frozen):
    """The picture cut around each synapse."""

    size_px: Annotated[int, Field(ge=8, le=2048)] = Field(description="Width and height in voxels of the volume.")
    sections: Annotated[int, Field(ge=1, le=64)] = Field(3, description="Number of sections, centred on the synapse.")
