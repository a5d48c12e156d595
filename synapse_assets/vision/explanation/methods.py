"""Methods of explanation: for each tile a map of where the classifier sees a class, in pixels of the tile.

Maps are what the method gives: with a sign where it has one (above zero speaks for the class), never scaled, so that two maps can be
compared. Explained is the logit less the mean of all classes' logits. What does not belong here: whether a method can be trusted
(`sanity` measures it), and scaling or colouring maps.

Above and below zero are grad_cam, contribution, occlusion and integrated_gradients.

grad_cam              Selvaraju et al. 2017 (arXiv 1610.02391), with its sign, at the deepest layer that is fine enough (`feature_layer`)
contribution          see `contributions`; of texture
occlusion             Zeiler & Fergus 2014 (arXiv 1311.2901): what the logit loses where a window has the tile's mean
gradients             Simonyan et al. 2014 (arXiv 1312.6034), sizes
integrated_gradients  Sundararajan et al. 2017 (arXiv 1703.01365), from the tile's mean
smooth_grad           Smilkov et al. 2017 (arXiv 1706.03825), sizes
"""

import warnings
from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from synapse_assets.errors import BadInput
from synapse_assets.vision.devices import pick_device
from synapse_assets.vision.explanation.contributions import texture_contributions
from synapse_assets.vision.explanation.explainable import Explainable, ExplainedNetwork, OfProbe

Tiles = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
Maps = npt.NDArray[np.float32]
Targets = npt.NDArray[np.int64]

_STEPS = 16  # of the integral from the tile's mean
_NOISY = 12  # pictures that a smooth gradient is the mean of
_NOISE = 0.15  # of the range of a tile's grey values, as published
_WINDOWS = 5  # occluding windows side by side; each overlaps the next by half
_PIXELS_AT_ONCE = 2**20  # of all sections, in a call of the network


class EmptyMapError(BadInput):
    """Maps that say nothing: all zero, or no numbers. `rows`: of which tiles; `maps`: of all tiles, as they came out.

    What to do: leave out the tiles of `rows`, which are mostly of one grey value, or choose another method.
    """

    def __init__(self, message: str, rows: Sequence[int], maps: Maps) -> None:
        super().__init__(message)
        self.rows, self.maps = list(rows), maps


def explain(
    classifier: Explainable,
    tiles: Tiles,
    target: Sequence[int] | str | None = None,
    method: str | None = None,
    device: str = "auto",
) -> Maps:
    """Maps, float32 (N, H, W), of tiles (N, sections, H, W): where the classifier sees the target class.

    target: the name of a class, a class for each tile by its place among the names, or None for the class that the classifier names.
    method: one of `classifier.methods`, by default the first. A map does not depend on which tiles share the call, but for rounding.
    Raises BadInput for other tiles, classes or methods, and EmptyMapError where a map is zero everywhere or not a number.
    """
    method = method or classifier.methods[0]
    if method not in classifier.methods:
        raise BadInput(
            f"explanation: '{method}' cannot explain this classifier; choose one of {', '.join(classifier.methods)}"
        )
    targets = chosen_targets(classifier, tiles, target, device)
    maps = maps_of(classifier, tiles, targets, method, device)
    empty = np.flatnonzero(~np.isfinite(maps).all((1, 2)) | ~maps.any((1, 2)))
    if len(empty):
        raise EmptyMapError(
            f"explanation: {method} gives an empty map (zero or no number everywhere) for {len(empty)} of {len(tiles)} tiles, the first "
            f"is number {empty[0]}: is the tile of one grey value, or does the network see nothing in it? Leave it out, or choose another "
            "method",
            empty.tolist(),
            maps,
        )
    return maps


def logits_of(classifier: Explainable, tiles: Tiles, device: str = "auto") -> Maps:
    """Logits less their mean, float32 (N, C), of tiles (N, sections, H, W). Raises BadInput for other tiles."""
    _check(classifier, tiles)
    network = classifier.network.to(pick_device(device))
    with torch.no_grad():
        parts = [network(part) for part in _batches(classifier, tiles, device, 1)]
    return (
        np.concatenate([part.float().cpu().numpy() for part in parts])
        if parts
        else np.empty((0, len(classifier.classes)), np.float32)
    )


