"""A dataset on the electron-microscopy chain: volumes, tables of synapses and neurons, tiles and their encoder.

A file without `chain:` is of this kind. Reading the tables and volumes belongs to `sources` and `volumes`.
"""

import math
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from synapse_assets.datasets.base import Dataset, Frozen
from synapse_assets.datasets.labelling import LabellingChoice
from synapse_assets.datasets.sources import CremiSource, NeuronSource, PointsSource, Source, SynisterSource
from synapse_assets.datasets.spaces import mismatch
from synapse_assets.datasets.subsets import PublishedSubset
from synapse_assets.datasets.variables import Location
from synapse_assets.datasets.volumes import LabelsFrom, TileSpec, VolumeSpec, Xyz, check_labels_from

# Targets that do not say what the classes are.
_UNSPECIFIC_TARGETS = frozenset({"", "class", "classes", "label", "labels", "target"})
_LINEAR_PROBE, _RANDOM_SPLIT = "linear_probe", "random"


class EncoderChoice(Frozen):
    """How tiles become vectors."""

    origin: Literal["texture", "self_supervised", "hub", "checkpoint"] | None = Field(
        None,
        description="A fixed bank of filters, a network trained on the dataset's own tiles, or a timm model with hub weights or a local "
        "checkpoint. Empty: trained here where an architecture, a crop or steps are given, or where the encoder in use was; else texture.",
    )
    architecture: str | None = Field(None, description="Name of a timm model; empty for the default of the training.")
    checkpoint: Location | None = Field(
        None, description="Weights file (.safetensors, or .pt without pickled objects)."
    )
    crop_px: Annotated[int, Field(ge=8)] | None = Field(
        None, description="Central part of the tile that the encoder sees, in voxels."
    )
    training_steps: Annotated[int, Field(ge=1)] | None = Field(
        None,
        description="Steps of self-supervised training; fixed beforehand, no label is looked at. Empty for the default of the training.",
    )
    training_tiles: Annotated[int, Field(ge=2)] = Field(
        20_000, description="At most this many tiles are trained on (a stratified sample)."
    )
    dimensions: Annotated[int, Field(ge=1, le=4096)] | None = Field(
        None,
        description="Length of the vectors, by a last step that keeps what tells tiles apart. Empty: 32 where that step is taken, else "
        "what the network gives.",
    )
    beside_texture: bool = Field(
        False, description="Whether the last step gets the texture beside what the network gives."
    )
    section_by_section: bool = Field(
        False, description="Whether the network sees each section alone, in place of the sections as its channels."
    )
    positives: Literal["tile", "neuron"] = Field(
        "tile",
        description="What should have similar vectors: views of one tile, or near synapses of one neuron too (which may teach the encoder "
        "to tell neurons apart: see leakage_report).",
    )
    invariant_to: list[Literal["contrast", "section", "volume"]] = Field(
        [], description="What the last step keeps out of the vectors."
    )

    @property
    def has_head(self) -> bool:
        """Whether a last step in closed form makes the vectors."""
        options = (self.dimensions, self.beside_texture, self.section_by_section, self.invariant_to)
        return self.origin == "texture" or self.positives != "tile" or any(options)

    @model_validator(mode="before")
    @classmethod
    def _trained_here(cls, content: Any) -> Any:
        """A file of the time before there was a choice: who named what only training has wanted training."""
        wants_training = ("architecture", "crop_px", "training_steps")
        if isinstance(content, dict) and not content.get("origin") and any(map(content.get, wants_training)):
            return {**content, "origin": "self_supervised"}
        return content

    @model_validator(mode="after")
    def _complete(self) -> "EncoderChoice":
        if self.origin in ("hub", "checkpoint") and not self.architecture:
            raise ValueError(f"encoder origin '{self.origin}' needs the name of a timm architecture")
        network_only = [
            name
            for name in ("architecture", "training_steps", "beside_texture", "section_by_section")
            if getattr(self, name)
        ]
        if self.origin == "texture" and network_only:
            raise ValueError(f"encoder origin 'texture' has no network: leave out {', '.join(network_only)}")
        if self.origin is None and network_only:
            raise ValueError(
                f"encoder {', '.join(network_only)} needs a network: name its origin, self_supervised, hub or checkpoint"
            )
        if (self.origin == "checkpoint") != (self.checkpoint is not None):
            raise ValueError("a checkpoint file is given exactly when the encoder's origin is 'checkpoint'")
        return self


