"""What a dataset file says of its tables of synapses. Reading them belongs to `synapse_assets.sources`."""

from typing import Annotated, Literal

from pydantic import Field

from synapse_assets.datasets.base import Frozen


class Columns(Frozen):
    """Which column of the file holds what. An empty entry means that the file does not have it."""

    x: str = "x"
    y: str = "y"
    z: str = "z"
    synapse_id: str | None = Field(None, description="Without one, ids are made from the position.")
    brain_region: str | None = None
    neuron_id: str | None = None
    hemilineage: str | None = None
    target: str | None = None
    section: str | None = None
    object_id: str | None = None
    score: str | None = None


class _Source(Frozen):
    name: str = Field(pattern=r"^[A-Za-z0-9_]+$", description="Short name of the source.")
    volume: str = Field(description="Name of the volume that the points lie in.")
    space: str | None = Field(None, description="Coordinate space of the points; it must be the volume's.")
    id_prefix: str = Field("", description="Put before every id, for sources whose ids repeat between files.")
    brain_region: str | None = Field(None, description="Region of every row, where the file has no such column.")


class PointsSource(_Source):
    """A table of points: CSV, TSV, Parquet or Feather, by file name."""

    format: Literal["points"]
    path: str
    columns: Columns = Columns()
    units: Literal["nm", "voxel"] = Field(description="Unit of the coordinates: nanometres, or voxels of the volume.")
    target_value: str | None = Field(None, description="Class of every row, where the file has no such column.")


class SynisterSource(_Source):
    """The three JSON files of a Synister version 3 export; coordinates are nanometres."""

    format: Literal["synister_v3"]
    synapses: str
    skeletons: str
    hemi_lineages: str


Source = Annotated[PointsSource | SynisterSource, Field(discriminator="format")]
