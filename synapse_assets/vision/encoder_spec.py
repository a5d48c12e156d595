"""What an encoder is, but for its weights: readable without torch, so that what does not fit it is refused before that is loaded."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from synapse_assets.errors import BadInput

Origin = Literal["hub", "checkpoint", "self_supervised", "texture"]
Pooling = Literal["native", "centre", "moments"]

SPEC_FILE = "encoder.json"
# In the place of an architecture, where there is no network.
TEXTURE = "texture"


@dataclass(frozen=True)
class EncoderSpec:
    """Everything about an encoder but its weights.

    architecture: name in timm (ours, see `networks.em_resnet`, included); "texture" for no network.
    sections: EM sections of a tile, used as the network's input channels.
    tile_px: side of the tiles that it takes, in pixels.
    crop_px: side of the centre crop that the network sees, in pixels. Tiles are never rescaled, so a pixel keeps its
        nanometres.
    mean, std: normalisation of each section, of grey values scaled to 0..1.
    origin: "hub" (published weights), "checkpoint" (a local file), "self_supervised" (trained here, without labels) or "texture" (no
        network).
    source: which weights exactly: timm's tag, the file's name, or what the network was trained on.
    pooling: "native" is the architecture's own; "centre" is, side by side, the feature map's mean under a Gaussian
        window at the centre and its plain mean; "moments" is both, and the logarithms of the standard deviations under both.
    views: 1, or 8: the embedding is the mean over the eight quarter turns and reflections of the crop in its plane.
    texture_px: side of the centre crop whose texture is a part of the features, in pixels; 0 for none.
    pixel_nm: side of a pixel in nanometres; 0 where no texture is measured.
    section_by_section: whether the network sees one section at a time; the features are then the mean over the sections and, beside it,
        the middle one.
    head_dimensions: how many numbers the features are projected to; 0 for an embedding that is the features themselves.
    """

    architecture: str
    sections: int
    tile_px: int
    crop_px: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    origin: Origin
    source: str = ""
    pooling: Pooling = "native"
    views: int = 1
    texture_px: int = 0
    pixel_nm: float = 0.0
    section_by_section: bool = False
    head_dimensions: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.crop_px <= self.tile_px:
            raise BadInput(f"encoder: crop of {self.crop_px} px does not fit a tile of {self.tile_px} px")
        if len(self.mean) != self.sections or len(self.std) != self.sections:
            raise BadInput(
                f"encoder: {self.sections} sections need as many means and deviations, "
                f"not {len(self.mean)} and {len(self.std)}"
            )
        if min(self.std) <= 0:
            raise BadInput(f"encoder: standard deviations must be above zero, not {self.std}")
        if not 0 <= self.texture_px <= self.tile_px:
            raise BadInput(f"encoder: texture of {self.texture_px} px does not fit a tile of {self.tile_px} px")
        if self.texture_px and not self.pixel_nm > 0:
            raise BadInput(f"encoder: texture needs the size of a pixel in nanometres, not {self.pixel_nm}")
        if self.views not in (1, 8):
            raise BadInput(f"encoder: views must be 1 or 8, not {self.views}")

    @property
    def has_network(self) -> bool:
        """Whether a network is a part of it."""
        return self.architecture != TEXTURE

    @property
    def channels(self) -> int:
        """Input channels of the network."""
        return 1 if self.section_by_section else self.sections

    @property
    def tile_shape(self) -> tuple[int, int, int]:
        """Of the tiles that the encoder takes: sections, height and width in pixels."""
        return self.sections, self.tile_px, self.tile_px


def read_spec(folder: Path) -> EncoderSpec:
    """The specification of the encoder that was saved in `folder`. Raises FileNotFoundError, or BadInput naming the file."""
    stored = json.loads((folder / SPEC_FILE).read_text())
    try:
        return EncoderSpec(
            **cast(dict[str, Any], {k: tuple(v) if isinstance(v, list) else v for k, v in stored.items()})
        )
    except TypeError as error:
        raise BadInput(f"{folder / SPEC_FILE} is not an encoder of this version: {error}") from error