class NetworkChoice(Frozen):
    """A network that is trained to name the class of a synapse from its tile."""

    architecture: str = Field(
        description="A timm model, which sees the sections as channels; or 'vgg_3d' or 'resnet18_3d', which see the tile as a volume."
    )
    origin: Literal["scratch", "encoder", "hub", "checkpoint"] = Field(
        "scratch",
        description="What its weights start from: random ones, the dataset's own self-supervised encoder in use, timm's published weights, "
        "or a local file.",
    )
    checkpoint: Location | None = Field(
        None, description="Weights file (.safetensors, or .pt without pickled objects)."
    )
    crop_nm: Annotated[float, Field(gt=0)] | None = Field(
        None,
        description="Side of the central part of the tile that the network sees, in nanometres. Empty: the whole tile.",
    )
    head: Literal["linear", "three_layers"] = Field(
        "linear", description="What makes classes of features: one layer, or three with dropout between them."
    )
    steps: Annotated[int, Field(ge=1)] = Field(1_000, description="Most training steps.")
    frozen_steps: Annotated[int, Field(ge=0)] = Field(
        0, description="So many of them first train the head alone, with the other weights as they start."
    )
    batch_size: Annotated[int, Field(ge=2)] = Field(64, description="Tiles of a step.")
    learning_rate: Annotated[float, Field(gt=0)] = Field(1e-3, description="Highest learning rate.")
    background_places: Annotated[int, Field(ge=0)] = Field(
        0, description="Random places away from every synapse that it learns as one class more, 'not a synapse'."
    )
    splits: list[str] = Field(
        [],
        description="Splits that it is tested on beside the headline, such as hemilineage or random: as many trainings more as folds.",
    )

    @model_validator(mode="after")
    def _complete(self) -> "NetworkChoice":
        if (self.origin == "checkpoint") != (self.checkpoint is not None):
            raise ValueError("a checkpoint file is given exactly when the network's origin is 'checkpoint'")
        if self.frozen_steps and self.origin == "scratch":
            raise ValueError("frozen_steps keep weights as they start, which is of no use from scratch")
        if self.frozen_steps >= self.steps:
            raise ValueError(f"frozen_steps ({self.frozen_steps}) must be fewer than steps ({self.steps})")
        if self.architecture.endswith("_3d") and self.origin in ("hub", "encoder"):
            raise ValueError(
                f"{self.architecture} has no weights of origin '{self.origin}': choose scratch or checkpoint"
            )
        return self


class TransferSource(Frozen):
    """Another dataset whose classifier is tried here."""

    voxel_size_nm: Xyz = Field(
        description="Size of its voxels along x, y, z in nanometres; tiles of another size are resampled to it."
    )


