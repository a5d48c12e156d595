"""The layer whose map Grad-CAM reads, and where in the picture the cells of that map lie.

What does not belong here: Grad-CAM itself (`methods`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from synapse_assets.errors import BadInput

_FEWEST_CELLS = 12  # along a side
_KERNELS = (nn.Conv2d, nn.Conv3d, nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool2d, nn.AvgPool3d)


@dataclass(frozen=True)
class FeatureLayer:
    """A module whose output is a feature map (M, channels, ..., h, w).

    name: of it in the backbone. first_px: centre of the first cell, in pixels of the crop from that of the first pixel; stride_px: from
    one cell to the next.
    """

    name: str
    module: nn.Module
    first_px: float
    stride_px: float

    def in_pixels(self, maps: Tensor, height: int, width: int) -> Tensor:
        """Maps (N, h, w) of cells, interpolated between the cells' centres: (N, height, width)."""
        rows, columns = (
            self._weights(side, cells, maps) for side, cells in ((height, maps.shape[-2]), (width, maps.shape[-1]))
        )
        return rows @ maps @ columns.T

    def _weights(self, side: int, cells: int, like: Tensor) -> Tensor:
        """How much each cell counts for each pixel (side, cells); beyond the outermost cells as at them."""
        place = ((torch.arange(side, device=like.device) - self.first_px) / self.stride_px).clamp(0, cells - 1)
        away = (place[:, None] - torch.arange(cells, device=like.device)).abs()
        return (1 - away).clamp_min(0).to(like.dtype)


def open_feature_layer(
    backbone: nn.Module, crop_px: int, run: Callable[[], Any], stages: Sequence[str] = ()
) -> FeatureLayer:
    """The deepest stage of a backbone with at least 12 x 12 cells, or the deepest of the finest if there is none.

    Deep stages know more of the class, but em_resnet18 ends in 3 x 3 cells for 48 px, which say nothing of places. run: calls the backbone
    on pictures of `crop_px`. stages: names to choose from, the backbone's own if not given.

    In `backbone` a stage whose output has another order of axes (a transformer's tokens) is replaced by one that passes through a feature
    map. Of tokens the last stage but one is taken: from the last, only the class token is read. Raises BadInput for a backbone without
    feature maps.
    """
    seen: list[tuple[str, tuple[int, ...]]] = []
    shift, shifts = 0.0, {}

    def looks(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor):
                seen.append((name, tuple(output.shape)))
                shifts[name] = shift

        return hook

    def moves(module: nn.Module, inputs: tuple[Tensor, ...], output: Any) -> None:
        nonlocal shift
        kernel, padding = (_along_width(getattr(module, name)) for name in ("kernel_size", "padding"))
        if kernel is not None and padding is not None:
            shift += ((kernel - 1) / 2 - padding) * max(1, round(crop_px / inputs[0].shape[-1]))

    handles = [module.register_forward_hook(moves) for module in backbone.modules() if isinstance(module, _KERNELS)]
    handles += [backbone.get_submodule(name).register_forward_hook(looks(name)) for name in stages or _stages(backbone)]
    try:
        with torch.no_grad():
            run()
    finally:
        for handle in handles:
            handle.remove()
    order = str(getattr(backbone, "output_fmt", "NCHW"))
    prefix = int(getattr(backbone, "num_prefix_tokens", 0))
    sides = [(name, _side(shape, order, prefix)) for name, shape in seen]
    sides = [(name, side) for name, side in sides if side]
    if not sides:
        raise BadInput(
            f"explanation: {type(backbone).__name__} has no feature map that Grad-CAM could read; choose another method"
        )
    fine = [(name, side) for name, side in sides if side >= _FEWEST_CELLS]
    name, side = fine[-1] if fine else max(reversed(sides), key=lambda stage: stage[1])
    shape = dict(seen)[name]
    if len(shape) == 3 and len(sides) > 1:
        name, side = sides[-2]
    stride = float(max(1, round(crop_px / side)))
    as_channels_first = len(shape) == 3 or (len(shape) == 4 and order == "NHWC")
    if not as_channels_first:
        return FeatureLayer(name, backbone.get_submodule(name), shifts[name], stride)
    layer = _ThroughMap(backbone.get_submodule(name), prefix)
    backbone.set_submodule(name, layer)
    return FeatureLayer(name, layer.map, (stride - 1) / 2, stride)


class _ThroughMap(nn.Module):
    """A stage that gives tokens (N, tokens, channels) or (N, h, w, channels), which pass `map` as (N, channels, h, w)."""

    def __init__(self, stage: nn.Module, prefix: int) -> None:
        super().__init__()
        self.stage, self.prefix, self.map = stage, prefix, nn.Identity()

    def forward(self, *inputs: Any, **named: Any) -> Tensor:
        output = cast(Tensor, self.stage(*inputs, **named))
        if output.ndim == 4:
            return cast(Tensor, self.map(output.permute(0, 3, 1, 2))).permute(0, 2, 3, 1)
        places = output[:, self.prefix :]
        side = round(places.shape[1] ** 0.5)
        maps = self.map(places.transpose(1, 2).unflatten(2, (side, side)))
        return torch.cat([output[:, : self.prefix], maps.flatten(2).transpose(1, 2)], 1)


def _stages(backbone: nn.Module) -> list[str]:
    """Names of the modules that may be read: timm's stages where it says them, else the parts of the network in their order."""
    known = getattr(backbone, "feature_info", None)
    known = getattr(known, "info", known)
    if isinstance(known, list) and known:
        names = {name for name, _ in backbone.named_modules()}
        return [stage["module"] for stage in known if stage["module"] in names]
    prefix, part = "", backbone
    while len(children := dict(part.named_children())) == 1:
        name, part = next(iter(children.items()))
        prefix += f"{name}."
    return [prefix + name for name in children]


def _side(shape: tuple[int, ...], order: str, prefix: int) -> int:
    """Cells along the shorter side of an output; 0 if it is no map."""
    if len(shape) == 3:
        side = round(max(0, shape[1] - prefix) ** 0.5)
        return side if side > 1 and side * side == shape[1] - prefix else 0
    if len(shape) == 5:
        return min(shape[-2:])
    if len(shape) == 4:
        return min(shape[1:3] if order == "NHWC" else shape[2:])
    return 0


def _along_width(value: object) -> int | None:
    if isinstance(value, tuple):
        return int(value[-1])
    return int(value) if isinstance(value, int) else None
