"""A dataset on the staining chain: pictures of cultured neurons in two or more classes, and the networks that tell them apart.

A file of this kind says `chain: staining`. Reading pictures belongs to `sources`, networks to `vision`.
"""

import re
from typing import Annotated, Literal

from pydantic import Field, model_validator

from synapse_assets.datasets.base import Dataset, Frozen
from synapse_assets.datasets.em import EncoderChoice
from synapse_assets.datasets.variables import Location
from synapse_assets.datasets.volumes import TileSpec

TEXTURE_PROBE = "texture_probe"
"""The closed-form classifier that every network is compared with: a linear probe of the windows' vectors."""

# What a file name or a table may say of a picture.
Fact = Literal["plate", "well", "field", "culture", "stain", "label", "compound", "dose"]
FACTS: tuple[Fact, ...] = ("plate", "well", "field", "culture", "stain", "label", "compound", "dose")


class ImageColumns(Frozen):
    """Which column of a table of pictures holds what. Only `path` has to be there; an empty entry means that the table lacks it."""

    path: str = Field("path", description="The file of the picture, from the folder of the table.")
    plate: str | None = Field(None, description="The plate.")
    well: str | None = Field(None, description="The well.")
    field: str | None = Field(None, description="The field of view in the well.")
    culture: str | None = Field(None, description="The culture that the neurons come from.")
    stain: str | None = Field(None, description="The stain.")
    label: str | None = Field(None, description="The class.")
    compound: str | None = Field(None, description="The compound that was added.")
    dose: str | None = Field(None, description="Its dose.")
    pixel_nm: str | None = Field(None, description="Side of a pixel in nanometres.")


class ImageSource(Frozen):
    """Pictures: a folder of them, whose sub-folders name the classes, or a CSV table with a row for each."""

    name: str = Field(pattern=r"^[A-Za-z0-9_]+$", description="Short name of the source.")
    path: Location = Field(
        description="A folder, read with all folders below it, or a .csv table of pictures, whose paths count from its own folder. Files: "
        ".tif, .tiff (OME-TIFF too), .png, .jpg, .jpeg."
    )
    columns: ImageColumns | None = Field(None, description="Of a .csv table; empty for a folder.")
    name_pattern: str | None = Field(
        None,
        description="A regular expression with named groups (plate, well, field, culture, stain, label, compound, dose), searched in each "
        "path below the source; it tells what the folders or the table do not.",
    )
    label: str | None = Field(None, description="Class of every picture, where neither folder, table nor name says it.")
    class_names: dict[str, str] = Field({}, description="Class names by their name in the source; others stay.")

    @model_validator(mode="after")
    def _complete(self) -> "ImageSource":
        if (self.columns is not None) != self.path.casefold().endswith(".csv"):
            raise ValueError("columns are given exactly for a .csv table of pictures, not for a folder")
        if self.name_pattern is not None:
            try:
                groups = re.compile(self.name_pattern).groupindex
            except re.error as error:
                raise ValueError(f"name_pattern is no regular expression: {error}") from error
            unknown = sorted(set(groups) - set(FACTS))
            if unknown or not groups:
                raise ValueError(f"name_pattern needs groups named among {list(FACTS)}, not {unknown or 'none'}")
        return self


class StainNetworkChoice(Frozen):
    """A network that is trained to name the class of a window, fully convolutional, so that one pass gives the map of all windows."""

    architecture: str = Field(
        "vgg19",
        description="A timm model of plain convolutions, or 'small_stain', which trains in minutes on a processor.",
    )
    origin: Literal["scratch", "hub", "checkpoint"] = Field(
        "scratch", description="What its weights start from: random ones, timm's published weights, or a local file."
    )
    checkpoint: Location | None = Field(
        None, description="Weights file (.safetensors, or .pt without pickled objects)."
    )
    head: Literal["linear", "three_layers"] = Field(
        "three_layers",
        description="What makes classes of pooled features: one layer, or the study's 2048, 2048, classes.",
    )
    steps: Annotated[int, Field(ge=1)] = Field(1_000, description="Most training steps.")
    frozen_steps: Annotated[int, Field(ge=0)] = Field(
        0, description="So many of them first train the head alone, with the other weights as they start."
    )
    batch_size: Annotated[int, Field(ge=2)] = Field(32, description="Windows of a step.")
    learning_rate: Annotated[float, Field(gt=0)] = Field(1e-3, description="Highest learning rate.")
    later_learning_rate: Annotated[float, Field(gt=0)] | None = Field(
        None,
        description="Highest learning rate once all weights are trained (the study: 1e-4, then 2e-5). Empty: the same.",
    )

    @model_validator(mode="after")
    def _complete(self) -> "StainNetworkChoice":
        if (self.origin == "checkpoint") != (self.checkpoint is not None):
            raise ValueError("a checkpoint file is given exactly when the network's origin is 'checkpoint'")
        if self.frozen_steps and self.origin == "scratch":
            raise ValueError("frozen_steps keep weights as they start, which is of no use from scratch")
        if self.frozen_steps >= self.steps:
            raise ValueError(f"frozen_steps ({self.frozen_steps}) must be fewer than steps ({self.steps})")
        if self.later_learning_rate is not None and not self.frozen_steps:
            raise ValueError("later_learning_rate is for what follows frozen_steps: give frozen_steps, or leave it out")
        return self


