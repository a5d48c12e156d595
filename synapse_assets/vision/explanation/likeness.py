"""Which parts of two tiles make them alike, for whoever asks why a search found one by the other.

What does not belong here: searching, and explaining a class (`methods`).
"""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from synapse_assets.errors import BadInput
from synapse_assets.vision.classifier import SynapseNetwork
from synapse_assets.vision.devices import pick_device
from synapse_assets.vision.encoder import Encoder
from synapse_assets.vision.explanation.methods import occlusion_map

Map = npt.NDArray[np.float32]


def alike(
    seen_by: Encoder | SynapseNetwork,
    tile_a: npt.NDArray[np.uint8],
    tile_b: npt.NDArray[np.uint8],
    device: str = "auto",
) -> tuple[Map, Map]:
    """For each of two uint8 tiles (sections, H, W) a map, float32 (H, W): how much less alike they are where a place of it is hidden.

    Alike is the cosine of the two vectors: embeddings of an encoder, or what the head of a network sees. A place is hidden by the mean of
    its section; below zero it makes them less alike. Raises BadInput for tiles that the encoder or network does not take.
    """
    shape = seen_by.spec.tile_shape
    for tile in (tile_a, tile_b):
        if tile.dtype != np.uint8 or tile.shape != shape:
            raise BadInput(f"explanation: tiles must be uint8 {shape}, not {tile.dtype} {tile.shape}")
    network = seen_by.network.to(pick_device(device))
    # Hidden places of all windows: what a network does not see costs little.
    tiles = torch.from_numpy(np.stack([tile_a, tile_b])).to(pick_device(device)).float()

    def vectors(seen: Tensor) -> Tensor:
        with torch.inference_mode():
            return network(seen)[:, : seen_by.dimensions].float()

    others = vectors(tiles).flip(0)
    maps = occlusion_map(lambda seen: functional.cosine_similarity(vectors(seen), others), tiles, shape[-1])
    return maps[0].cpu().numpy(), maps[1].cpu().numpy()
