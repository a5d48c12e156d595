"""How much every place of a tile adds to the logit of a linear probe on its texture, exactly.

Texture features are functions of statistics that are sums over places: mean sizes of filter responses, their squares and fourth powers,
and their covariance, each under a Gaussian window. Along the straight line from the statistics of the average tile to those of the tile
a logit changes by an integral in which each place has its share (Aumann & Shapley 1974; integrated gradients, Sundararajan et al. 2017,
arXiv 1703.01365, of statistics in place of pixels). For functions of one statistic it is a quotient of differences, as is the clipping of
features by the head (the rescale rule, Shrikumar et al. 2017, arXiv 1704.02685); for the logarithm of a matrix it is the integral of
its derivative (Daleckii & Krein 1965). So the contributions add up to the logit less that of the average tile.

What does not belong here: methods that take a classifier as a black box, or by its gradients (`methods`).
"""

from collections.abc import Callable
from typing import cast

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from synapse_assets.errors import BadInput
from synapse_assets.vision.explanation.explainable import OfProbe, centre_crop
from synapse_assets.vision.head import Head
from synapse_assets.vision.texture import LocalTexture, TextureFeatures

_NODES = (
    16  # of the integral over covariances; with 10 contributions of strong textures missed their sum by a thousandth
)
_LEAST_VARIANCE = 1e-6  # of grey values, as in `texture`
_LEAST_EIGENVALUE = 1e-9


def texture_contributions(network: OfProbe, tiles: Tensor, targets: Tensor) -> Tensor:
    """What every place adds to the logits of the `targets` (N,), beyond those of the average tile (`baseline_logits`): (N, H, W) float32.

    tiles: float (N, sections, H, W) of the values of uint8. A response counts at the centre of its filter; sections are added up. The
    normalisation of a section's contrast has no place and is taken as given. Raises BadInput where the encoder is not texture and a head,
    whose mean is the average tile.
    """
    texture, head, backbone = network.encoder.texture, network.encoder.head, network.encoder.backbone
    if texture is None or head is None or backbone is not None:
        raise BadInput(
            "explanation: contributions are of texture, projected to a vector; for an encoder with a network choose grad_cam or occlusion"
        )
    with torch.no_grad(), torch.autocast(tiles.device.type, enabled=False):
        crops = centre_crop(tiles / 255, network.spec.texture_px)
        features = texture(crops)
        local = texture.local(crops)
        slopes, average = _feature_slopes(network, head, features, targets)
        greys, responses = (
            torch.zeros(part.shape[0], *part.shape[-2:], dtype=torch.float64) for part in (local.greys, local.responses)
        )
        greys, responses = greys.to(tiles.device), responses.to(tiles.device)
        for section in range(tiles.shape[1]):
            for half in range(2):
                share = local.shares[:, section, half].double()
                rows = share.nonzero()[:, 0]
                if len(rows):
                    parts = _of_section(texture, local, rows, section, slopes[rows, half], average[half])
                    greys[rows] += share[rows, None, None] * parts[0]
                    responses[rows] += share[rows, None, None] * parts[1]
        at_pixels = greys + functional.interpolate(responses[:, None], scale_factor=2, mode="nearest")[:, 0] / 4
    return _on_tile(network, texture, at_pixels.float(), tiles)


def baseline_logits(network: OfProbe) -> Tensor:
    """Logits (C,) of the average tile, less their mean: what `texture_contributions` adds to."""
    offset = -cast(Head, network.encoder.head).offset
    logits = network.probe(offset)
    return cast(Tensor, logits - logits.mean())


