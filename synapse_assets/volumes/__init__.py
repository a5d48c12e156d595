"""Electron-microscopy volumes: from a `VolumeSpec` to grey-value tiles around points; and volumes of labels.

`open_volume` opens any of the kinds, `Volume.read_tiles` cuts the tiles, `encode_tiles` and `decode_tiles` are
the stored form of tiles, `tile_sheet` is a picture of many. `open_labels` opens the same kinds where they hold ids.
All coordinates of this interface are x, y, z; all pictures are (section, row, column), that is z, y, x.

What does not belong here: tables of synapses (`sources/`), networks and augmentation (`vision/`), storing tiles
(`stores/`).
"""

from synapse_assets.volumes.labels import LabelVolume, open_labels
from synapse_assets.volumes.pictures import tile_sheet
from synapse_assets.volumes.tile_codec import decode_tile, decode_tiles, encode_tile, encode_tiles, tile_hash
from synapse_assets.volumes.volume import DownloadEstimate, TileBatch, Volume, open_volume

__all__ = [
    "DownloadEstimate",
    "LabelVolume",
    "TileBatch",
    "Volume",
    "decode_tile",
    "decode_tiles",
    "encode_tile",
    "encode_tiles",
    "open_labels",
    "open_volume",
    "tile_hash",
    "tile_sheet",
]