def chosen_targets(
    classifier: Explainable, tiles: Tiles, target: Sequence[int] | str | None, device: str = "auto"
) -> Targets:
    """The class to explain of each tile, int64 (N,). Arguments and errors: see `explain`."""
    _check(classifier, tiles)
    if target is None:
        return logits_of(classifier, tiles, device).argmax(1).astype(np.int64)
    if isinstance(target, str):
        if target not in classifier.classes:
            raise BadInput(
                f"explanation: there is no class '{target}'; the classes are {', '.join(classifier.classes)}"
            )
        return np.full(len(tiles), classifier.classes.index(target), np.int64)
    targets = np.asarray(target, np.int64)
    if targets.shape != (len(tiles),) or (
        len(tiles) and not 0 <= targets.min() <= targets.max() < len(classifier.classes)
    ):
        raise BadInput(
            f"explanation: give one class a tile, from 0 to {len(classifier.classes) - 1}, for {len(tiles)} tiles; not {targets.shape}"
        )
    return targets


def maps_of(classifier: Explainable, tiles: Tiles, targets: Targets, method: str, device: str) -> Maps:
    """As `explain`, of `targets` (N,), whatever comes out."""
    compute, calls = _METHODS[method]
    network = classifier.network.to(pick_device(device))
    found: list[Maps] = []
    for part in _batches(classifier, tiles, device, calls):
        done = sum(map(len, found))
        of_part = torch.from_numpy(targets[done : done + len(part)]).to(part.device)
        found.append(compute(network, part, of_part).detach().float().cpu().numpy())
    return np.concatenate(found) if found else np.empty((0, *classifier.tile_shape[1:]), np.float32)


