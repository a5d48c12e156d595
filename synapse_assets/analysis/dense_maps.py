"""What a dense map of windows says of each pixel of its picture.

Does not belong here: making the map (`vision`), colouring it (`figures.staining`).
"""

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]


def at_pixels(probabilities: npt.ArrayLike, first_px: float, stride_px: float, shape: tuple[int, int]) -> Float32:
    """Probabilities (K, H, W) of the pixels of a picture of that shape, from those (K, rows, columns) of its windows.

    The centre of window i lies `first_px` + i x `stride_px` from the upper and left edge of the picture, that of pixel i lies i + 0.5 from
    it. In between, values are interpolated bilinearly; beyond the outermost centres they are those of the nearest window.
    """
    values = np.asarray(probabilities, dtype=np.float32)
    for axis, pixels in zip((1, 2), shape, strict=True):
        count = values.shape[axis]
        place = np.clip((np.arange(pixels) + 0.5 - first_px) / stride_px, 0, count - 1)
        before = np.floor(place).astype(np.int64)
        share = (place - before).astype(np.float32).reshape((-1, 1) if axis == 1 else (-1,))
        after = np.minimum(before + 1, count - 1)
        values = values.take(before, axis) * (1 - share) + values.take(after, axis) * share
    return values
