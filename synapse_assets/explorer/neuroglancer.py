"""Links into Neuroglancer: the position of a synapse in its electron-microscopy volume."""

import json
from urllib.parse import quote

from synapse_assets.datasets import VolumeSpec

VIEWER = "https://neuroglancer-demo.appspot.com"
_REMOTE = ("gs://", "s3://", "http://", "https://", "graphene://")


def link(volume: VolumeSpec, name: str, place_nm: tuple[float, float, float], synapse_id: str) -> str | None:
    """URL of Neuroglancer with the volume, the position (x, y, z in nanometres) in its middle and a point on it.

    None for a volume that a browser cannot fetch: a local one, or of a kind that Neuroglancer does not read.
    """
    if volume.kind not in ("precomputed", "zarr", "n5") or not volume.url.startswith(_REMOTE):
        return None
    source = volume.url if volume.url.startswith("graphene://") else f"{volume.kind}://{volume.url}"
    position = [x / size for x, size in zip(place_nm, volume.voxel_size_nm, strict=True)]
    state = {
        "dimensions": {axis: [size * 1e-9, "m"] for axis, size in zip("xyz", volume.voxel_size_nm, strict=True)},
        "position": position,
        "crossSectionScale": 1,
        "layout": "xy",
        "layers": [
            {"type": "image", "name": name, "source": source},
            {
                "type": "annotation",
                "name": "synapse",
                "source": "local://annotations",
                "annotations": [{"type": "point", "id": synapse_id, "point": position}],
            },
        ],
    }
    return f"{VIEWER}/#!{quote(json.dumps(state, separators=(',', ':')))}"
