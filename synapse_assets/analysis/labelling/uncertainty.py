"""How unsure a map of probabilities is, box by box of a volume that is never held as a whole.

Belongs here: the measure. Does not belong here: reading maps (`stores.volume_maps`), which boxes people are asked about
(`pipeline.detection.labelling`).
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def entropy_bits(probability: npt.ArrayLike) -> Floats:
    """Binary entropy of probabilities 0 to 1, in bits (Shannon 1948): -p log2 p - (1 - p) log2 (1 - p); 0 at both ends, 1 at a half."""
    p = np.asarray(probability, np.float64)
    least = np.finfo(np.float64).tiny
    return -p * np.log2(np.maximum(p, least)) - (1 - p) * np.log2(np.maximum(1 - p, least))


_BITS = entropy_bits(np.arange(256) / 255)


def mean_entropy(parts: Iterable[tuple[tuple[int, int, int], Bytes]], edges: tuple[Ints, Ints, Ints]) -> Floats:
    """Mean binary entropy, in bits, of a map in each cell of a grid, float64 (Z, Y, X); nan where not all of a cell is given.

    parts: of the map, each its first pixel (z, y, x) and values uint8 (z, y, x), 255 being certain; no pixel is in two of them. edges:
    along z, y and x the first pixels of the cells in ascending order, and one past the last. What lies outside the grid is left out.
    """
    sizes = np.einsum("z,y,x->zyx", *(np.diff(along) for along in edges)).astype(np.float64)
    bits, seen = np.zeros(sizes.shape), np.zeros(sizes.shape)
    for first, values in parts:
        inside, cuts, cells = [], [], []
        for along, start, length in zip(edges, first, values.shape, strict=True):
            low, high = max(start, int(along[0])), min(start + length, int(along[-1]))
            if low >= high:
                break
            begin, end = np.searchsorted(along, [low, high - 1], "right") - 1
            inside.append(slice(low - start, high - start))
            cells.append(slice(int(begin), int(end) + 1))
            cuts.append(np.maximum(along[begin : end + 1], low) - low)
        if len(inside) < 3:
            continue
        sums = _BITS[values[tuple(inside)]]
        pixels = np.ones((1, 1, 1))
        for axis, (cut, box) in enumerate(zip(cuts, inside, strict=True)):
            sums = np.add.reduceat(sums, cut, axis=axis)
            counts = np.diff(np.append(cut, box.stop - box.start))
            pixels = pixels * np.expand_dims(counts, tuple(other for other in range(3) if other != axis))
        bits[tuple(cells)] += sums
        seen[tuple(cells)] += pixels
    return np.where(seen == sizes, bits / np.maximum(seen, 1), np.nan)
