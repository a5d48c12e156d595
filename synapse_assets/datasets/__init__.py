"""What a dataset is: a YAML file that says where its volumes and synapse tables are and how to read them.

A dataset is data, not code: `load_dataset` reads one of the files beside this module, or a YAML file of your own, into a typed
`EmDataset` (below) or `MorphologyDataset`. Reading the tables and volumes themselves belongs to `sources/` and `volumes/`.
"""

import difflib
import os
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from synapse_assets.datasets.base import Dataset, Frozen
from synapse_assets.datasets.morphology import (
    FeatureChoice,
    Group,
    MorphologyDataset,
    Published,
    Resampling,
    Workbook,
    WorkbookColumns,
)
from synapse_assets.datasets.sources import (
    CaveSource,
    Columns,
    NeuronColumns,
    NeuronSource,
    NeuronTable,
    PointsSource,
    Source,
    SynisterNeurons,
    SynisterSource,
    fill_in_format,
    format_names,
)
from synapse_assets.datasets.spaces import mismatch
from synapse_assets.datasets.variables import Location, filled_in, names_in
from synapse_assets.datasets.volumes import TileSpec, VolumeSpec
from synapse_assets.datasets.yaml_text import FILL_IN, left_to_fill_in, parse_yaml
from synapse_assets.errors import BadInput

__all__ = [
    "CaveSource",
    "Columns",
    "Dataset",
    "EmDataset",
    "EncoderChoice",
    "FeatureChoice",
    "Group",
    "MorphologyDataset",
    "NeuronColumns",
    "NeuronSource",
    "NeuronTable",
    "PointsSource",
    "Resampling",
    "Source",
    "SynisterNeurons",
    "SynisterSource",
    "TileSpec",
    "VolumeSpec",
    "Workbook",
    "WorkbookColumns",
    "load_dataset",
]


# Targets that say nothing of what the classes are.
_SAYS_NOTHING = frozenset({"", "class", "classes", "label", "labels", "target"})


class EncoderChoice(Frozen):
    """How tiles become vectors."""

    origin: Literal["self_supervised", "hub", "checkpoint"] = Field(
        "self_supervised",
        description="Trained on the dataset's own tiles, or a timm model with hub weights or a local checkpoint.",
    )
    architecture: str | None = Field(None, description="Name of a timm model; empty for the default of the training.")
    checkpoint: Location | None = Field(
        None, description="Weights file (.safetensors, or .pt without pickled objects)."
    )
    crop_px: Annotated[int, Field(ge=8)] | None = Field(
        None, description="Central part of the tile that the network sees, in voxels."
    )
    training_steps: Annotated[int, Field(ge=1)] = Field(
        600, description="Steps of self-supervised training; fixed beforehand, no label is looked at."
    )
    training_tiles: Annotated[int, Field(ge=2)] = Field(
        20_000, description="At most this many tiles are trained on (a stratified sample)."
    )

    @model_validator(mode="after")
    def _complete(self) -> "EncoderChoice":
        if self.origin != "self_supervised" and not self.architecture:
            raise ValueError(f"encoder origin '{self.origin}' needs the name of a timm architecture")
        if (self.origin == "checkpoint") != (self.checkpoint is not None):
            raise ValueError("a checkpoint file is given exactly when the encoder's origin is 'checkpoint'")
        return self


