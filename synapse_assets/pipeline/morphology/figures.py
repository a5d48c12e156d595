"""Figures in reports and as files: every picture and turnable page is also saved in `<data root>/<dataset>/figures/`.

Drawing them belongs to the room `figures`.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from synapse_assets.pipeline.morphology.group import Group
from synapse_assets.pipeline.report import Detail, Picture, StoredAt
from synapse_assets.stores import DatasetStore

if TYPE_CHECKING:
    from synapse_assets.analysis.clustering.resampled_maps import GroupMaps


def save_picture(store: DatasetStore, name: str, png: bytes) -> Picture:
    """Saves a PNG as `figures/<name>.png`; gives the picture for a report."""
    with store.figures.replace(f"{name}.png") as stream:
        stream.write(png)
    return Picture(png, name.replace("_", " "))


def save_page(store: DatasetStore, name: str, html: str) -> StoredAt:
    """Saves a turnable page as `figures/<name>.html`, with the script it needs beside it; gives its path for a report."""
    from synapse_assets.figures.interactive_3d import plotly_javascript

    if not store.figures.exists("plotly.min.js"):
        with store.figures.replace("plotly.min.js") as stream:
            stream.write(plotly_javascript().encode())
    with store.figures.replace(f"{name}.html") as stream:
        stream.write(html.encode())
    return StoredAt(store.figures.address(f"{name}.html"))


def save_maps(group: Group, maps: "GroupMaps", name: str, title: str, clusters: Sequence[int]) -> dict[str, Detail]:
    """The maps of a group, coloured by `clusters` (-1: grey) in the order of its clustered ids: flat, in space, and turnable."""
    from synapse_assets.figures.interactive_3d import space_page
    from synapse_assets.figures.maps import maps_sheet, space_figure

    rows = group.rows
    areas = rows.fitted.column("synapse_area").to_numpy()
    hover = [f"{synapse} ({neuron})" for synapse, neuron in zip(rows.ids, rows.neurons, strict=True)]
    flat = maps_sheet(maps.map, clusters, rows.neuron_types, rows.neurons, areas, title)
    return {
        "map": save_picture(group.store, name, flat),
        "space": save_picture(group.store, f"{name}_3d", space_figure(maps.space, clusters, title)),
        "turnable": save_page(group.store, f"{name}_3d", space_page(maps.space, clusters, hover, title)),
    }
