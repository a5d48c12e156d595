"""What a dataset file says of its tables of synapses and of neurons. Reading them belongs to `synapse_assets.sources`.

A source names its format. `points` and `neurons` are the generic readers, for which the dataset file maps the columns; the
files in `formats/` are ready-made mappings of tables that labs hold (`format: flywire_v783`), filled in before validation.
"""

from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, model_validator

from synapse_assets.datasets.base import Frozen
from synapse_assets.datasets.variables import Location
from synapse_assets.datasets.volumes import Xyz
from synapse_assets.errors import BadInput

FORMATS = Path(__file__).parent / "formats"


class Columns(Frozen):
    """Which column of a table of synapses holds what. An empty entry means that the file does not have it."""

    x: str | None = Field("x", description="Coordinate along x.")
    y: str | None = Field("y", description="Coordinate along y.")
    z: str | None = Field("z", description="Coordinate along z.")
    position: str | None = Field(
        None, description="One column with three numbers (a list, or text like '[1 2 3]'), in place of x, y and z."
    )
    synapse_id: str | None = Field(None, description="Without one, ids are made from the position and the neurons.")
    brain_region: str | None = Field(None, description="The brain region.")
    neuron_id: str | None = Field(None, description="The presynaptic neuron.")
    partner_id: str | None = Field(None, description="The postsynaptic neuron.")
    hemilineage: str | None = Field(None, description="The hemilineage of the neuron.")
    target: str | None = Field(None, description="The known class.")
    section: str | None = Field(None, description="The section number.")
    object_id: str | None = Field(None, description="The physical object that several points may share.")
    score: str | None = Field(None, description="The confidence of the detection.")

    @model_validator(mode="before")
    @classmethod
    def _position_replaces_xyz(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("position"):
            axes = [axis for axis in "xyz" if values.get(axis)]
            if axes:
                raise ValueError(f"columns name both position and {axes}: give the one or the other")
            return {**values, "x": None, "y": None, "z": None}
        return values


class _Table(Frozen):
    name: str = Field(pattern=r"^[A-Za-z0-9_]+$", description="Short name of the source.")
    path: Location = Field(
        description="A file; a folder, whose files are read, with those in folders such as neuropil=EB, which give their column; a glob "
        "such as data/*.csv; an http(s) address; or a manifest, a text "
        "file that ends in .manifest (local or at an address) and names one path or address a line."
    )


class _Rows(_Table):
    """A table whose columns are mapped: by suffix .csv, .tsv (also .gz), .parquet, .feather, .json, or an SQLite .db, .sqlite."""

    header: list[str] | None = Field(None, description="Names of the columns, for a CSV or TSV file without a header.")
    table: str | None = Field(None, description="Name of the table in an SQLite file.")
    neuron_id_offset: int = Field(0, description="Added to every neuron id, where the file leaves out a common part.")
    class_names: dict[str, str] = Field({}, description="Class names by their name in the file; others stay.")


class _InVolume(Frozen):
    volume: str = Field(description="Name of the volume that the points lie in.")
    space: str | None = Field(None, description="Coordinate space of the points; without one, the volume's.")
    transform: str | None = Field(None, description="Named way from that space to the volume's, see `spaces`.")
    id_prefix: str = Field("", description="Put before every id, for sources whose ids repeat between files.")
    brain_region: str | None = Field(None, description="Region of every row, where the file has no such column.")


class PointsSource(_Rows, _InVolume):
    """A table of synapses by the mapping of its columns."""

    format: Literal["points"]
    columns: Columns = Columns()
    units: Literal["nm", "voxel"] = Field(description="Unit of the coordinates: nanometres, or voxels.")
    voxel_size_nm: Xyz | None = Field(
        None, description="Size of the voxels that the coordinates count, where it is not that of the volume."
    )
    axis_order: Literal["xyz", "zyx"] = Field("xyz", description="Order of the three numbers of a position column.")
    target_value: str | None = Field(None, description="Class of every row, where the file has no such column.")
    id_from: list[str] = Field(
        [],
        description="Columns that an id is made of, where the file has none; otherwise position, neuron and partner.",
    )
    minimum: dict[str, float] = Field({}, description="Rows whose value in that column is lower are left out.")
    only: dict[str, list[str]] = Field({}, description="Rows whose value in that column is another one are left out.")
    leave_out_autapses: bool = Field(False, description="Leave out rows whose neuron is its own partner.")

    @model_validator(mode="after")
    def _complete(self) -> "PointsSource":
        if self.leave_out_autapses and not (self.columns.neuron_id and self.columns.partner_id):
            raise ValueError("leave_out_autapses needs the columns neuron_id and partner_id")
        if self.voxel_size_nm and self.units == "nm":
            raise ValueError("voxel_size_nm is for coordinates in voxels: leave it out, or say units: voxel")
        if self.target_value and self.columns.target:
            raise ValueError("target_value is for files without a column of classes: leave it out, or columns.target")
        if self.neuron_id_offset and not self.columns.neuron_id:
            raise ValueError("neuron_id_offset needs the column neuron_id")
        if self.id_from and self.columns.synapse_id:
            raise ValueError("id_from is for files without ids: leave it out, or the column synapse_id")
        if not self.columns.position and not (self.columns.x and self.columns.y and self.columns.z):
            raise ValueError("columns name neither x, y and z nor one position")
        if self.axis_order == "zyx" and not self.columns.position:
            raise ValueError("axis_order zyx is for a position column; columns x, y and z are known by their names")
        return self


class SynisterSource(_Table, _InVolume):
    """Synapses of a Synister export: version 3 (objects keyed by id, nm) or the consolidated list of version 4 (nm)."""

    format: Literal["synister_v3", "synister_v4"]


class CremiSource(_Table, _InVolume):
    """Sites of one side of the synapses in the annotations of an HDF5 file in the layout of the CREMI challenge (nm)."""

    format: Literal["cremi"]
    sites: Literal["presynaptic", "postsynaptic"] = Field(
        description="Which sites are read. Of postsynaptic ones, the presynaptic partner is kept as object_id."
    )


class CaveSource(_InVolume):
    """Synapses of a CAVE table or view at one materialisation, fetched with caveclient (extra `cave`)."""

    format: Literal["cave"]
    name: str = Field(pattern=r"^[A-Za-z0-9_]+$", description="Short name of the source.")
    datastack: str = Field(description="Name of the datastack.")
    table: str = Field(description="Name of the table or view.")
    materialization: Annotated[int, Field(ge=1)] = Field(description="Version; a number, so that a rerun is the same.")
    server: Location | None = Field(None, description="Address of the server, where it is not the public one.")
    columns: Columns
    minimum: dict[str, float] = Field({}, description="Rows whose value in that column is lower are left out.")
    leave_out_autapses: bool = Field(True, description="Leave out rows whose neuron is its own partner.")

    @model_validator(mode="after")
    def _complete(self) -> "CaveSource":
        if not self.columns.position:
            raise ValueError("a CAVE table gives positions in one column: name it in columns.position")
        if self.leave_out_autapses and not (self.columns.neuron_id and self.columns.partner_id):
            raise ValueError("leave_out_autapses needs the columns neuron_id and partner_id")
        return self


Source = Annotated[PointsSource | SynisterSource | CremiSource | CaveSource, Field(discriminator="format")]


class NeuronColumns(Frozen):
    """Which column of a table of neurons holds what."""

    neuron_id: str = Field(description="The neuron.")
    known_classes: str | None = Field(None, description="Known classes: none, one, or several separated by , ; or /.")
    hemilineage: str | None = Field(None, description="Its hemilineage.")
    cell_type: str | None = Field(None, description="Its cell type.")
    side: str | None = Field(None, description="Its side of the brain.")


class NeuronTable(_Rows):
    """A table of neurons by the mapping of its columns."""

    format: Literal["neurons"]
    columns: NeuronColumns
    known_class_from: dict[str, list[str]] = Field(
        {},
        description="Take the class only in rows whose column has one of these values, such as a source of evidence.",
    )


class SynisterNeurons(Frozen):
    """Skeletons of a Synister version 3 export, with the file that names their hemilineages."""

    format: Literal["synister_v3_skeletons"]
    name: str = Field(pattern=r"^[A-Za-z0-9_]+$", description="Short name of the source.")
    path: Location = Field(description="The file of skeletons.")
    hemi_lineages: Location = Field(description="The file that names their hemilineages.")


NeuronSource = Annotated[NeuronTable | SynisterNeurons, Field(discriminator="format")]


def format_names() -> list[str]:
    """Names of the ready-made mappings."""
    return sorted(path.stem for path in FORMATS.glob("*.yaml"))


def read_format(name: str) -> dict[str, Any]:
    """A ready-made mapping: `title`, `about`, `recognise` (columns that tell it), and under `source` the fields of a source.

    Raises BadInput for an unknown name.
    """
    path = FORMATS / f"{name}.yaml"
    if name not in format_names():
        raise BadInput(
            f"no format '{name}': one of {format_names()}, or points, neurons, synister_v3, synister_v4, "
            "synister_v3_skeletons, cremi, cave"
        )
    return deepcopy(_read(path))


@cache
def _read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content


def fill_in_format(source: Any) -> Any:
    """The fields of one source of a dataset file, a ready-made mapping replaced by what it stands for.

    Fields of the source itself win; its `columns` are merged name by name. Anything that is no such source stays as it is.
    """
    if not isinstance(source, dict) or source.get("format") not in format_names():
        return source
    mapping = read_format(str(source["format"]))["source"]
    merged = {**mapping, **{key: value for key, value in source.items() if key != "format"}}
    if isinstance(source.get("columns"), dict):
        merged["columns"] = {**mapping.get("columns", {}), **source["columns"]}
    return merged
