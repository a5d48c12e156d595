"""A dataset on the detection chain: volumes, what is annotated in them, and the detectors that find synapses and mitochondria.

A file of this kind says `chain: detection`. Reading volumes belongs to `volumes`, tables of points to `sources`, networks to `vision`.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator

from synapse_assets.datasets.base import Dataset, Frozen
from synapse_assets.datasets.labelling import BoxLabellingChoice
from synapse_assets.datasets.sources import Source
from synapse_assets.datasets.spaces import mismatch
from synapse_assets.datasets.volumes import (
    LabelsFrom,
    LabelVolumeSpec,
    VolumeSpec,
    Xyz,
    check_labels_from,
    space_mismatch,
)

Target = Literal["presynaptic", "postsynaptic", "cleft", "mitochondria"]
SYNAPTIC: frozenset[Target] = frozenset({"presynaptic", "cleft"})
"""The targets that a synapse is found by; a postsynaptic site belongs to a presynaptic one."""

_TAKEN = frozenset({"dataset", "rules", "labels"})
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
PositiveNm = Annotated[float, Field(gt=0)]
Voxel = tuple[int, int, int]


class Annotation(Frozen):
    """Where a structure is known to be, in all of a volume: a mask or its objects by number (`labels`), or points (`points`)."""

    name: str = Field(pattern=r"^[A-Za-z0-9_]+$", description="Short name of the annotation.")
    target: Target = Field(description="What is annotated.")
    volume: str = Field(description="Name of the volume that it is of.")
    labels: LabelVolumeSpec | None = Field(None, description="A mask, or a segmentation into objects.")
    ids: Literal["all", "odd", "even", "mask"] = Field(
        "all",
        description="Which ids of `labels` are meant: EM-R50 numbers presynaptic parts odd and postsynaptic ones even. mask: numbers "
        "above 0, such as the greys of a smoothed outline, all say the same, and objects are what is connected.",
    )
    box_voxels: tuple[Voxel, Voxel] | None = Field(
        None,
        description="The part of the volume that is annotated, from its first voxel to one past its last (x, y, z): what is not annotated "
        "there is known to be absent, and the rest is not learnt from. Empty: all of `labels`, or for points the whole volume.",
    )
    points: Source | None = Field(
        None,
        description="A table of sites, in the format of any source of synapses. Of postsynaptic sites, `object_id` is the synapse_id of "
        "their presynaptic one.",
    )

    @model_validator(mode="after")
    def _complete(self) -> "Annotation":
        if (self.labels is None) == (self.points is None):
            raise ValueError("an annotation has either labels or points")
        if self.points is not None and self.target not in ("presynaptic", "postsynaptic"):
            raise ValueError(f"points are presynaptic or postsynaptic sites; {self.target} needs labels")
        if self.points is not None and self.points.volume != self.volume:
            raise ValueError(f"its points lie in volume '{self.points.volume}', the annotation says '{self.volume}'")
        if self.box_voxels is not None and any(a >= b for a, b in zip(*self.box_voxels, strict=True)):
            raise ValueError(f"box_voxels {self.box_voxels} holds no voxel: give its first one, and one past its last")
        if self.points is not None and self.ids != "all":
            raise ValueError("ids are those of labels: leave it out for points")
        return self


class DetectorChoice(Frozen):
    """A network that is trained to mark structures in a volume, and how objects are made of what it marks."""

    targets: list[Target] = Field(min_length=1, description="What it marks, a map each.")
    learns_from: Literal["masks", "points"] = Field(
        "masks", description="What it is trained on: annotated voxels, or balls around annotated points."
    )
    ball_nm: PositiveNm = Field(100.0, description="Radius of the balls around points.")
    architecture: Literal["unet_2d", "unet_3d"] = Field(
        "unet_2d",
        description="A U-Net that sees neighbouring sections as channels (2.5-D), or one whose kernels reach across sections.",
    )
    sections: Annotated[int, Field(ge=1, le=31)] = Field(
        3, description="Sections that are seen at once, an odd number; for unet_3d those of a training window."
    )
    channels: list[Annotated[int, Field(ge=1)]] = Field(
        [8, 16, 32, 64, 128], min_length=3, max_length=6, description="Channels of the U-Net, level by level."
    )
    pixel_nm: PositiveNm | None = Field(
        None,
        description="Side of the pixels that it sees, a whole multiple of the volume's, which is averaged. Empty: that of the volume.",
    )
    window_px: Annotated[int, Field(ge=16, le=1024)] = Field(
        128, description="Side of a training window in its pixels."
    )
    steps: Annotated[int, Field(ge=1)] = Field(1_000, description="Training steps.")
    batch_size: Annotated[int, Field(ge=1)] = Field(8, description="Windows of a step.")
    learning_rate: PositiveNm = Field(5e-3, description="Highest learning rate.")
    threshold: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        None, description="Probability from which a voxel counts. Empty: the best one on what it was trained on."
    )
    min_nm3: Annotated[float, Field(ge=0)] | None = Field(
        None, description="Smallest object, in cubic nanometres. Empty: the best one on what it was trained on."
    )
    max_nm3: PositiveNm | None = Field(None, description="Largest object, in cubic nanometres.")
    min_sections: Annotated[int, Field(ge=1)] = Field(1, description="Fewest sections of an object.")
    split_nm: PositiveNm | None = Field(
        None,
        description="Touching objects are taken apart where their middles are so far from each other. Empty: never.",
    )
    apart_nm: PositiveNm = Field(150.0, description="Two sites of a map of balls are at least so far apart.")
    pair_nm: PositiveNm = Field(
        300.0, description="A postsynaptic site belongs to the nearest presynaptic one within this distance."
    )

    @property
    def synaptic(self) -> bool:
        """Whether synapses can be found by it."""
        return not SYNAPTIC.isdisjoint(self.targets)

    @model_validator(mode="after")
    def _complete(self) -> "DetectorChoice":
        if len(set(self.targets)) != len(self.targets):
            raise ValueError(f"targets repeat: {self.targets}")
        if self.sections % 2 == 0:
            raise ValueError(f"sections ({self.sections}) must be odd: as many above as below")
        if self.learns_from == "points" and not set(self.targets) <= {"presynaptic", "postsynaptic"}:
            raise ValueError("points are presynaptic or postsynaptic sites: other targets are learnt from masks")
        if "mitochondria" in self.targets and len(self.targets) > 1:
            raise ValueError(
                "mitochondria are marked by a detector of their own: name another one for the other targets"
            )
        if self.max_nm3 is not None and self.min_nm3 is not None and self.min_nm3 >= self.max_nm3:
            raise ValueError(f"min_nm3 ({self.min_nm3:g}) must be below max_nm3 ({self.max_nm3:g})")
        return self


class DetectionDataset(Dataset):
    """One dataset on the detection chain."""

    chain: Literal["detection"]
    generate: Literal["sample_detection"] | None = Field(
        None, description="Inputs that the pipeline draws itself where they are absent."
    )
    volumes: dict[str, VolumeSpec] = Field(min_length=1, description="Volumes, all of one voxel size.")
    annotations: list[Annotation] = Field([], description="What is known of them, to train detectors on.")
    detectors: dict[Name, DetectorChoice] = Field({}, description="Networks that are trained here, by name.")
    detector_from: str | None = Field(
        None, description="A dataset of the same data root whose detectors in use are applied, in place of own ones."
    )
    synapses_from: str | None = Field(
        None, description="The detector that the table of synapses is made by. Empty: the first that finds synapses."
    )
    mitochondria_from: str | None = Field(
        None, description="The detector that the mitochondria are made by. Empty: the first that marks them."
    )
    detect_in: list[str] = Field([], description="Volumes that are searched. Empty: all.")
    block_nm: Xyz = Field(
        (20_000.0, 20_000.0, 20_000.0),
        description="Size of a block along x, y, z, which is searched and stored by itself, counted from the first voxel of its volume.",
    )
    hold_out: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]] = Field(
        (2, 2, 1),
        description="Into how many parts along x, y, z each annotated volume is divided; a detector is tested on each while the others "
        "train it.",
    )
    tolerance_nm: PositiveNm = Field(150.0, description="A site is found where one is detected within this distance.")
    voxel_ceiling: Annotated[float, Field(gt=0)] = Field(
        2e11, description="A run that would look at more voxels than this is refused with its estimate."
    )
    labels_from: list[LabelsFrom] = Field(
        [], description="Label volumes that name the brain region and the neurons of what is detected."
    )
    missing_region: str = Field("UNASSIGNED", description="Region of what lies in no region of the label volume.")
    labelling: BoxLabellingChoice | None = Field(
        None, description="How people look through boxes of its volumes in the explorer. Empty: they do not."
    )

    @property
    def tile_volumes(self) -> Mapping[str, VolumeSpec]:
        """The volumes, by name."""
        return self.volumes

    @property
    def searched(self) -> dict[str, VolumeSpec]:
        """The volumes that are searched, by name."""
        return {name: spec for name, spec in self.volumes.items() if name in self.detect_in or not self.detect_in}

    @property
    def voxel_size_nm(self) -> Xyz:
        """Size of a voxel of its volumes along x, y, z."""
        return next(iter(self.volumes.values())).voxel_size_nm

    @property
    def synapse_detector(self) -> str | None:
        """The detector that the table of synapses is made by; None for none."""
        return self.synapses_from or next((name for name, choice in self.detectors.items() if choice.synaptic), None)

    @property
    def mitochondria_detector(self) -> str | None:
        """The detector that the mitochondria are made by; None for none."""
        of_them = (name for name, choice in self.detectors.items() if "mitochondria" in choice.targets)
        return self.mitochondria_from or next(of_them, None)

    @property
    def applied(self) -> list[str]:
        """The detectors whose maps are made: those that synapses and mitochondria are found by."""
        return [name for name in (self.synapse_detector, self.mitochondria_detector) if name is not None]

    @model_validator(mode="after")
    def _consistent(self) -> "DetectionDataset":
        sizes = {spec.voxel_size_nm for spec in self.volumes.values()}
        if len(sizes) > 1:
            raise ValueError(f"the volumes have different voxel sizes {sorted(sizes)}: a detector sees one")
        names = [annotation.name for annotation in self.annotations]
        if len(set(names)) != len(names):
            raise ValueError(f"two annotations have the same name: {names}")
        for annotation in self.annotations:
            self._check_annotation(annotation)
        unknown = sorted(set(self.detect_in) - set(self.volumes))
        if unknown:
            raise ValueError(f"detect_in names {unknown}, but the volumes are {list(self.volumes)}")
        check_labels_from(self.labels_from, self.volumes)
        if self.detector_from is None:
            self._check_own_detectors()
        else:
            self._check_other_detectors()
        return self

    def _check_annotation(self, annotation: Annotation) -> None:
        if annotation.volume not in self.volumes:
            raise ValueError(
                f"annotation '{annotation.name}' is of volume '{annotation.volume}', which is not one of {list(self.volumes)}"
            )
        volume = self.volumes[annotation.volume]
        if annotation.labels is not None:
            why_not = space_mismatch(annotation.labels, volume)
            if why_not is not None:
                raise ValueError(f"annotation '{annotation.name}' of volume '{annotation.volume}' {why_not}")
        if annotation.points is not None:
            space = annotation.points.space or volume.space
            why_not = mismatch(space, volume.space, annotation.points.transform)
            if why_not is not None:
                raise ValueError(
                    f"annotation '{annotation.name}' is in space {space}, volume '{annotation.volume}' in {volume.space}: {why_not}"
                )

    def _check_own_detectors(self) -> None:
        if not self.detectors:
            raise ValueError("name detectors, which are trained here, or detector_from, a dataset that has some")
        for name, choice in self.detectors.items():
            if name in _TAKEN:
                raise ValueError(
                    f"a detector may not be called {name}: tables say by that name what else they are made from"
                )
            kind = "points" if choice.learns_from == "points" else "labels"
            annotated = {one.target for one in self.annotations if getattr(one, kind) is not None}
            missing = sorted(set(choice.targets) - annotated)
            if missing:
                raise ValueError(
                    f"detector {name} learns from {choice.learns_from}, but no annotation has {kind} of {missing}"
                )
        for field, chosen in (("synapses_from", self.synapses_from), ("mitochondria_from", self.mitochondria_from)):
            if chosen is not None and chosen not in self.detectors:
                raise ValueError(f"{field} names '{chosen}', which is none of the detectors {list(self.detectors)}")
        if self.synapses_from is not None and not self.detectors[self.synapses_from].synaptic:
            raise ValueError(
                f"synapses_from names '{self.synapses_from}', which marks no presynaptic sites and no clefts"
            )
        if self.mitochondria_from is not None and "mitochondria" not in self.detectors[self.mitochondria_from].targets:
            raise ValueError(f"mitochondria_from names '{self.mitochondria_from}', which marks no mitochondria")

        if self.labelling is not None and self.synapse_detector is None:
            raise ValueError(
                "labelling asks about synapses, and no detector here marks presynaptic sites or clefts: leave it out"
            )

    def _check_other_detectors(self) -> None:
        if self.detectors or self.annotations:
            raise ValueError("detector_from takes another dataset's detectors: leave out detectors and annotations")
        if self.labelling is not None:
            raise ValueError(
                "labelling trains the detectors of a dataset, and with detector_from it has none: leave it out"
            )
        if self.detector_from == self.name:
            raise ValueError(f"detector_from names {self.name} itself: name another dataset")
        if self.synapses_from is None and self.mitochondria_from is None:
            raise ValueError(
                "with detector_from, name which of its detectors are applied: synapses_from, mitochondria_from"
            )