def occlusion_map(forward: Callable[[Tensor], Tensor], tiles: Tensor, seen_px: int) -> Tensor:
    """What the scalar `forward` (N,) of tiles (N, sections, H, W) loses by each place (N, H, W), by windows of a fifth of `seen_px` that
    show the mean of each section; the mean over the windows that hide a pixel."""
    from captum.attr import Occlusion

    window = max(2, round(seen_px / _WINDOWS))
    sections = tiles.shape[1]
    side = (sections, min(window, tiles.shape[2]), min(window, tiles.shape[3]))
    with torch.no_grad():
        found = Occlusion(forward).attribute(
            tiles,
            sliding_window_shapes=side,
            strides=(sections, max(1, window // 2), max(1, window // 2)),
            baselines=_means(tiles),
        )
    return cast(Tensor, found[:, 0])


def _grad_cam(network: ExplainedNetwork, tiles: Tensor, targets: Tensor) -> Tensor:
    from captum.attr import LayerGradCam

    layer = network.feature_layer
    if layer is None:
        raise BadInput("explanation: grad_cam needs a network")
    cells = LayerGradCam(network, layer.module).attribute(tiles, target=targets)[:, 0]
    if cells.ndim == 4:  # a volume: its sections are one place
        cells = cells.sum(1)
    on_crop = network.on_crop(layer.in_pixels(cells, network.crop_px, network.crop_px), len(tiles))
    maps = torch.zeros(len(tiles), *tiles.shape[-2:], device=tiles.device)
    top, left = ((side - network.crop_px) // 2 for side in tiles.shape[-2:])
    maps[:, top : top + network.crop_px, left : left + network.crop_px] = on_crop
    return maps


def _contribution(network: ExplainedNetwork, tiles: Tensor, targets: Tensor) -> Tensor:
    return texture_contributions(cast(OfProbe, network), tiles, targets)


def _occlusion(network: ExplainedNetwork, tiles: Tensor, targets: Tensor) -> Tensor:
    def forward(seen: Tensor) -> Tensor:
        return cast(Tensor, network(seen)).gather(1, targets[:, None])[:, 0]

    return occlusion_map(forward, tiles, network.seen_px)


def _gradients(network: ExplainedNetwork, tiles: Tensor, targets: Tensor) -> Tensor:
    from captum.attr import Saliency

    return _quietly(lambda: Saliency(network).attribute(tiles, target=targets)).sum(1)


def _integrated_gradients(network: ExplainedNetwork, tiles: Tensor, targets: Tensor) -> Tensor:
    from captum.attr import IntegratedGradients

    baselines = _means(tiles).expand_as(tiles)
    return cast(
        Tensor,
        IntegratedGradients(network).attribute(tiles, baselines=baselines, target=targets, n_steps=_STEPS).sum(1),
    )


def _smooth_grad(network: ExplainedNetwork, tiles: Tensor, targets: Tensor) -> Tensor:
    from captum.attr import NoiseTunnel, Saliency

    tunnel = NoiseTunnel(Saliency(network))
    devices = [tiles.device] if tiles.device.type == "cuda" else []

    def of_one(tile: Tensor, target: Tensor) -> Tensor:
        noise = float(tile.max() - tile.min()) * _NOISE
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(0)  # the same noise for every tile, whatever its companions
            return tunnel.attribute(
                tile, nt_type="smoothgrad", nt_samples=_NOISY, stdevs=noise, target=target, abs=False
            )

    pairs = zip(tiles.split(1), targets.split(1), strict=True)
    return _quietly(lambda: torch.cat([of_one(*pair) for pair in pairs])).abs().sum(1)


def _guided_backpropagation(network: ExplainedNetwork, tiles: Tensor, targets: Tensor) -> Tensor:
    """Springenberg et al. 2015 (arXiv 1412.6806). Nobody is offered it: it draws edges whatever the weights, and tests have to see that."""
    from captum.attr import GuidedBackprop

    return _quietly(lambda: GuidedBackprop(network).attribute(tiles, target=targets)).abs().sum(1)


# With each method how many pictures a tile becomes in one call of the network.
_METHODS: dict[str, tuple[Callable[[ExplainedNetwork, Tensor, Tensor], Tensor], int]] = {
    "grad_cam": (_grad_cam, 2),
    "contribution": (_contribution, 8),
    "occlusion": (_occlusion, 1),
    "gradients": (_gradients, 2),
    "integrated_gradients": (_integrated_gradients, _STEPS),
    "smooth_grad": (_smooth_grad, 2),
    "guided_backpropagation": (_guided_backpropagation, 2),
}


def _batches(classifier: Explainable, tiles: Tiles, device: str, calls: int) -> list[Tensor]:
    """Tiles as float on the device, so few at a time that memory is bounded."""
    most = max(1, _PIXELS_AT_ONCE // (int(np.prod(classifier.tile_shape)) * calls))
    starts = range(0, len(tiles), most)
    on = pick_device(device)
    return [torch.from_numpy(np.ascontiguousarray(tiles[start : start + most])).to(on).float() for start in starts]


def _means(tiles: Tensor) -> Tensor:
    """The mean of each section (N, sections, 1, 1)."""
    return tiles.mean((-2, -1), keepdim=True)


def _quietly(compute: Callable[[], Tensor]) -> Tensor:
    """Without captum's word that inputs were made to require gradients, which is what is wanted."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Input Tensor .* did not already require gradients")
        warnings.filterwarnings("ignore", message="Setting backward hooks on ReLU activations")
        return compute()


def _check(classifier: Explainable, tiles: Tiles) -> None:
    if str(tiles.dtype) not in classifier.tile_types or tiles.ndim != 4 or tiles.shape[1:] != classifier.tile_shape:
        raise BadInput(
            f"explanation: the classifier takes {' or '.join(classifier.tile_types)} tiles "
            f"(N, {', '.join(map(str, classifier.tile_shape))}), not {tiles.dtype} {tiles.shape}"
        )
