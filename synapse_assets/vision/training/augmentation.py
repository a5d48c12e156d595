"""Random views of tiles to train on without labels, and the parts of a view that training with labels shares.

What a view may change is what a network should ignore: orientation in the section, brightness, noise, a damaged
neighbouring section. What it must not change stays visible: size in nanometres (nothing is ever rescaled) and what lies at
the point (the centre moves by one pixel at most). What does not belong here: faults of the sections themselves (see
`section_augmentation`), losses and loops.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

SHIFT_PX = 1.0  # a view's centre lies at most this far from the tile's, along each axis
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

    What a state of the generator gives never changes: encoders that were trained with it are made again by it.
    """
    count, sections, _, _ = tiles.shape
    windows = central_windows(tiles, crop_px, SHIFT_PX)
    maps = turns(count, crop_px, windows.shape[-1], generator)
    grid = functional.affine_grid(maps, [count, sections, crop_px, crop_px], align_corners=False)
    views = functional.grid_sample(windows, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    views = other_picture(in_either_order(views, generator), generator)
    dropped = torch.floor(uniform(generator, count) * sections).long()
    replaced = (torch.arange(sections, device=tiles.device)[None, :] == dropped[:, None]) & (
        uniform(generator, count) < _DROP_SHARE
    )[:, None]
    middle = sections // 2
    return torch.where(replaced[:, :, None, None], views[:, middle : middle + 1], views)


def uniform(generator: torch.Generator, *shape: int) -> Tensor:
    """Random numbers from 0 to 1 on the generator's device."""
    return torch.rand(*shape, generator=generator, device=generator.device)


def spread(generator: torch.Generator, *shape: int) -> Tensor:
    """Random numbers from -1 to 1 on the generator's device."""
    return uniform(generator, *shape) * 2 - 1


def central_windows(tiles: Tensor, crop_px: int, reach_px: float) -> Tensor:
    """As much of the tiles' centres as a view turned by any angle and displaced by `reach_px` can touch, as far as the tiles reach.

    uint8 (N, sections, H, H) becomes float32 (N, sections, window, window) of 0..1.
    """
    start = (tiles.shape[-1] - crop_px) // 2
    margin = min(start, math.ceil(crop_px * (math.sqrt(2) - 1) / 2 + reach_px) + 1)
    window = crop_px + 2 * margin
    return tiles[..., start - margin : start - margin + window, start - margin : start - margin + window].float() / 255


def turns(count: int, crop_px: int, window_px: int, generator: torch.Generator) -> Tensor:
    """Maps (count, 2, 3) for `affine_grid` that turn, mirror and move views of `crop_px` inside windows of `window_px`.

    Half of the turns are quarter turns with whole pixels of movement, so that no grey value is interpolated. A pixel stays a pixel.
    """
    angle = uniform(generator, count) * 2 * math.pi
    quarter_turn = uniform(generator, count) < 0.5
    angle = torch.where(quarter_turn, torch.floor(angle / (math.pi / 2)) * (math.pi / 2), angle)
    shift = spread(generator, count, 2) * SHIFT_PX
    shift = torch.where(quarter_turn[:, None], shift.round(), shift) * 2 / window_px
    mirror = torch.where(uniform(generator, count) < 0.5, -1.0, 1.0)
    share = crop_px / window_px
    cosine, sine = torch.cos(angle) * share, torch.sin(angle) * share
    return torch.stack(
        [torch.stack([cosine * mirror, -sine, shift[:, 0]], 1), torch.stack([sine * mirror, cosine, shift[:, 1]], 1)], 1
    )


def in_either_order(views: Tensor, generator: torch.Generator) -> Tensor:
    """Half of the views with their sections in reverse order."""
    return torch.where((uniform(generator, len(views)) < 0.5)[:, None, None, None], views.flip(1), views)


def other_picture(views: Tensor, generator: torch.Generator) -> Tensor:
    """The views (N, sections, H, H) as if taken anew: contrast and brightness of all and of each section, blur of some, noise."""
    count, sections, _, _ = views.shape
    contrast = (
        1 + spread(generator, count, 1, 1, 1) * _CONTRAST + spread(generator, count, sections, 1, 1) * _CONTRAST / 2
    )
    brightness = (
        spread(generator, count, 1, 1, 1) * _BRIGHTNESS + spread(generator, count, sections, 1, 1) * _BRIGHTNESS / 2
    )
    views = (views - 0.5) * contrast + 0.5 + brightness
    tap = torch.tensor([0.25, 0.5, 0.25], device=views.device)
    kernel = (tap[:, None] * tap[None, :]).expand(sections, 1, 3, 3)
    blurred = functional.conv2d(functional.pad(views, (1, 1, 1, 1), mode="replicate"), kernel, groups=sections)
    views = torch.where((uniform(generator, count) < _BLUR_SHARE)[:, None, None, None], blurred, views)
    noise = torch.randn(views.shape, generator=generator, device=views.device)
    return views + noise * uniform(generator, count, 1, 1, 1) * _NOISE
