"""The last step of an encoder, fitted without gradient descent: features of all tiles and of random views of some, then the head.

What does not belong here: the head itself (`head`), what a view may change (`augmentation`), and networks that are trained
(`simclr`).
"""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from synapse_assets.cores import cores
from synapse_assets.errors import BadInput
from synapse_assets.vision.devices import has_native_bf16, pick_device
from synapse_assets.vision.encoder import Encoder, TileNetwork
from synapse_assets.vision.encoder_spec import TEXTURE, EncoderSpec
from synapse_assets.vision.head import Views, fit_head
from synapse_assets.vision.texture import texture_crop_px
from synapse_assets.vision.training.augmentation import augment

_VIEWED_TILES = 900
_VIEWS = 2
_BATCH = 64

NO_PARTNERS = np.empty((0, 2), np.int64)


def texture_spec(sections: int, tile_px: int, pixel_nm: float, crop_px: int | None = None) -> EncoderSpec:
    """The specification of an encoder without a network, before its head is fitted.

    pixel_nm: side of a voxel in the plane of the section. crop_px: side of the centre crop, 352 nm where it is not given.
    """
    side = crop_px or texture_crop_px(tile_px, pixel_nm)
    return EncoderSpec(
        architecture=TEXTURE,
        sections=sections,
        tile_px=tile_px,
        crop_px=side,
        mean=(0.5,) * sections,
        std=(0.25,) * sections,
        origin="texture",
        texture_px=side,
        pixel_nm=pixel_nm,
    )


def fit_with_head(
    spec: EncoderSpec,
    backbone: nn.Module | None,
    tiles: npt.NDArray[np.uint8],
    dimensions: int,
    *,
    partners: npt.NDArray[np.int64] = NO_PARTNERS,
    nuisances: Sequence[npt.NDArray[np.int64]] = (),
    seed: int = 0,
    device: str = "auto",
    progress: Callable[[str], None] | None = None,
) -> Encoder:
    """The encoder of `spec` and `backbone` with a head that gives at most `dimensions` numbers, fitted on uint8 tiles (N, sections, H, H).

    partners, nuisances: see `head.Views`; they index the tiles. Views are drawn of at most 900 tiles, chosen by `seed`. Raises
    BadInput for tiles of another type or shape, below two tiles, and where all are alike.
    """
    if tiles.dtype != np.uint8 or tiles.shape[1:] != spec.tile_shape:
        raise BadInput(f"encoder: tiles must be uint8 (N, {spec.tile_shape}), not {tiles.dtype} {tiles.shape}")
    if len(tiles) < 2:
        raise BadInput(f"encoder: telling tiles apart needs at least 2 of them, not {len(tiles)}")
    compute_device = pick_device(device)
    network = TileNetwork(spec, backbone).eval().to(compute_device)
    tell = progress or (lambda _: None)
    generator = torch.Generator(compute_device).manual_seed(seed)
    side = max(spec.crop_px if backbone is not None else 0, spec.texture_px)
    viewed = np.sort(np.random.default_rng(seed).permutation(len(tiles))[:_VIEWED_TILES])

    tell(f"features of {len(tiles):,} tiles")
    features = _features(network, tiles, lambda pixels: pixels.float() / 255)
    tell(f"features of {_VIEWS} random views of {len(viewed):,} tiles")
    views = [_features(network, tiles[viewed], lambda pixels: augment(pixels, side, generator)) for _ in range(_VIEWS)]
    tell("closed form")
    # Beside texture, what a network gives is many features of which few are worth something.
    compressed = 0 if network.texture is None else features.shape[1] - network.texture.dimensions
    head = fit_head(features, Views(np.stack(views, 1), partners, nuisances), dimensions, compressed)
    fitted = replace(spec, head_dimensions=head.dimensions)
    return Encoder(fitted, TileNetwork(fitted, network.backbone, head).cpu())


def _features(
    network: TileNetwork, tiles: npt.NDArray[np.uint8], view: Callable[[Tensor], Tensor]
) -> npt.NDArray[np.float32]:
    """Batches side by side, on as many cores as there are: they do not wait for each other. Views are drawn one after the other."""
    device = next(network.buffers()).device

    bf16 = has_native_bf16(device)

    def of(pictures: Tensor) -> npt.NDArray[np.float32]:
        # In the precision that it will be applied in.
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            return network.unprojected(pictures).cpu().numpy()

    with ThreadPoolExecutor(cores() if device.type == "cpu" else 1) as pool:
        parts: deque[Future[npt.NDArray[np.float32]]] = deque()
        done = []
        for start in range(0, len(tiles), _BATCH):
            pixels = torch.from_numpy(np.ascontiguousarray(tiles[start : start + _BATCH])).to(device)
            parts.append(pool.submit(of, view(pixels)))
            if len(parts) > 2 * cores():  # so that pictures do not pile up
                done.append(parts.popleft().result())
        return np.concatenate([*done, *(part.result() for part in parts)])
