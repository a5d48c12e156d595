"""Random views of tiles as serial sections could have been cut, imaged and aligned, to train networks with labels.

A view may differ in what differs between two series of sections of the same tissue: orientation, how sections lie on each other,
which of them were lost, how each was stretched a little, stained, focused and imaged. Nothing is rescaled: a synapse keeps its
size in nanometres but for a bend by which no distance changes by more than a tenth. The kinds of change are those of Eckstein et
al. 2024 (Cell 187:2574); how large they are is our own choice, and smaller where it moves pixels. What does not belong here:
views to learn from without labels and what they share with these (see `augmentation`), losses and loops.
"""

import torch
from torch import Tensor
from torch.nn import functional

from synapse_assets.vision.training.augmentation import (
    SHIFT_PX,
    central_windows,
    in_either_order,
    other_picture,
    spread,
    turns,
    uniform,
)

_BEND_SHARE = 0.5  # views that are bent; the others keep sharp pixels under quarter turns
_BEND_PITCH_PX = 40  # points at least this far apart are displaced at random, those between them linearly
_BEND_PITCH_SECTIONS = 4
_BEND = 0.025  # a point's highest displacement along an axis, of the distance of such points
_SLIP_SHARE = 0.05  # of sections that lie askew on the one before
_SLIP_PX = 5  # highest slip of a section on the one before, along each axis
_MOST_SLIP_PX = 10  # highest sum of slips, seen from the synapse's section
_MISSING_SHARE = 0.03  # of sections other than the synapse's own
_BLACK_SHARE = 0.5  # missing sections that are black; the others are filled with their neighbour


def augment_sections(tiles: Tensor, crop_px: int, generator: torch.Generator) -> Tensor:
    """A random view of each tile: float32 (N, sections, crop_px, crop_px), grey values scaled to about 0..1.

    `tiles` are uint8 (N, sections, H, H), H at least `crop_px`; `generator` lives on their device, and its state determines the
    views. The synapse's section is number sections // 2. A view is

    - turned and mirrored in the plane and moved by a pixel at most, as in `augment`; its sections perhaps in reverse order, which
      mirrors tissue as a mirror in the plane does (of an even number of sections the synapse's is then one place further up);
    - bent (half of the views): displacements of up to a pixel or so at points 40 px and 4 sections apart;
    - slipped: a section and all behind it, seen from the synapse's, moved by whole pixels, up to 5 along an axis, 10 in all;
    - changed in contrast and brightness, all together and section by section; some blurred; noise added;
    - short of a section here and there, black or replaced by the neighbour on the synapse's side, never of the synapse's own.

    Nothing but the one pixel moves the synapse's voxel (and, of an even number of pixels, which has no middle one, half a pixel
    from the centre of turning). What lies outside of the tile is its mirror image.
    """
    count, sections, _, _ = tiles.shape
    pitch_px = max(1, (crop_px - 1) / max(1, (crop_px - 1) // _BEND_PITCH_PX))
    windows = central_windows(tiles, crop_px, SHIFT_PX + _MOST_SLIP_PX + 2 * _BEND * pitch_px)
    maps = turns(count, crop_px, windows.shape[-1], generator)
    moved_px = _bends(count, sections, crop_px, pitch_px, generator) + _slips(count, sections, generator)
    plane = functional.affine_grid(maps, [count, 1, crop_px, crop_px], align_corners=False)
    grid = plane[:, None] + torch.einsum("nij,nsyxj->nsyxi", maps[:, :, :2] * 2 / crop_px, moved_px)
    views = functional.grid_sample(
        windows.flatten(0, 1)[:, None],
        grid.flatten(0, 1),
        mode="bilinear",
        padding_mode="reflection",
        align_corners=False,
    )
    views = other_picture(views.view(count, sections, crop_px, crop_px), generator)
    return in_either_order(_without_some_sections(views, generator), generator)


def _bends(count: int, sections: int, crop_px: int, pitch_px: float, generator: torch.Generator) -> Tensor:
    """Displacements (count, sections, crop_px, crop_px, 2) in pixels, x and y, none at the synapse's voxel."""
    deep, wide = 1 + (sections - 1) // _BEND_PITCH_SECTIONS, 1 + max(1, (crop_px - 1) // _BEND_PITCH_PX)
    nodes = spread(generator, count, 2, deep, wide, wide) * _BEND * pitch_px
    nodes = nodes * (uniform(generator, count) < _BEND_SHARE)[:, None, None, None, None]
    field = functional.interpolate(nodes, (sections, crop_px, crop_px), mode="trilinear", align_corners=True)
    middle = crop_px // 2
    return (field - field[:, :, sections // 2, middle, middle][:, :, None, None, None]).permute(0, 2, 3, 4, 1)


def _slips(count: int, sections: int, generator: torch.Generator) -> Tensor:
    """Displacement of each section (count, sections, 1, 1, 2) in whole pixels, none of the synapse's."""
    slipped = uniform(generator, count, sections) < _SLIP_SHARE
    steps = (spread(generator, count, sections, 2) * _SLIP_PX).round() * slipped[:, :, None]
    sums = steps.cumsum(1)
    sums = (sums - sums[:, sections // 2 : sections // 2 + 1]).clamp(-_MOST_SLIP_PX, _MOST_SLIP_PX)
    return sums[:, :, None, None, :]


def _without_some_sections(views: Tensor, generator: torch.Generator) -> Tensor:
    count, sections, _, _ = views.shape
    number = torch.arange(sections, device=views.device)
    middle = sections // 2
    missing = (uniform(generator, count, sections) < _MISSING_SHARE) & (number != middle)
    black = uniform(generator, count, sections) < _BLACK_SHARE
    filled = torch.where(black[:, :, None, None], 0, views[:, number + (middle - number).sign()])
    return torch.where(missing[:, :, None, None], filled, views)
