"""Texture of a tile without training: a fixed bank of oriented filters, and statistics of its responses around the synapse.

Each section is normalised, filtered at two levels of a pyramid by Gaussian derivatives of several orientations, and described under
Gaussian windows of several widths by signed moments of the responses and by the log-Euclidean covariance of their sizes. Both are
averaged over all rotations by the angle between two filters and their mirror images, so that the orientation of the tile in the section
plane does not matter. What does not belong here: which combinations of these features are worth keeping (`head`).

Filters and moments: Portilla & Simoncelli 2000 (doi 10.1023/A:1026553619983), Simoncelli & Freeman 1995 (steerable derivatives).
Covariance descriptors and their logarithm: Tuzel et al. 2006, Arsigny et al. 2006 (doi 10.1002/mrm.20965).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

# Widths (standard deviation) of the derivatives in pixels of their level, at a pixel of `_PIXEL_NM`.
_FINE_PX = (0.8, 1.3)
_COARSE_PX = (1.05, 1.7)
_ANGLES = 4
_FILTER_RADIUS_PX = 5
# Finer voxels are averaged to about this; coarser ones are used as they are, and the filters with them.
_PIXEL_NM = 4.0
# Standard deviations of the windows around the synapse.
_WINDOWS_NM = (26.0, 60.0, 146.0)
# Side of what is seen around the synapse, and the fewest pixels of it.
_EXTENT_NM = 352.0
_SMALLEST_CROP_PX = 24

_MOMENTS = 3
# Responses of this many sections stay in a processor's cache.
_SECTIONS_IN_CACHE = 8
_FLOOR = 1e-3  # added to responses before the logarithm: a thousandth of a section's standard deviation
# A section of less contrast than this share of the highest in its tile shows nothing, but perhaps the noise of compression.
_LEAST_CONTRAST = 0.05


def texture_crop_px(tile_px: int, pixel_nm: float) -> int:
    """Side of the crop that the texture is measured in, in voxels of `pixel_nm` nanometres: 352 nm, but 24 voxels at least, and the whole
    tile where it is smaller."""
    wanted = max(_SMALLEST_CROP_PX, 2 * round(_EXTENT_NM / pixel_nm / 2))
    return min(tile_px, wanted)


@dataclass(frozen=True)
class LocalTexture:
    """What the features of N tiles are taken from, place by place.

    greys: normalised sections (N, S, side, side). responses: of the filters (N, S, F, side / 2, side / 2), each in the middle of four
    pixels. shares: how much a section counts in each half of the features (N, S, 2); over the sections they add up to one.
    """

    greys: Tensor
    responses: Tensor
    shares: Tensor


class TextureFeatures(nn.Module):
    """Features, float32 (N, D), of pictures (N, sections, side, side) of grey values scaled to 0..1; D is `dimensions`.

    The first half of a row is the mean over the sections, the second half the middle section. Sections without contrast, as those
    beyond the edge of a volume, are left out of the mean, and rows and columns without any show the mirror image of the rest. Quarter
    turns, mirror images, and another brightness or contrast of a section change nothing. All that is fixed (filters, windows, which
    features are averaged) is kept as buffers, so a stored module computes what it computed.
    """

    def __init__(self, crop_px: int, pixel_nm: float) -> None:
        super().__init__()
        reduction = _reduction(crop_px, pixel_nm)
        side = 2 * (crop_px // (2 * reduction))
        working_nm = pixel_nm * reduction
        widening = max(1.0, _PIXEL_NM / working_nm)
        self.register_buffer("voxels", torch.full((1, 1, reduction, reduction), 1 / reduction**2))
        # The maps of both levels have their points in the middle of four pixels.
        self.register_buffer("fine", _filters([px * widening for px in _FINE_PX], 2 * _FILTER_RADIUS_PX + 2))
        self.register_buffer("coarse", _filters([px * widening for px in _COARSE_PX], 2 * _FILTER_RADIUS_PX + 1))
        tap = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
        self.register_buffer("smoothing", (tap[:, None] * tap)[None, None])
        on_map = [_window(side // 2, nm / working_nm / 2) for nm in _WINDOWS_NM]
        on_picture = [_window(side, nm / working_nm) for nm in _WINDOWS_NM]
        self.register_buffer("windows", torch.stack(on_map, 1))
        self.register_buffer("grey_windows", torch.stack(on_picture, 1))
        self.register_buffer("floor", torch.tensor(_FLOOR))
        self.register_buffer("least_contrast", torch.tensor(_LEAST_CONTRAST))
        moments, pairs = _orbits(len(_FINE_PX) + len(_COARSE_PX))
        self.register_buffer("moment_average", moments)
        self.register_buffer("pair_average", pairs)

    @property
    def dimensions(self) -> int:
        """Numbers in a row of features."""
        per_window = self._buffer("moment_average").shape[1] * _MOMENTS + self._buffer("pair_average").shape[1] + 2
        return 2 * per_window * self._buffer("windows").shape[1]

    def forward(self, pictures: Tensor) -> Tensor:
        """See the class. Computed in float32 whatever precision is in force around it."""
        with torch.autocast(pictures.device.type, enabled=False):
            count, sections = pictures.shape[:2]
            normalised, contrast = _normalised(self.reduced(pictures.float().flatten(0, 1)[:, None]))
            at_once = _SECTIONS_IN_CACHE if pictures.device.type == "cpu" else len(normalised)
            features = torch.cat([self._of_sections(part) for part in normalised.split(at_once)])
            features = features.unflatten(0, (count, sections))
            contrast = contrast.unflatten(0, (count, sections))
            seen = (contrast >= contrast.amax(1, keepdim=True) * self._buffer("least_contrast")).float()
            mean = (features * seen[..., None]).sum(1) / seen.sum(1)[:, None]
            middle = sections // 2
            centre = torch.where(seen[:, middle, None] > 0, features[:, middle], mean)
            return torch.cat([mean, centre], 1)

    def local(self, pictures: Tensor) -> LocalTexture:
        """What `forward` takes the features of pictures (N, sections, side, side) from."""
        count, sections = pictures.shape[:2]
        normalised, contrast = _normalised(self.reduced(pictures.float().flatten(0, 1)[:, None]))
        contrast = contrast.unflatten(0, (count, sections))
        seen = (contrast >= contrast.amax(1, keepdim=True) * self._buffer("least_contrast")).float()
        mean = seen / seen.sum(1, keepdim=True)
        middle = torch.zeros_like(mean)
        middle[:, sections // 2] = 1
        middle = torch.where(seen[:, sections // 2, None] > 0, middle, mean)
        responses = self._responses(normalised).unflatten(0, (count, sections))
        return LocalTexture(normalised[:, 0].unflatten(0, (count, sections)), responses, torch.stack([mean, middle], 2))

    def reduced(self, pictures: Tensor) -> Tensor:
        """Single sections (N, 1, side, side) at the working resolution, about the same centre, of an even side."""
        voxels = self._buffer("voxels")
        unit = 2 * voxels.shape[-1]
        if pictures.shape[-1] % 2:
            pictures = functional.avg_pool2d(pictures, 2, stride=1)
        margin = pictures.shape[-1] % unit // 2
        if margin:
            pictures = pictures[..., margin:-margin, margin:-margin]
        return functional.conv2d(pictures, voxels, stride=unit // 2) if unit > 2 else pictures

    def _of_sections(self, pictures: Tensor) -> Tensor:
        """Features (N, D / 2) of normalised single sections (N, 1, side, side)."""
        maps = self._responses(pictures).flatten(2)
        windows = self._buffer("windows")
        sizes = maps.abs()
        floor = self._buffer("floor")
        moments = _log_moments(maps, windows, floor)
        averaged = (moments @ self._buffer("moment_average")).flatten(1)
        upper = torch.triu_indices(maps.shape[1], maps.shape[1], device=maps.device)
        covariances = [
            _log_covariance(sizes, windows[:, width], floor)[:, upper[0], upper[1]] @ self._buffer("pair_average")
            for width in range(windows.shape[1])
        ]
        return torch.cat([averaged, *covariances, _grey_moments(pictures, self._buffer("grey_windows"))], 1)

    def _responses(self, pictures: Tensor) -> Tensor:
        """Responses (N, filters, h, h) to the filters of both levels, at half the resolution of the pictures."""
        fine, coarse = self._buffer("fine"), self._buffer("coarse")
        low = functional.conv2d(_padded(pictures, 1), self._buffer("smoothing"), stride=2)
        responses = (
            functional.conv2d(_padded(pictures, (fine.shape[-1] - 2) // 2), fine, stride=2),
            functional.conv2d(_padded(low, coarse.shape[-1] // 2), coarse),
        )
        return torch.cat(responses, 1)

    def _buffer(self, name: str) -> Tensor:
        return cast(Tensor, getattr(self, name))


def _reduction(crop_px: int, pixel_nm: float) -> int:
    """How many voxels along a side are averaged to a pixel: a power of two, as long as 16 pixels remain."""
    reduction = 1
    while pixel_nm * reduction * math.sqrt(2) < _PIXEL_NM and crop_px // (2 * reduction) >= 16:
        reduction *= 2
    return reduction


def _padded(pictures: Tensor, margin: int) -> Tensor:
    mode = "reflect" if pictures.shape[-1] > margin else "replicate"
    return functional.pad(pictures, (margin,) * 4, mode=mode)


def _filters(widths_px: Sequence[float], side: int) -> Tensor:
    """For each width the Laplacian of a Gaussian, its first and then its second derivatives at `_ANGLES` angles, elongated twofold:
    float32 (filters, 1, side, side), of zero mean and unit norm."""
    axis = torch.arange(side, dtype=torch.float64) - (side - 1) / 2
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    filters = []
    for width in widths_px:
        round_gauss = torch.exp(-(x * x + y * y) / (2 * width**2))
        filters.append(((x * x + y * y) / width**2 - 2) * round_gauss)
        first, second = [], []
        for index in range(_ANGLES):
            angle = math.pi * index / _ANGLES
            across, along = x * math.cos(angle) + y * math.sin(angle), -x * math.sin(angle) + y * math.cos(angle)
            gauss = torch.exp(-(across**2 + (along / 2) ** 2) / (2 * width**2))
            first.append(-across * gauss)
            second.append((across**2 / width**2 - 1) * gauss)
        filters += [*first, *second]
    centred = [kernel - kernel.mean() for kernel in filters]
    return torch.stack([kernel / kernel.norm() for kernel in centred])[:, None].float()


def _window(side: int, width_px: float) -> Tensor:
    """Gaussian weights (side * side), highest at the centre, that add up to one."""
    offset = torch.arange(side, dtype=torch.float64) - (side - 1) / 2
    line = torch.exp(-0.5 * (offset / max(width_px, 0.5)) ** 2)
    weights = (line[:, None] * line).flatten()
    return (weights / weights.sum()).float()


def _orbits(scales: int) -> tuple[Tensor, Tensor]:
    """What is averaged so that rotation and reflection change nothing: matrices from signed filters (2 x filters, columns the orbits), the
    filters' index first, and from the pairs of filters (upper triangle, row by row).

    A rotation by the angle between two filters shifts their index; passing half a turn turns a first derivative into its negative.
    """
    block = 1 + 2 * _ANGLES
    filters = scales * block

    def image(index: int, negative: bool, shift: int, mirror: bool) -> tuple[int, bool]:
        start, place = index - index % block, index % block
        if place == 0:
            return index, negative
        odd = place <= _ANGLES
        angle = (place - 1) % _ANGLES + shift
        if mirror:
            angle = -angle
        flips = odd and (angle // _ANGLES) % 2 == 1
        return start + 1 + (0 if odd else _ANGLES) + angle % _ANGLES, negative ^ flips

    group = [(shift, mirror) for shift in range(2 * _ANGLES) for mirror in (False, True)]
    signed = {(index, negative): 2 * index + negative for index in range(filters) for negative in (False, True)}
    signed_orbits = [min(signed[image(index, negative, *move)] for move in group) for index, negative in signed]
    rows = [(i, j) for i in range(filters) for j in range(i, filters)]
    pair_orbits = []
    for i, j in rows:
        images = []
        for move in group:
            a, b = image(i, False, *move)[0], image(j, False, *move)[0]
            images.append((min(a, b), max(a, b)))
        pair_orbits.append(min(images))
    return _averages(signed_orbits), _averages(pair_orbits)


def _averages(orbits: Sequence[object]) -> Tensor:
    """The matrix (members, orbits) that averages over the members of each orbit."""
    names = list(dict.fromkeys(orbits))
    matrix = torch.zeros(len(orbits), len(names))
    for row, orbit in enumerate(orbits):
        matrix[row, names.index(orbit)] = 1
    return matrix / matrix.sum(0)


def _normalised(sections: Tensor) -> tuple[Tensor, Tensor]:
    """Sections (N, 1, h, w) of mean 0 and deviation 1, and their contrast (N,), which is the deviation before; a section without any is 0.

    Rows and columns at the edges without any contrast lie beyond the volume: what lies within it is mirrored into them.
    """
    rows = _mirrored(sections.amax(-1) > sections.amin(-1))[..., :, None].expand_as(sections)
    columns = _mirrored(sections.amax(-2) > sections.amin(-2))[..., None, :].expand_as(sections)
    filled = sections.gather(-2, rows).gather(-1, columns)
    varies = sections.amax((-2, -1), keepdim=True) > sections.amin((-2, -1), keepdim=True)
    centred = (filled - filled.mean((-2, -1), keepdim=True)) * varies
    contrast = (centred**2).mean((-2, -1)).sqrt()
    return centred / torch.where(contrast > 0, contrast, 1)[..., None, None], contrast[:, 0]


def _mirrored(varies: Tensor) -> Tensor:
    """For each place (..., length) along the last axis the one that is seen there: itself from the first to the last that varies, beyond
    them their mirror image, again and again."""
    length = varies.shape[-1]
    places = torch.arange(length, device=varies.device)
    first = torch.where(varies, places, length).amin(-1, keepdim=True)
    last = torch.where(varies, places, -1).amax(-1, keepdim=True)
    first, last = torch.where(last < 0, 0, first), torch.where(last < 0, length - 1, last)
    period = 2 * (last - first + 1)
    offset = (places - first).remainder(period)
    return first + torch.minimum(offset, period - 1 - offset)


def _log_moments(responses: Tensor, windows: Tensor, floor: Tensor) -> Tensor:
    """Logarithms of three moments of the positive and of the negative part of responses (N, filters, pixels): mean, mean square and
    fourth root of the mean fourth power under each window. (N, windows x 3, 2 x filters), each filter's two parts beside each other."""
    parts = torch.stack([responses, -responses], 2).clamp_min(0)
    squares = parts * parts
    means = torch.stack([parts, squares, squares * squares], 2) @ windows  # (N, filters, 3, 2, windows)
    moments = torch.cat([means[:, :, :2], means[:, :, 2:] ** 0.25], 2)
    return torch.log(moments + floor).permute(0, 4, 2, 1, 3).flatten(3).flatten(1, 2)


def _log_covariance(sizes: Tensor, window: Tensor, floor: Tensor) -> Tensor:
    """Matrix logarithm of the covariance of the sizes of responses (N, filters, pixels) under a window: (N, filters, filters)."""
    centred = sizes - (sizes @ window)[..., None]
    covariance = (centred * window) @ centred.transpose(1, 2)
    spread = covariance.diagonal(dim1=1, dim2=2).mean(1)[:, None, None]
    identity = torch.eye(covariance.shape[1], device=covariance.device)
    values, vectors = torch.linalg.eigh(covariance + (floor * spread + 1e-9) * identity)
    return (vectors * values.clamp_min(1e-9).log()[:, None, :]) @ vectors.transpose(1, 2)


def _grey_moments(pictures: Tensor, windows: Tensor) -> Tensor:
    """Mean and logarithm of the variance of the grey values of pictures (N, 1, h, h) under each window: (N, 2 x windows)."""
    grey = pictures.flatten(1)
    mean = grey @ windows
    variance = (grey * grey) @ windows - mean**2
    return torch.cat([mean, torch.log(variance.clamp_min(1e-6))], 1)
