"""Which coarser scales a volume has of itself, for pictures that need no full resolution. Opening and reading them belongs to `volume`."""

import tensorstore as ts

from synapse_assets.datasets import VolumeSpec
from synapse_assets.volumes._addresses import is_remote, local_path, open_files, plain_address
from synapse_assets.volumes._context import Retries, reading_context
from synapse_assets.volumes._stored import read_json

_SERVED = ("graphene://", "middleauth+")
# What the text of a number may lose of a whole ratio.
_SLACK = 1e-6
_LARGEST = 2**20

Factor = tuple[int, int, int]


def scales_of(spec: VolumeSpec, retries: Retries | None = None) -> list[tuple[Factor, VolumeSpec]]:
    """The volume itself, then the coarser scales that its files have of it, the finest first; each opens like the volume.

    With each stands how many voxels of the volume a voxel of it is along x, y, z: whole numbers, not all of them 1. Voxel i of a scale
    covers the voxels from i * factor on. Only precomputed volumes have scales here, and of those not the ones that a server computes.
    Raises ConnectionError where the network fails after retries, BadInput where the file that describes the volume is damaged.
    """
    url = plain_address(spec.url)
    itself: tuple[Factor, VolumeSpec] = ((1, 1, 1), spec)
    if spec.kind != "precomputed" or url.startswith(_SERVED):
        return [itself]
    where = f"{spec.kind} volume '{spec.url}'"
    context: ts.Context = reading_context(retries or Retries())
    files = open_files(url if is_remote(url) else str(local_path(url, spec.url)), where, context)
    described: object = (read_json(files, "info", where, spec.timeout_s) or {}).get("scales")
    found: dict[Factor, VolumeSpec] = {}
    for scale in described if isinstance(described, list) else []:
        size = scale.get("resolution") if isinstance(scale, dict) else None
        factor = _factor(size, spec)
        if factor is not None and factor != itself[0]:
            own_nm = spec.voxel_size_nm
            voxel_size_nm = tuple(one * size_nm for one, size_nm in zip(factor, own_nm, strict=True))
            found[factor] = spec.model_copy(update={"voxel_size_nm": voxel_size_nm, "offset_voxels": None})
    return [itself, *sorted(found.items(), key=lambda one: (one[0][0] * one[0][1] * one[0][2], one[0]))]


def _factor(size: object, spec: VolumeSpec) -> Factor | None:
    """Voxels of the volume in a voxel of that size along x, y, z; None unless they are whole numbers."""
    if not isinstance(size, list) or len(size) != 3 or not all(isinstance(one, int | float) for one in size):
        return None
    x, y, z = (one / own for one, own in zip(size, spec.voxel_size_nm, strict=True))
    if not all(1 - _SLACK < ratio < _LARGEST and abs(ratio - round(ratio)) <= _SLACK * ratio for ratio in (x, y, z)):
        return None
    return round(x), round(y), round(z)