def _feature_slopes(network: OfProbe, head: Head, features: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """How the logit changes with each feature between the average tile and these (N, 2, D / 2), and the average features (2, D / 2)."""
    weight = network.probe.weight
    coefficients = (weight - weight.mean(0))[targets].double() @ head.matrix.double().T
    deviation = head.deviation.double()
    standardised = (features.double() - head.mean) / deviation
    kept = (head.clip / standardised.abs()).clamp_max(1)
    slopes = torch.where(deviation.isfinite(), coefficients * kept / deviation, 0)
    return slopes.unflatten(1, (2, -1)), head.mean.double().unflatten(0, (2, -1))


def _of_section(
    texture: TextureFeatures, local: LocalTexture, rows: Tensor, section: int, slopes: Tensor, average: Tensor
) -> tuple[Tensor, Tensor]:
    """Contributions of one section, at pixels (n, side, side) and at responses (n, side / 2, side / 2)."""
    maps = local.responses[rows, section].double()
    grey = local.greys[rows, section].double()
    windows, grey_windows = (cast(Tensor, getattr(texture, name)).double() for name in ("windows", "grey_windows"))
    floor = float(cast(Tensor, texture.floor))
    moment_average, pair_average = (
        cast(Tensor, getattr(texture, name)).double() for name in ("moment_average", "pair_average")
    )
    widths = windows.shape[1]
    sizes = [widths * 3 * moment_average.shape[1], *[pair_average.shape[1]] * widths, 2 * widths]
    of_moments, *of_pairs, of_grey = slopes.split(sizes, 1)
    at_moments, *at_pairs, at_grey = average.split(sizes)
    places = maps.flatten(2)
    found = _of_moments(
        places,
        windows,
        of_moments.unflatten(1, (widths, 3, -1)) @ moment_average.T,
        at_moments.unflatten(0, (widths, 3, -1)) @ (moment_average > 0).double().T,
        floor,
    )
    magnitudes = places.abs()
    members = (pair_average > 0).double()
    for width in range(widths):
        found += _of_covariance(
            magnitudes, windows[:, width], of_pairs[width] @ pair_average.T, at_pairs[width] @ members.T, floor
        )
    at_greys = _of_grey(grey.flatten(1), grey_windows, of_grey, at_grey)
    return at_greys.unflatten(1, grey.shape[1:]), found.unflatten(1, maps.shape[2:])


def _of_moments(places: Tensor, windows: Tensor, slopes: Tensor, average: Tensor, floor: float) -> Tensor:
    """Of the logarithms of three moments of responses (n, F, P). slopes (n, W, 3, 2 F), average (W, 3, 2 F) of the logarithms."""
    parts = torch.stack([places, -places], 2).clamp_min(0).flatten(1, 2)
    statistics = torch.stack([parts, parts**2, parts**4], 1)  # (n, 3, 2 F, P)
    means = torch.einsum("nmfp,pw->nwmf", statistics, windows)
    roots = torch.tensor([1.0, 1.0, 0.25], dtype=torch.float64, device=places.device)[:, None]
    before = (average.exp() - floor).clamp_min(0) ** (1 / roots)
    slope = slopes * _secant(lambda mean: torch.log(mean**roots + floor), before.expand_as(means), means)
    by_place = torch.einsum("nwmf,pw->nmfp", slope, windows)
    return (by_place * statistics).sum((1, 2)) - (slope * before).sum((2, 3)) @ windows.T


def _of_covariance(magnitudes: Tensor, window: Tensor, slopes: Tensor, average: Tensor, floor: float) -> Tensor:
    """Of the logarithm of the covariance of magnitudes (n, F, P). slopes (n, pairs), average (pairs,) of its upper triangle."""
    count = magnitudes.shape[1]
    upper = torch.triu_indices(count, count, device=magnitudes.device)
    weights = torch.zeros(len(magnitudes), count, count, dtype=torch.float64, device=magnitudes.device)
    weights[:, upper[0], upper[1]] = slopes / 2
    weights = weights + weights.transpose(1, 2)
    mean_log = torch.zeros_like(weights[0])
    mean_log[upper[0], upper[1]] = average
    mean_log = mean_log + mean_log.triu(1).T
    before = torch.linalg.matrix_exp(mean_log)
    centred = magnitudes - (magnitudes @ window)[..., None]
    identity = torch.eye(count, dtype=torch.float64, device=magnitudes.device)
    after = (centred * window) @ centred.transpose(1, 2)
    spread = after.diagonal(dim1=1, dim2=2).mean(1)[:, None, None]
    gradient = _gradient_of_log(before, after + (floor * spread + _LEAST_EIGENVALUE) * identity, weights)
    trace = gradient.diagonal(dim1=1, dim2=2).sum(1)[:, None]
    squared = (gradient @ centred * centred).sum(1) + trace * (floor * (centred**2).mean(1) + _LEAST_EIGENVALUE)
    return window * (squared - (gradient * before).sum((1, 2))[:, None])


def _gradient_of_log(before: Tensor, after: Tensor, weights: Tensor) -> Tensor:
    """G (n, F, F) with <G, after - before> = <weights, log after - log before>: the mean derivative along the line between them."""
    nodes, shares = np.polynomial.legendre.leggauss(_NODES)
    total = torch.zeros_like(weights)
    for node, share in zip((nodes + 1) / 2, shares / 2, strict=True):
        # Nodes crowd at both ends, where the smaller of two eigenvalues makes the derivative large.
        step = float(node * node * (3 - 2 * node))
        values, vectors = torch.linalg.eigh(before + step * (after - before))
        values = values.clamp_min(_LEAST_EIGENVALUE)
        rates = _secant(torch.log, values[:, :, None], values[:, None, :])
        turned = vectors.transpose(1, 2) @ weights @ vectors
        total += float(share * 6 * node * (1 - node)) * (vectors @ (rates * turned) @ vectors.transpose(1, 2))
    return total


def _of_grey(grey: Tensor, windows: Tensor, slopes: Tensor, average: Tensor) -> Tensor:
    """Of the mean and the logarithm of the variance of grey values (n, P) under windows (P, W). slopes (n, 2 W), average (2 W,)."""
    (of_mean, of_variance), (mean_before, log_before) = slopes.chunk(2, 1), average.chunk(2)
    mean = grey @ windows
    found = ((grey[..., None] - mean_before) * windows) @ of_mean[..., None]
    squares = (grey[..., None] - mean[:, None]) ** 2
    before = log_before.exp().expand_as(mean)
    after = (squares * windows).sum(1)
    slope = of_variance * _secant(lambda variance: variance.clamp_min(_LEAST_VARIANCE).log(), before, after)
    return (found + ((squares - before[:, None]) * windows) @ slope[..., None])[..., 0]


def _secant(function: Callable[[Tensor], Tensor], before: Tensor, after: Tensor) -> Tensor:
    """(f(after) - f(before)) / (after - before); where they meet, over a short way about them."""
    near = (after - before).abs() <= 1e-6 * (before.abs() + after.abs()) + 1e-12
    half = 1e-5 * (before.abs() + after.abs()) + 1e-11
    low, high = torch.where(near, before - half, before).clamp_min(0), torch.where(near, before + half, after)
    return (function(high) - function(low)) / (high - low)


def _on_tile(network: OfProbe, texture: TextureFeatures, maps: Tensor, tiles: Tensor) -> Tensor:
    """Contributions at the working resolution (N, side, side), spread over the pixels of the tile that each was averaged from."""

    def working(pictures: Tensor) -> Tensor:
        return texture.reduced(centre_crop(pictures, network.spec.texture_px))

    _, spread = torch.autograd.functional.vjp(working, torch.zeros_like(tiles[:, :1]), maps[:, None])
    return cast(Tensor, spread[:, 0])
