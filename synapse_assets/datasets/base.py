"""What every dataset description shares: its name, how it is published, that it is immutable, and that a misspelt field is an error."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field

from synapse_assets.datasets.variables import FreeText
from synapse_assets.errors import BadInput

if TYPE_CHECKING:
    from synapse_assets.datasets.em import EncoderChoice
    from synapse_assets.datasets.volumes import TileSpec, VolumeSpec


class Frozen(BaseModel):
    """A typed, immutable part of a dataset file; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Author(Frozen):
    """An author of a publication."""

    name: FreeText = Field(min_length=1, description="Name as it is printed.")
    orcid: Annotated[str, Field(pattern=r"^\d{4}-\d{4}-\d{4}-\d{3}[\dX]$")] | None = Field(
        None, description="ORCID iD, such as 0000-0002-1825-0097."
    )


class Publication(Frozen):
    """What the web site of a release says of it beside its numbers, and which columns stay private."""

    title: FreeText | None = Field(None, description="Title of the paper or data set. Empty: the title of the dataset.")
    authors: list[Author] = Field([], description="Authors, in their order.")
    doi: Annotated[str, Field(pattern=r"^10\.\d{4,9}/[^\s\"<>]+$")] | None = Field(
        None, description="DOI of the paper or data set, such as 10.5281/zenodo.1234567, without https://doi.org/."
    )
    licence: FreeText | None = Field(
        None, description="Licence of what is published: an SPDX identifier such as CC-BY-4.0, or a sentence."
    )
    citation: FreeText | None = Field(None, description="How to cite it, as one line or as BibTeX.")
    text: FreeText = Field(
        "",
        description="Text of the title page, in Markdown. HTML in it is shown as it is typed; links go to http(s) only.",
    )
    leave_out: list[str] = Field(
        [],
        description="Columns that are not published, as `column` (in every table) or `table.column`. They are in no file and on no page of "
        "the site; nor are columns that hold the same values under another name.",
    )
    site: bool = Field(
        False,
        description="Whether the asset `site` writes the web site of every release. Without it, only `synapse-assets export-site` does.",
    )


class Dataset(Frozen):
    """What is common to the datasets of all chains."""

    name: str = Field(
        pattern=r"^[a-z][a-z0-9_]*$", description="Short name; the folder of its data and the prefix of its assets."
    )
    title: FreeText = Field(description="Name for readers.")
    description: FreeText = Field(description="What the data are and where they come from, for readers.")
    chain: str = Field(description="The kind of dataset, which decides what is made of it.")
    seed: int = Field(0, description="Seed of every draw: of samples, folds, maps and trainings.")
    publish: Publication | None = Field(
        None, description="What its web site says beside the numbers, and what stays private."
    )

    @property
    def parts(self) -> tuple[str, ...] | None:
        """The partitions of the dataset, where its file lists them; None where the data define them, as with brain regions."""
        return None

    @property
    def tile_volumes(self) -> "Mapping[str, VolumeSpec]":
        """The volumes that tiles are cut from, by name; empty for a dataset without images."""
        return {}

    @property
    def tile_spec(self) -> "TileSpec":
        """How tiles are cut. Raises BadInput for a dataset without images."""
        raise BadInput(f"{self.name} has no images to cut tiles from")

    @property
    def tile_encoder(self) -> "EncoderChoice":
        """How tiles become vectors. Raises BadInput for a dataset without images."""
        raise BadInput(f"{self.name} has no images to make vectors of")

    @property
    def tile_pixel_nm(self) -> float:
        """Side of a pixel in the plane of a tile, the geometric mean of both, in nanometres. Raises BadInput without images."""
        raise BadInput(f"{self.name} has no images, and so no pixels")

    @property
    def target_name(self) -> str:
        """What the classes are, in words."""
        return "class"

    @property
    def group_column(self) -> str:
        """The column of synapses or of their labels that is held out together when a classifier is tested. Raises BadInput for a
        dataset without classes."""
        raise BadInput(f"{self.name} has no classes to test a classifier on")

    @property
    def answering_model(self) -> str | None:
        """The fitted model that answers are made from, where tables name its version in a column `classifier`; else None."""
        return None

    @property
    def tile_width_nm(self) -> float:
        """The longer side of a tile in its plane, in nanometres; 0 without images."""
        sizes = [spec.voxel_size_nm for spec in self.tile_volumes.values()]
        return self.tile_spec.size_px * max(max(x, y) for x, y, _ in sizes) if sizes else 0.0

    @property
    def same_place_nm(self) -> int:
        """Places of one volume as near as this show the same in their tiles: half a tile's width; 0 without images."""
        return round(self.tile_width_nm / 2)
