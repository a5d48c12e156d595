"""A network by the name of its architecture: timm's, and ours, which importing this module registers there.

What does not belong here: weights of a local file (`weights`), normalisation and pooling around a network (`encoder`).
"""

from typing import cast

import timm
import torch
from torch import nn

from synapse_assets.errors import BadInput
from synapse_assets.vision.encoder_spec import Pooling
from synapse_assets.vision.networks import em_resnet  # noqa: F401  (registers our architectures in timm)


def build_backbone(
    architecture: str, sections: int, crop_px: int, pooling: Pooling, pretrained: bool = False
) -> nn.Module:
    """The timm network without classifier, in channels-last layout; with a pooling other than "native" it gives its feature map,
    unpooled.

    Raises BadInput where timm does not know the name or cannot build it so, and RuntimeError where `pretrained` weights
    are requested that timm does not have.
    """
    if not timm.is_model(architecture):
        raise BadInput(f"encoder: timm {timm.__version__} knows no architecture '{architecture}'")
    options: dict[str, object] = {} if pooling == "native" else {"global_pool": ""}
    arguments = {"pretrained": pretrained, "in_chans": sections, "num_classes": 0, **options}
    try:
        backbone = _create_model(architecture, crop_px, arguments)
    except (ValueError, FileNotFoundError) as error:
        raise BadInput(str(error)) from error
    return backbone.to(memory_format=torch.channels_last)


def _create_model(architecture: str, crop_px: int, arguments: dict[str, object]) -> nn.Module:
    """Transformers are built for one picture size; convolutional networks do not take the argument."""
    try:
        return cast(nn.Module, timm.create_model(architecture, img_size=crop_px, **arguments))
    except TypeError as error:
        if "img_size" not in str(error):
            raise
        return cast(nn.Module, timm.create_model(architecture, **arguments))
