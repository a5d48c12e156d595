"""Random views of tiles to train on.

What a view may change is what a network should ignore: orientation in the section, brightness, noise, a damaged
neighbouring section. What it must not change stays visible: size in nanometres (nothing is ever rescaled) and what lies at
the point (the centre moves by one pixel at most). What does not belong here: losses and loops.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

_SHIFT_PX = 1.0  # a view's centre lies at most this far from the tile's, along each axis
_CONTRAST = 0.15  # contrast of a view: 1 +- this, and of each of its sections +- half of it
_BRIGHTNESS = 0.05  # brightness likewise, of grey values scaled to 0..1
_NOISE = 0.03  # highest standard deviation of added noise, of grey values scaled to 0..1
_BLUR_SHARE = 0.2  # views blurred with a 3x3 binomial kernel
_DROP_SHARE = 0.1  # views in which one section is replaced by the middle one


def augment(tiles: Tensor, crop_px: int, generator: torch.Generator) -> Tensor:
    """A random view of each tile: float32 (N, sections, crop_px, crop_px), grey values scaled to about 0..1.

    `tiles` are uint8 (N, sections, H, H). A view is rotated (half of them by quarter turns, which keep the pixels as
    they are) and mirrored about the tile's centre, moved by a pixel at most, but never rescaled, its sections perhaps
    in reverse order; then contrast, brightness, blur, noise, and a section replaced by the middle one. `generator`
    lives on the tiles' device.
    """
    count, sections, side, _ = tiles.shape
    device = tiles.device

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, device=device)

    def spread(*shape: int) -> Tensor:
        return uniform(*shape) * 2 - 1

    start = (side - crop_px) // 2
    margin = min(start, math.ceil(crop_px * (math.sqrt(2) - 1) / 2 + _SHIFT_PX) + 1)
    window = crop_px + 2 * margin  # as much as a rotated view can touch
    windows = (
        tiles[..., start - margin : start - margin + window, start - margin : start - margin + window].float() / 255
    )

    angle = uniform(count) * 2 * math.pi
    quarter_turn = uniform(count) < 0.5
    angle = torch.where(quarter_turn, torch.floor(angle / (math.pi / 2)) * (math.pi / 2), angle)
    shift = spread(count, 2) * _SHIFT_PX
    shift = torch.where(quarter_turn[:, None], shift.round(), shift) * 2 / window
    mirror = torch.where(uniform(count) < 0.5, -1.0, 1.0)
    share = crop_px / window  # the output spans this share of the window: a pixel stays a pixel
    cosine, sine = torch.cos(angle) * share, torch.sin(angle) * share
    maps = torch.stack(
        [torch.stack([cosine * mirror, -sine, shift[:, 0]], 1), torch.stack([sine * mirror, cosine, shift[:, 1]], 1)], 1
    )
    grid = functional.affine_grid(maps, [count, sections, crop_px, crop_px], align_corners=False)
    views = functional.grid_sample(windows, grid, mode="bilinear", padding_mode="reflection", align_corners=False)

    views = torch.where((uniform(count) < 0.5)[:, None, None, None], views.flip(1), views)
    contrast = 1 + spread(count, 1, 1, 1) * _CONTRAST + spread(count, sections, 1, 1) * _CONTRAST / 2
    brightness = spread(count, 1, 1, 1) * _BRIGHTNESS + spread(count, sections, 1, 1) * _BRIGHTNESS / 2
    views = (views - 0.5) * contrast + 0.5 + brightness
    tap = torch.tensor([0.25, 0.5, 0.25], device=device)
    kernel = (tap[:, None] * tap[None, :]).expand(sections, 1, 3, 3)
    blurred = functional.conv2d(functional.pad(views, (1, 1, 1, 1), mode="replicate"), kernel, groups=sections)
    views = torch.where((uniform(count) < _BLUR_SHARE)[:, None, None, None], blurred, views)
    views = views + torch.randn(views.shape, generator=generator, device=device) * uniform(count, 1, 1, 1) * _NOISE
    dropped = torch.floor(uniform(count) * sections).long()
    replaced = (torch.arange(sections, device=device)[None, :] == dropped[:, None]) & (uniform(count) < _DROP_SHARE)[
        :, None
    ]
    middle = sections // 2
    return torch.where(replaced[:, :, None, None], views[:, middle : middle + 1], views)
