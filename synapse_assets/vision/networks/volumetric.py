"""Networks that see a tile as a volume: three-dimensional convolutions over the sections.

Sections are some ten times thicker than pixels are wide (40 nm against 4 nm), so these networks first halve the picture in
the plane, until a voxel of the feature map is about as wide as it is thick (32 nm after three halvings), and only then sections
too.

A tile of an even number n of sections (or pixels) has no middle one: the synapse's voxel is number n // 2 from 0, of 16 sections
the ninth, with eight before it and seven behind, as `volumes` cuts tiles. What does not belong here: weights, what makes classes
of features, and networks that take the sections as channels (see `backbone`).
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torchvision.models.video.resnet import BasicBlock, Conv3DSimple, VideoResNet

from synapse_assets.errors import BadInput

_IN_PLANE, _ALL = (1, 2, 2), (2, 2, 2)


def build_volumetric(architecture: str, sections: int, crop_px: int) -> nn.Module:
    """A network of float (N, 1, sections, crop_px, crop_px), grey values of 0..1 or normalised, to features (N, D) without a head.

    'vgg_3d' (D 96) follows Eckstein et al. 2024 (Cell 187:2574, doi 10.1016/j.cell.2024.03.016) in its input of 16 x 160 x 160
    voxels at 40, 4, 4 nm, its four levels of 12, 24, 48 and 96 feature maps, two convolutions of 3 x 3 x 3 with batch norm and ReLU
    a level, and max pooling after each, by (1, 2, 2) three times and then (2, 2, 2). It departs in what follows: there, the last
    maps go as they are (96 x 8 x 10 x 10) into two layers of 4,096 with dropout; here, their mean over all places is the features,
    so that inputs of other sizes can be seen and there are few weights to fit. Convolutions have no offset, which batch norm would
    take away again.

    'resnet18_3d' (D 512) is the 18-layer residual network of He et al. 2016 (doi 10.1109/CVPR.2016.90) in three dimensions, as Hara
    et al. 2018 have it (doi 10.1109/CVPR.2018.00685). It departs in strides and stem: stem, pooling and the second stage halve
    in the plane only, the third and fourth halve sections too; the stem spans 3 sections in place of 7, and pooling one; shortcuts
    that change shape are projections.

    Both work on larger inputs too. Raises BadInput for another name, and where the input is too small to be halved so often.
    """
    if architecture not in _ARCHITECTURES:
        raise BadInput(
            f"networks: no volumetric architecture '{architecture}'; choose one of {', '.join(_ARCHITECTURES)}"
        )
    build, least_sections, least_px = _ARCHITECTURES[architecture]
    if sections < least_sections or crop_px < least_px:
        raise BadInput(
            f"networks: {architecture} needs at least {least_sections} sections of {least_px} x {least_px} px, not {sections} of "
            f"{crop_px} x {crop_px}: cut larger tiles (tile: in the dataset's YAML), give a larger crop_nm, or leave this network out"
        )
    return build()


class _Vgg(nn.Module):
    """Levels of two convolutions and a max pooling, then the mean over all places."""

    def __init__(self, maps: int, poolings: tuple[tuple[int, int, int], ...]) -> None:
        super().__init__()
        levels: list[nn.Module] = []
        before = 1
        for number, pooling in enumerate(poolings):
            width = maps * 2**number
            for inputs in (before, width):
                levels += [
                    nn.Conv3d(inputs, width, kernel_size=3, padding=1, bias=False),
                    nn.BatchNorm3d(width),
                    nn.ReLU(inplace=True),
                ]
            levels.append(nn.MaxPool3d(pooling))
            before = width
        self.levels = nn.Sequential(*levels)
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, volumes: Tensor) -> Tensor:
        maps: Tensor = self.levels(volumes)
        return maps.mean((2, 3, 4))


class _InPlaneConv(Conv3DSimple):
    """A 3 x 3 x 3 convolution whose stride leaves the sections alone."""

    def __init__(
        self, in_planes: int, out_planes: int, midplanes: int | None = None, stride: int = 1, padding: int = 1
    ) -> None:
        super().__init__(in_planes, out_planes, midplanes, stride, padding)
        self.stride = (1, stride, stride)

    @staticmethod
    def get_downsample_stride(stride: int) -> tuple[int, int, int]:
        return 1, stride, stride


class _Stem(nn.Sequential):
    """The first convolution of a ResNet and its pooling, in the plane."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv3d(1, 64, kernel_size=(3, 7, 7), stride=_IN_PLANE, padding=(1, 3, 3), bias=False),
            nn.BatchNorm3d(64),
            nn.ReLU(inplace=True),
            nn.MaxPool3d((1, 3, 3), stride=_IN_PLANE, padding=(0, 1, 1)),
        )


def _vgg_3d() -> nn.Module:
    return _Vgg(12, (_IN_PLANE, _IN_PLANE, _IN_PLANE, _ALL))


def _resnet18_3d() -> nn.Module:
    convolutions: list[Any] = [Conv3DSimple, _InPlaneConv, Conv3DSimple, Conv3DSimple]
    network = VideoResNet(BasicBlock, convolutions, [2, 2, 2, 2], _Stem)
    network.fc = nn.Identity()
    return network


# How it is built, and the fewest sections and pixels of which every halving leaves half: a pooling needs two, a strided
# convolution with padding gives (n + 1) // 2.
_ARCHITECTURES: dict[str, tuple[Callable[[], nn.Module], int, int]] = {
    "vgg_3d": (_vgg_3d, 2, 16),
    "resnet18_3d": (_resnet18_3d, 3, 17),
}