class StainingDataset(Dataset):
    """One dataset on the staining chain."""

    chain: Literal["staining"]
    generate: Literal["sample_staining"] | None = Field(
        None, description="Inputs that the pipeline draws itself where they are absent."
    )
    sources: list[ImageSource] = Field(min_length=1, description="Pictures, in folders or by a table.")
    classes: list[str] = Field(
        min_length=2,
        description="The classes to tell apart; the first is the untreated control, the second the treated one.",
    )
    pixel_nm: Annotated[float, Field(gt=0)] = Field(
        description="Side of a pixel in nanometres; a picture whose table or file says another one is left out."
    )
    channels: list[Annotated[int, Field(ge=0)]] = Field(
        [0], min_length=1, description="Channels that are used, in this order, counted from 0; of an RGB file 0, 1, 2."
    )
    white_level: Annotated[int, Field(ge=1, le=65_535)] | None = Field(
        None,
        description="Value that counts as white. Empty: 255 of 8-bit files, else the highest of as many bits as all pictures together use.",
    )
    window_px: Annotated[int, Field(ge=32, le=1024, multiple_of=16)] = Field(
        description="Side of the windows that networks are trained on and slide over the pictures, in pixels of the pictures."
    )
    grouping: list[Literal["plate", "well", "culture"]] = Field(
        ["plate"],
        min_length=1,
        description="What is held out together when a classifier is tested; the first is the headline. Never single crops.",
    )
    dose_unit: str = Field("", description="Unit of the doses, for axes.")
    encoder: EncoderChoice = EncoderChoice()
    networks: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], StainNetworkChoice] = Field(
        {},
        description="Networks trained to name the class of a window, by name; each is compared with the texture probe.",
    )
    answers_from: str | None = Field(
        None,
        description="The one of `networks` whose answers are used for maps, explanations and compounds. Empty: the texture probe for "
        "compounds, and the first network for maps.",
    )
    explained_images: Annotated[int, Field(ge=1)] = Field(4, description="Pictures of each plate that are explained.")

    @property
    def tile(self) -> TileSpec:
        """Windows as tiles: the channels stand where sections would."""
        return TileSpec(size_px=self.window_px, sections=len(self.channels))

    @property
    def tile_spec(self) -> TileSpec:
        """How windows are cut."""
        return self.tile

    @property
    def tile_encoder(self) -> EncoderChoice:
        """How windows become vectors."""
        return self.encoder

    @property
    def tile_pixel_nm(self) -> float:
        """Side of a pixel of a window, in nanometres."""
        return self.pixel_nm

    @property
    def group_column(self) -> str:
        """The column of windows that holds the group of the headline: `grouping[0]` of their picture."""
        return "object_id"

    @property
    def tile_width_nm(self) -> float:
        """Side of a window in nanometres."""
        return self.window_px * self.pixel_nm

    @property
    def control(self) -> str:
        """The untreated class."""
        return self.classes[0]

    @property
    def treated(self) -> str:
        """The treated class."""
        return self.classes[1]

    @property
    def map_network(self) -> str | None:
        """The network that maps and explanations are of; None without networks."""
        return self.answers_from or next(iter(self.networks), None)

    @property
    def answering(self) -> str:
        """The classifier that compounds are judged by."""
        return self.answers_from or TEXTURE_PROBE

    @property
    def names_compounds(self) -> bool:
        """Whether the sources may say which compound a picture was given."""
        return any(
            (source.columns is not None and source.columns.compound)
            or (source.name_pattern is not None and "(?P<compound>" in source.name_pattern)
            for source in self.sources
        )

    @model_validator(mode="after")
    def _consistent(self) -> "StainingDataset":
        names = [source.name for source in self.sources]
        if len(set(names)) != len(names):
            raise ValueError(f"two sources have the same name: {names}")
        if len(set(self.classes)) != len(self.classes):
            raise ValueError(f"classes repeat: {self.classes}")
        if len(set(self.grouping)) != len(self.grouping):
            raise ValueError(f"grouping repeats: {self.grouping}")
        if self.encoder.positives == "neuron" or "section" in self.encoder.invariant_to:
            raise ValueError(
                "encoder: windows of pictures have no neuron and no section: leave out positives: neuron, and section of invariant_to"
            )
        if TEXTURE_PROBE in self.networks:
            raise ValueError(f"a network may not be called {TEXTURE_PROBE}, as that is what networks are compared with")
        if self.answers_from is not None and self.answers_from not in self.networks:
            raise ValueError(
                f"answers_from names '{self.answers_from}', which is none of the networks {list(self.networks)}: name one of them, or "
                "leave it out for the texture probe"
            )
        return self
