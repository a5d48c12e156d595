"""Layers of a picture as one file that viewers of microscopy open: OME-TIFF.

What the layers show does not belong here.
"""

from collections.abc import Mapping
from hashlib import sha256
from io import BytesIO
from uuid import UUID

import numpy as np
import numpy.typing as npt

from synapse_assets.errors import BadInput
from synapse_assets.stores.files import Files


def write_layers(files: Files, name: str, layers: Mapping[str, npt.NDArray[np.floating]], pixel_nm: float) -> str:
    """Writes the layers (H, W), float32, as channels of one OME-TIFF (CYX, zlib) with their names and the size of a pixel, whole or not at
    all; returns `name`, its path below the folder `files`.

    `name` is a path such as explanations/P1/image.ome.tif, each part of it made safe by `files.segment`. Give the data root as
    `files` where a table is to hold the path.

    Raises BadInput for no layers, layers of different shape, a pixel of no size, or a name that leads out of the folder.
    """
    import tifffile

    *folders, file = name.split("/")
    if not file.endswith(".ome.tif") or any(part in ("", ".", "..") for part in (*folders, file)):
        raise BadInput(f"layers cannot be stored as '{name}': give a path below the folder that ends in .ome.tif")
    shapes = {title: layer.shape for title, layer in layers.items()}
    if not shapes or len(set(shapes.values())) > 1 or len(next(iter(shapes.values()))) != 2:
        raise BadInput(f"layers of one file are pictures (height, width) of one size; there are {shapes or 'none'}")
    if not pixel_nm > 0:
        raise BadInput(f"layers need the side of a pixel in nanometres, not {pixel_nm}")
    buffer = BytesIO()
    size_um = pixel_nm / 1000
    values = np.stack([layer.astype(np.float32) for layer in layers.values()])
    tifffile.imwrite(
        buffer,
        values,
        ome=True,
        photometric="minisblack",
        compression="zlib",
        # pixels a centimetre, for readers that do not know OME
        resolution=(1e4 / size_um, 1e4 / size_um),
        resolutionunit="CENTIMETER",
        metadata={
            "axes": "CYX",
            # of the content, so that the same layers are the same bytes
            "UUID": str(UUID(bytes=sha256(values.tobytes()).digest()[:16])),
            "Channel": {"Name": list(layers)},
            "PhysicalSizeX": size_um,
            "PhysicalSizeXUnit": "µm",
            "PhysicalSizeY": size_um,
            "PhysicalSizeYUnit": "µm",
        },
    )
    with files.child(*folders).replace(file) as stream:
        stream.write(buffer.getbuffer())
    return name
