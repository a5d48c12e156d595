"""Links into Neuroglancer: the places of synapses in their electron-microscopy volume."""

import json
from collections.abc import Sequence
from urllib.parse import quote

from synapse_assets.datasets import VolumeSpec

VIEWER = "https://neuroglancer-demo.appspot.com"
_REMOTE = ("gs://", "s3://", "http://", "https://", "graphene://")
Place = tuple[float, float, float]


def link(volume: VolumeSpec, name: str, place_nm: Place, synapse_id: str) -> str | None:
    """URL of Neuroglancer with the volume, the position (x, y, z in nanometres) in its middle and a point on it.

    None for a volume that a browser cannot fetch: a local one, or of a kind that Neuroglancer does not read.
    """
    return link_to_all(volume, name, [(synapse_id, place_nm)])


def link_to_all(volume: VolumeSpec, name: str, places: Sequence[tuple[str, Place]]) -> str | None:
    """The same with a point on each of several synapses, by id and position in nanometres; the first is in the middle.

    All of them stand in the URL, 100 bytes each or so. None also for no place.
    """
    if volume.kind not in ("precomputed", "zarr", "n5") or not volume.url.startswith(_REMOTE) or not places:
        return None
    source = volume.url if volume.url.startswith("graphene://") else f"{volume.kind}://{volume.url}"
    positions = [[x / size for x, size in zip(place_nm, volume.voxel_size_nm, strict=True)] for _, place_nm in places]
    state = {
        "dimensions": {axis: [size * 1e-9, "m"] for axis, size in zip("xyz", volume.voxel_size_nm, strict=True)},
        "position": positions[0],
        "crossSectionScale": 1,
        "layout": "xy",
        "layers": [
            {"type": "image", "name": name, "source": source},
            {
                "type": "annotation",
                "name": "synapse" if len(places) == 1 else "synapses",
                "source": "local://annotations",
                "annotations": [
                    {"type": "point", "id": synapse_id, "point": position}
                    for (synapse_id, _), position in zip(places, positions, strict=True)
                ],
            },
        ],
    }
    return f"{VIEWER}/#!{quote(json.dumps(state, separators=(',', ':')))}"
