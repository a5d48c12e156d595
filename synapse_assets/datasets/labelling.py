"""How people label a dataset: what they are asked, how many at a time, and by which strategy it is chosen.

Strategies and batches belong to `analysis.labelling`, the pages to `explorer`, the answers to `stores.annotation_log`.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from synapse_assets.datasets.base import Frozen
from synapse_assets.datasets.volumes import Xyz
from synapse_assets.schema.labelling import NOT_A_SYNAPSE, SKIP, UNSURE

Strategy = Literal[
    "recommended",
    "random",
    "margin",
    "entropy",
    "badge",
    "core_set",
    "typiclust",
    "k_means",
    "two_stream",
]
MOST_CLASSES = 9
"""Keys 1 to 9 answer."""


class VaeChoice(Frozen):
    """A variational autoencoder of tiles or masks, the unsupervised stream of two-stream query suggestion.

    Fields and defaults are those of the published configuration (Lin et al., ECCV 2020), whose names in capitals are taken too.
    """

    learns_from: Literal["image", "mask"] = Field(
        "image",
        description="image: the middle section of every tile (IMAGE_VAE). mask: what a detector marks there, turned so that its long axis "
        "lies along x (LABEL_TYPE).",
    )
    masks_from: str | None = Field(
        None, description="The detection dataset of the same data root whose maps give the masks."
    )
    latent_dim: Annotated[int, Field(ge=1, le=4096)] = Field(512, description="Numbers that describe a tile.")
    hidden_dims: list[Annotated[int, Field(ge=1)]] = Field(
        [32, 64, 128, 256, 256, 512],
        min_length=1,
        max_length=8,
        description="Channels, each at half the width of the one before.",
    )
    width: Annotated[int, Field(ge=8, le=512)] = Field(
        128, description="Pixels that it sees: the tile's centre, or all of a smaller tile resampled."
    )
    kld_weight: Annotated[float, Field(ge=0)] = Field(1e-4, description="Weight of the divergence in the loss.")
    steps: Annotated[int, Field(ge=1)] = Field(3_000, description="Training steps.")
    batch_size: Annotated[int, Field(ge=2)] = Field(64, description="Tiles of a step.")
    learning_rate: Annotated[float, Field(gt=0)] = Field(1e-3, description="Learning rate of AdamW.")
    fine_tune_steps: Annotated[int, Field(ge=0)] = Field(
        0, description="Steps in which, after each round, the labelled tiles pull their classes apart. 0: not."
    )

    @model_validator(mode="before")
    @classmethod
    def _published_names(cls, content: Any) -> Any:
        if not isinstance(content, Mapping):
            return content
        names = {name: str(name).lower() for name in content}
        twice = sorted({low for low in names.values() if list(names.values()).count(low) > 1})
        if twice:
            raise ValueError(f"given twice, in capitals and in small letters: {twice}")
        return {names[name]: value for name, value in content.items()}

    @model_validator(mode="after")
    def _complete(self) -> "VaeChoice":
        if (self.learns_from == "mask") != (self.masks_from is not None):
            raise ValueError("masks_from is given exactly when it learns from masks (learns_from: mask)")
        if self.width % 2 ** len(self.hidden_dims):
            raise ValueError(
                f"width ({self.width}) must be a multiple of {2 ** len(self.hidden_dims)}: each of the {len(self.hidden_dims)} hidden_dims "
                "halves it"
            )
        return self


class LabellingChoice(Frozen):
    """How people label the synapses of a dataset from their tiles."""

    classes: list[Annotated[str, Field(min_length=1, max_length=60)]] = Field(
        [],
        max_length=MOST_CLASSES,
        description="What the keys 1 to 9 say. Empty: the classes that are known, at most nine.",
    )
    renamed: dict[str, str] = Field(
        {}, description="Classes of earlier answers by their name then, and what they are called now."
    )
    batch: Annotated[int, Field(ge=1, le=10_000)] = Field(100, description="Synapses of a round.")
    strategy: Strategy = Field(
        "recommended",
        description="How they are chosen. recommended: what strategy_benchmark found best on this dataset, random where nothing is better "
        "than that, k_means where too few labels are known to ask.",
    )
    random_share: Annotated[float, Field(ge=0, le=1)] = Field(
        0.2, description="Share of a round that is chosen at random; only these labels test."
    )
    most_per_neuron: Annotated[int, Field(ge=1)] = Field(5, description="Most synapses of one neuron in a round.")
    apart_nm: Annotated[float, Field(ge=0)] | None = Field(
        None, description="Two synapses of a round are so far apart. Empty: half a tile's width."
    )
    people: Annotated[int, Field(ge=1, le=10)] = Field(1, description="So many people answer each synapse.")
    twice_share: Annotated[float, Field(ge=0, le=1)] = Field(
        0.1, description="Share of a round that one person more answers, for their agreement."
    )
    guess: Literal["never", "after", "before"] = Field(
        "after", description="When the page shows what the model thinks: never, once answered, or at once."
    )
    error_rate: Annotated[float, Field(ge=0, lt=0.5)] = Field(
        0.05, description="Share of wrong answers of the simulated annotator in strategy_benchmark."
    )
    vae: VaeChoice | None = Field(
        None,
        description="The unsupervised stream of two_stream, trained on the tiles. Empty: the vectors of the encoder.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> "LabellingChoice":
        named = [*self.classes, *self.renamed, *self.renamed.values()]
        reserved = sorted({name.strip().casefold() for name in named} & {NOT_A_SYNAPSE, UNSURE, SKIP})
        if reserved:
            raise ValueError(
                f"classes may not be called {reserved}, now or before: the page has these answers beside the classes"
            )
        if len({name.strip().casefold() for name in self.classes}) != len(self.classes):
            raise ValueError(f"classes repeat: {self.classes}")
        unknown = sorted(set(self.renamed.values()) - set(self.classes)) if self.classes else []
        if unknown:
            raise ValueError(f"renamed leads to {unknown}, which are none of the classes {self.classes}")
        both = sorted(set(self.renamed) & set(self.classes))
        if both:
            raise ValueError(f"renamed names {both}, which are classes still")
        again = sorted(set(self.renamed.values()) & set(self.renamed))
        if again:
            raise ValueError(f"renamed leads to {again}, which it renames too: give each the name that it has now")
        return self


class BoxLabellingChoice(Frozen):
    """How people look through boxes of a volume, and judge what was detected there."""

    batch: Annotated[int, Field(ge=1, le=1_000)] = Field(10, description="Boxes of a round.")
    box_nm: Xyz = Field((1_500.0, 1_500.0, 450.0), description="Size of a box along x, y, z, in whole voxels.")
    strategy: Literal["uncertainty", "random"] = Field(
        "uncertainty", description="uncertainty: where the map of the detector is least sure."
    )
    random_share: Annotated[float, Field(ge=0, le=1)] = Field(
        0.2, description="Share of a round that is chosen at random."
    )
    apart_nm: Annotated[float, Field(ge=0)] = Field(0.0, description="Two boxes of a round are so far apart.")
