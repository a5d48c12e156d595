"""Links into Neuroglancer: the places of synapses in their electron-microscopy volume, and maps of probabilities over it.

What this server itself lends to Neuroglancer belongs to `precomputed`.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from synapse_assets.datasets import VolumeSpec

VIEWER = "https://neuroglancer-demo.appspot.com"
_REMOTE = ("gs://", "s3://", "http://", "https://", "graphene://")
# Transparent where the probability is 0; the colour can be changed there.
_SHADER = """#uicontrol vec3 colour color(default="{colour}")
void main() {{ emitRGBA(vec4(colour, toNormalized(getDataValue()))); }}"""
_MAP_OPACITY = 0.7
Place = tuple[float, float, float]


@dataclass(frozen=True)
class MapLayer:
    """A map of probabilities (uint8, 255 is certain) to show over a volume: its title, Neuroglancer's source, and a colour (#rrggbb)."""

    title: str
    source: str
    colour: str


def link(volume: VolumeSpec, name: str, place_nm: Place, synapse_id: str) -> str | None:
    """URL of Neuroglancer with the volume, the position (x, y, z in nanometres) in its middle and a point on it.

    None for a volume that a browser cannot fetch: a local one, or of a kind that Neuroglancer does not read.
    """
    return link_to_all(volume, name, [(synapse_id, place_nm)])


def link_to_all(volume: VolumeSpec, name: str, places: Sequence[tuple[str, Place]]) -> str | None:
    """The same with a point on each of several synapses, by id and position in nanometres; the first is in the middle.

    All of them stand in the URL, 100 bytes each or so. None also for no place.
    """
    source = source_of(volume)
    if source is None or not places:
        return None
    return link_to_maps(volume, name, source, [], places[0][1], places)


def source_of(volume: VolumeSpec) -> str | None:
    """How Neuroglancer is told where a volume is; None for one that a browser cannot fetch."""
    if volume.kind not in ("precomputed", "zarr", "n5") or not volume.url.startswith(_REMOTE):
        return None
    return volume.url if volume.url.startswith("graphene://") else f"{volume.kind}://{volume.url}"


def link_to_maps(
    volume: VolumeSpec,
    name: str,
    source: str,
    maps: Sequence[MapLayer],
    middle_nm: Place,
    places: Sequence[tuple[str, Place]],
) -> str:
    """URL of Neuroglancer with the volume from that source, maps over it, a position in its middle, and a point on each of several
    synapses, by id and position in nanometres."""

    def voxels(place_nm: Place) -> list[float]:
        return [x / size for x, size in zip(place_nm, volume.voxel_size_nm, strict=True)]

    layers: list[dict[str, Any]] = [{"type": "image", "name": name, "source": source}]
    for one in maps:
        shader = _SHADER.format(colour=one.colour)
        layers.append(
            {"type": "image", "name": one.title, "source": one.source, "shader": shader, "opacity": _MAP_OPACITY}
        )
    if places:
        points = [{"type": "point", "id": synapse_id, "point": voxels(place)} for synapse_id, place in places]
        layers.append(
            {
                "type": "annotation",
                "name": "synapse" if len(places) == 1 else "synapses",
                "source": "local://annotations",
                "annotations": points,
            }
        )
    state = {
        "dimensions": {axis: [size * 1e-9, "m"] for axis, size in zip("xyz", volume.voxel_size_nm, strict=True)},
        "position": voxels(middle_nm),
        "crossSectionScale": 1,
        "layout": "xy",
        "layers": layers,
    }
    return f"{VIEWER}/#!{quote(json.dumps(state, separators=(',', ':')))}"
