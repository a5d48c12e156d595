"""Network architectures of our own, registered in timm by name, so that one string names any architecture.

What does not belong here: weights, normalisation, pooling (see `encoder`), and building by name (see `backbone`).
"""

from typing import Any

from timm.models import register_model
from timm.models.resnet import BasicBlock, ResNet
from torch import nn


@register_model
def em_resnet18(pretrained: bool = False, **arguments: Any) -> ResNet:
    """ResNet-18 for small pictures (32 to 64 px) on a laptop's processor: half as wide, and no pooling after the stem.

    The feature map has 256 channels and a sixteenth of the picture's side. There are no published weights: asking for
    them is a RuntimeError, as timm has it. After He et al. 2016 (doi 10.1109/CVPR.2016.90).
    """
    return _narrow_resnet((2, 2, 2, 2), pretrained, arguments)


@register_model
def em_resnet10(pretrained: bool = False, **arguments: Any) -> ResNet:
    """`em_resnet18` with one block a stage instead of two: about half the arithmetic."""
    return _narrow_resnet((1, 1, 1, 1), pretrained, arguments)


def _narrow_resnet(blocks: tuple[int, ...], pretrained: bool, arguments: dict[str, Any]) -> ResNet:
    if pretrained:
        raise RuntimeError(
            "this architecture has no published weights; train it with synapse_assets.vision.training.simclr"
        )
    unused = ("pretrained_cfg", "pretrained_cfg_overlay", "cache_dir")
    arguments = {name: value for name, value in arguments.items() if name not in unused}
    network = ResNet(BasicBlock, blocks, channels=(32, 64, 128, 256), **arguments)
    network.maxpool = nn.Identity()
    return network
