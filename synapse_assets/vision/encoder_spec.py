"""What an encoder is, but for its weights: readable without torch, so that what does not fit it is refused before that is loaded."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from synapse_assets.errors import BadInput

Origin = Literal["hub", "checkpoint", "self_supervised"]
Pooling = Literal["native", "centre"]

SPEC_FILE = "encoder.json"


@dataclass(frozen=True)
class EncoderSpec:
    """Everything about an encoder but its weights.

    architecture: name in timm (ours, see `networks.em_resnet`, included).
    sections: EM sections of a tile, used as the network's input channels.
    tile_px: side of the tiles that it takes, in pixels.
    crop_px: side of the centre crop that the network sees, in pixels. Tiles are never rescaled, so a pixel keeps its
        nanometres.
    mean, std: normalisation of each section, of grey values scaled to 0..1.
    origin: "hub" (published weights), "checkpoint" (a local file) or "self_supervised" (trained here, without labels).
    source: which weights exactly: timm's tag, the file's name, or what the network was trained on.
    pooling: "native" is the architecture's own; "centre" is, side by side, the feature map's mean under a Gaussian
        window at the centre and its plain mean.
    views: 1, or 8: the embedding is the mean over the eight quarter turns and reflections of the crop in its plane.
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
        if self.views not in (1, 8):
            raise BadInput(f"encoder: views must be 1 or 8, not {self.views}")

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