class EmDataset(Dataset):
    """One dataset on the electron-microscopy chain."""

    chain: Literal["em"] = "em"
    generate: Literal["sample_brain", "sample_deep_brain", "sample_labelling"] | None = Field(
        None, description="Inputs that the pipeline draws itself where they are absent."
    )
    volumes: dict[str, VolumeSpec] = Field(
        min_length=1, description="Volumes that tiles are cut from, by name, all of one voxel size."
    )
    sources: list[Source] = Field(min_length=1, description="Tables of synapses.")
    neurons: list[NeuronSource] = Field(
        [], description="Tables of neurons, joined by id; where two tell the same of a neuron, the first counts."
    )
    labels_from: list[LabelsFrom] = Field(
        [],
        description="Volumes of labels that give synapses a brain region or a neuron where their table names none; of several that "
        "say the same of one volume, the first with an id there counts.",
    )
    missing_region: str = Field("UNASSIGNED", description="Region of synapses for which the source names none.")
    region_vocabulary: Literal["flywire"] | None = Field(
        None, description="Known regions: other names of the 78 FlyWire neuropils become theirs; unknown names stay."
    )
    region_names: dict[str, str] = Field(
        {},
        description="Other keys for regions, by their name in the source; needed where two names would become one key.",
    )
    merge_partners: bool = Field(
        False, description="Keep one row of those that share neuron and presynaptic position (one row a partner)."
    )
    leave_out_outside: bool = Field(
        False,
        description="Leave out synapses that lie outside their volume, counted, in place of refusing their region.",
    )
    accept_alignment: bool = Field(
        False, description="Cut tiles although the alignment check reads the coordinates differently."
    )
    target: str = Field(
        "class",
        description="What the target column means in this dataset, for instance 'neurotransmitter'. Short names of transmitters "
        "(ACH, SER) become the long ones unless it says something else.",
    )
    grouping: list[
        Literal["neuron_id", "hemilineage", "cell_type", "section", "object_id", "brain_region", "volume"]
    ] = Field(description="Columns that are held out together when a classifier is tested; the first is the headline.")
    has_neurons: bool = Field(True, description="Whether the sources name the neuron of a synapse.")
    tile: TileSpec
    encoder: EncoderChoice = EncoderChoice()
    networks: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], NetworkChoice] = Field(
        {},
        description="Networks trained to name the class of a synapse, by name; each is compared with the linear probe.",
    )
    answers_from: str | None = Field(
        None,
        description="The one of `networks` whose probabilities are calibrated and pooled to answers of neurons. Empty: the linear probe.",
    )
    transfer_from: dict[str, TransferSource] = Field(
        {}, description="Datasets of the same data root whose encoder and classifier are tried on this one, by name."
    )
    trial_limit: Annotated[int, Field(ge=1)] | None = Field(
        None, description="Only the first n synapses of each region."
    )
    mitochondria_from: str | None = Field(
        None,
        description="A detection dataset of the same data root whose mitochondria are looked for around every synapse; volumes "
        "of one name are the same.",
    )
    mitochondria_radius_nm: Annotated[float, Field(gt=0, le=5_000)] = Field(
        500.0, description="So far around a synapse mitochondria are looked for."
    )
    labelling: LabellingChoice | None = Field(
        None, description="How people label its synapses in the explorer. Empty: they do not."
    )
    subset: PublishedSubset | None = Field(
        None,
        description="Published tables that `synapse-assets reproduce` fetches and chooses the synapses of its source from.",
    )

    @property
    def tile_volumes(self) -> Mapping[str, VolumeSpec]:
        """The volumes that tiles are cut from, by name."""
        return self.volumes

    @property
    def tile_spec(self) -> TileSpec:
        """How tiles are cut."""
        return self.tile

    @property
    def tile_encoder(self) -> EncoderChoice:
        """How tiles become vectors."""
        return self.encoder

    @property
    def tile_pixel_nm(self) -> float:
        """Side of a voxel in the plane of the section, the geometric mean of both; all volumes of a dataset have the same."""
        x_nm, y_nm, _ = next(iter(self.volumes.values())).voxel_size_nm
        return math.sqrt(x_nm * y_nm)

    @property
    def target_name(self) -> str:
        """What the classes are, in words."""
        return self.target

    @property
    def group_column(self) -> str:
        """The column that is held out together when a classifier is tested: the headline."""
        return self.grouping[0]

    @property
    def answering_model(self) -> str:
        """The fitted model that answers are made from."""
        return "synapse_network" if self.answers_from else "synapse_classifier"

    @property
    def target_is_said(self) -> bool:
        """Whether the dataset file says what its classes are."""
        return self.target.strip().casefold() not in _UNSPECIFIC_TARGETS

    @property
    def names_transmitters(self) -> bool:
        """Whether the classes are neurotransmitters, as far as is known: the dataset file says so, or does not say what they are."""
        return (
            not self.target_is_said
            or re.search(r"transmitter|(?<![a-z])nts?(?![a-z])", self.target.casefold()) is not None
        )

    @model_validator(mode="after")
    def _consistent(self) -> "EmDataset":
        names = [source.name for source in (*self.sources, *self.neurons)]
        if len(set(names)) != len(names):
            raise ValueError(f"two sources have the same name: {names}")
        for source in self.sources:
            if source.volume not in self.volumes:
                raise ValueError(
                    f"source '{source.name}' lies in volume '{source.volume}', which is not one of {list(self.volumes)}"
                )
            space = self.volumes[source.volume].space
            why_not = mismatch(source.space or space, space, source.transform)
            if why_not is not None:
                raise ValueError(
                    f"source '{source.name}' is in space {source.space or space}, volume '{source.volume}' in {space}: {why_not}"
                )
        check_labels_from(self.labels_from, self.volumes)
        sizes = {spec.voxel_size_nm for spec in self.volumes.values()}
        if len(sizes) > 1:
            raise ValueError(
                f"the volumes have different voxel sizes {sorted(sizes)}: their tiles could not be compared"
            )
        if self.encoder.positives == "neuron" and not self.has_neurons:
            raise ValueError("encoder positives: neuron needs neurons (has_neurons: true)")
        if self.answers_from is not None and self.answers_from not in self.networks:
            raise ValueError(
                f"answers_from names '{self.answers_from}', which is none of the networks {list(self.networks)}: name one of them, or "
                "leave it out for the linear probe"
            )
        if self.answers_from is not None and self.networks[self.answers_from].background_places:
            raise ValueError(
                f"answers_from names '{self.answers_from}', which knows 'not a synapse': answers are given of synapses, so name a network "
                "without background_places"
            )
        if self.name in self.transfer_from:
            raise ValueError(f"transfer_from names {self.name} itself: name other datasets")
        if self.name == self.mitochondria_from:
            raise ValueError(
                f"mitochondria_from names {self.name} itself: name the detection dataset that finds mitochondria"
            )
        if self.labelling is not None and self.labelling.vae is not None and self.name == self.labelling.vae.masks_from:
            raise ValueError(
                f"masks_from names {self.name} itself: name the detection dataset whose maps give the masks"
            )
        self._check_neurons()
        self._check_subset()
        for name, network in self.networks.items():
            self._check_network(name, network)
        return self

    def _check_neurons(self) -> None:
        """Raises ValueError where neurons are asked for that nothing names, or named though there are none."""
        if "neuron_id" in self.grouping and not self.has_neurons:
            raise ValueError("grouping by neuron_id needs neurons (has_neurons: true)")
        neuron_columns = [
            None if isinstance(source, CremiSource) else source.columns.neuron_id
            for source in self.sources
            if not isinstance(source, SynisterSource)
        ]
        looked_up = any(labels.of == "neuron_id" for labels in self.labels_from)
        if looked_up and not self.has_neurons:
            raise ValueError(
                "labels_from says the neurons of synapses, but has_neurons is false: leave one of them out"
            )
        named = looked_up or len(neuron_columns) < len(self.sources) or any(neuron_columns)
        if "neuron_id" in self.grouping and not named:
            raise ValueError(
                "grouping names neuron_id, but no source has a column for it: add columns: {neuron_id: ...}, or group by another "
                "column and say has_neurons: false"
            )
        if self.neurons and not self.has_neurons:
            raise ValueError("tables of neurons are given, but has_neurons is false")

    def _check_subset(self) -> None:
        """Raises ValueError for a subset that could not become the dataset's synapses."""
        if self.subset is None:
            return
        if len(self.sources) != 1 or not isinstance(self.sources[0], PointsSource) or not self.neurons:
            raise ValueError(
                "subset needs one source, format points, whose path is the table of chosen sites, and neurons, which say the classes"
            )
        if self.subset.table.volume != self.sources[0].volume:
            raise ValueError(
                f"the subset's table lies in volume '{self.subset.table.volume}', its source in '{self.sources[0].volume}': name the same"
            )

    def _check_network(self, name: str, network: NetworkChoice) -> None:
        """Raises ValueError for a network that goes with nothing else of the dataset."""
        if name == _LINEAR_PROBE:
            raise ValueError(f"a network may not be called {_LINEAR_PROBE}, as that is what networks are compared with")
        unknown = sorted(set(network.splits) - {*self.grouping, _RANDOM_SPLIT})
        if unknown:
            raise ValueError(
                f"network {name} is to be tested on the splits {unknown}: they are not among the grouping "
                f"{list(self.grouping)}, nor {_RANDOM_SPLIT}"
            )
        if network.origin == "encoder" and self.encoder.origin == "texture":
            raise ValueError(
                f"network {name} starts from the encoder, but encoder origin 'texture' has no network: give the encoder the "
                "origin self_supervised, hub or checkpoint, or the network another origin"
            )
        width_nm = self.tile.size_px * min(next(iter(self.volumes.values())).voxel_size_nm[:2])
        if network.crop_nm is not None and network.crop_nm > width_nm:
            raise ValueError(
                f"network {name} is to see {network.crop_nm:g} nm (crop_nm), but a tile is {width_nm:g} nm wide"
            )