class EmDataset(Dataset):
    """One dataset on the electron-microscopy chain."""

    chain: Literal["em"] = "em"
    generate: Literal["sample_brain"] | None = Field(
        None, description="Inputs that the pipeline draws itself where they are absent."
    )
    volumes: dict[str, VolumeSpec] = Field(min_length=1)
    sources: list[Source] = Field(min_length=1, description="Tables of synapses.")
    neurons: list[NeuronSource] = Field(
        [], description="Tables of neurons, joined by id; where two tell the same of a neuron, the first counts."
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
    trial_limit: Annotated[int, Field(ge=1)] | None = Field(
        None, description="Only the first n synapses of each region."
    )

    @property
    def target_is_said(self) -> bool:
        """Whether the dataset file says what its classes are."""
        return self.target.strip().casefold() not in _SAYS_NOTHING

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
            wanted = self.volumes[source.volume].space
            why_not = mismatch(source.space or wanted, wanted, source.transform)
            if why_not is not None:
                raise ValueError(
                    f"source '{source.name}' is in space {source.space or wanted}, volume '{source.volume}' in {wanted}: {why_not}"
                )
        sizes = {spec.voxel_size_nm for spec in self.volumes.values()}
        if len(sizes) > 1:
            raise ValueError(
                f"the volumes have different voxel sizes {sorted(sizes)}: their tiles could not be compared"
            )
        if "neuron_id" in self.grouping and not self.has_neurons:
            raise ValueError("grouping by neuron_id needs neurons (has_neurons: true)")
        named = [one.columns.neuron_id for one in self.sources if not isinstance(one, SynisterSource)]
        if "neuron_id" in self.grouping and len(named) == len(self.sources) and not any(named):
            raise ValueError(
                "grouping names neuron_id, but no source has a column for it: add columns: {neuron_id: ...}, or group by another "
                "column and say has_neurons: false"
            )
        if self.neurons and not self.has_neurons:
            raise ValueError("tables of neurons are given, but has_neurons is false")
        return self


def _told(item: Any, content: dict[str, Any]) -> str:
    """One mistake in words: where, what, and the name that was probably meant."""
    place = [part for part in item["loc"] if part not in ("points", "neurons") or part == item["loc"][0]]
    for kind in ("sources", "neurons", "workbooks"):
        if place[:1] == [kind] and len(place) > 1 and isinstance(place[1], int):
            entry = content[kind][place[1]]
            place[:2] = [f"{kind} '{entry.get('name', place[1]) if isinstance(entry, dict) else place[1]}'"]
    where = ".".join(str(part) for part in place)
    message = item["msg"].removeprefix("Value error, ")
    if item["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(item["loc"][-1]), _field_names(), 1)
        message = "there is no such field" + (f"; did you mean '{near[0]}'?" if near else "")
    elif item["type"] == "missing":
        message = "this field is missing"
    elif item["type"] == "union_tag_invalid":
        given = str(item["ctx"]["tag"])
        names = ["points", "neurons", "synister_v3", "synister_v4", "synister_v3_skeletons", "cave", *format_names()]
        near = difflib.get_close_matches(given, names, 1)
        message = f"no format '{given}'" + (f"; did you mean '{near[0]}'?" if near else f"; there are {names}")
    return f"{where}: {message}" if where else message


def _field_names() -> set[str]:
    kinds = (
        EmDataset,
        VolumeSpec,
        TileSpec,
        EncoderChoice,
        MorphologyDataset,
        Workbook,
        WorkbookColumns,
        Group,
        Published,
        FeatureChoice,
        Resampling,
        PointsSource,
        Columns,
        SynisterSource,
        CaveSource,
        NeuronTable,
    )
    return {name for kind in (*kinds, NeuronColumns, SynisterNeurons) for name in kind.model_fields}


def variables_named(names_or_paths: Iterable[str]) -> set[str]:
    """The environment variables that these datasets name, and those of the package; a file that cannot be read names none."""
    named: set[str] = set()
    for path in {*Path(__file__).parent.glob("*.yaml"), *map(_file_of, names_or_paths)}:
        with suppress(OSError):
            named |= names_in(path.read_text(encoding="utf-8", errors="replace"))
    return named


def _file_of(name_or_path: str) -> Path:
    path = Path(os.path.expanduser(name_or_path))
    return path if path.suffix in (".yaml", ".yml") else Path(__file__).parent / f"{name_or_path}.yaml"


def load_dataset(name_or_path: str, local_root: str) -> EmDataset | MorphologyDataset:
    """The dataset of that packaged name (`sample`), or of a YAML file of your own (a path that ends in .yaml).

    `chain: morphology` in the file makes it a `MorphologyDataset`, otherwise it is an `EmDataset`. In paths and addresses, and
    only there, `${NAME}` is replaced by the environment variable NAME, `${NAME:-text}` by the text where that is not set;
    `${SYNAPSE_LOCAL_ROOT}` is always `local_root`, under which the pipeline keeps inputs that it drew or fetched.
    Raises BadInput naming the file and the field.
    """
    path = _file_of(name_or_path)
    if not path.is_file():
        packaged = sorted(p.stem for p in Path(__file__).parent.glob("*.yaml"))
        raise BadInput(f"no dataset '{name_or_path}': give one of {packaged}, or the path of a YAML file")
    try:
        content = parse_yaml(path.read_bytes())
    except BadInput as error:
        raise BadInput(f"{path}: {error}") from error
    if not isinstance(content, dict):
        raise BadInput(f"{path}: a dataset file is a mapping of fields, see the packaged ones")
    unfilled = list(dict.fromkeys(left_to_fill_in(content)))
    if unfilled:
        raise BadInput(
            f"{path}: {' and '.join(unfilled)} still {'says' if len(unfilled) == 1 else 'say'} {FILL_IN}: write in its place "
            "what the comment beside it asks for"
        )
    try:
        for field in ("sources", "neurons"):
            if isinstance(content.get(field), list):
                content[field] = [fill_in_format(source) for source in content[field]]
        kind = MorphologyDataset if content.get("chain") == "morphology" else EmDataset
        return kind.model_validate(filled_in(content, kind, {**os.environ, "SYNAPSE_LOCAL_ROOT": local_root}))
    except ValidationError as error:
        lines = [f"  {_told(item, content)}" for item in error.errors()]
        raise BadInput(f"{path}: {len(lines)} field(s) to mend\n" + "\n".join(lines)) from error
    except BadInput as error:
        raise BadInput(f"{path}: {error}") from error
