"""What a dataset file says of detectors: networks that find synapses and mitochondria in a volume.

Reading volumes belongs to `volumes`, networks to `vision`.
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from synapse_assets.datasets.base import Frozen


class DetectorChoice(Frozen):
    """A network that is trained to say of every voxel whether it belongs to a target."""

    targets: list[str] = Field(min_length=1, description="Names of the maps, in the order of the masks.")
    architecture: Literal["unet_2d", "unet_3d"] = Field(
        "unet_2d", description="Neighbouring sections as channels (unet_2d), or three-dimensional convolutions."
    )
    sections: Annotated[int, Field(ge=1)] = Field(
        3, description="Sections of a training window, an odd number; unet_2d sees as many at once."
    )
    channels: list[Annotated[int, Field(ge=1)]] = Field(
        [16, 32, 64, 128], min_length=3, description="Maps at each level, from the finest; a level halves the picture."
    )
    pixel_nm: Annotated[float, Field(gt=0)] | None = Field(
        None, description="Side of the network's pixels, a whole multiple of the volume's; empty: those of the volume."
    )
    window_px: Annotated[int, Field(ge=1)] = Field(128, description="Side of training windows, in network pixels.")
    steps: Annotated[int, Field(ge=1)] = Field(1_000, description="Training steps.")
    batch_size: Annotated[int, Field(ge=1)] = Field(8, description="Windows of a step.")
    learning_rate: Annotated[float, Field(gt=0)] = Field(2e-3, description="Highest learning rate.")

    @model_validator(mode="after")
    def _complete(self) -> "DetectorChoice":
        if self.sections % 2 == 0:
            raise ValueError(f"sections must be an odd number, which has a middle one, not {self.sections}")
        if len(set(self.targets)) != len(self.targets):
            raise ValueError(f"targets must be different names, not {self.targets}")
        return self
