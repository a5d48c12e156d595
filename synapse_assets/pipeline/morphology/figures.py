"""Figures in reports and as files: every picture and turnable page is also saved in `<data root>/<dataset>/figures/`.

Drawing them belongs to the room `figures`.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from synapse_assets.pipeline.morphology.group import Group
from synapse_assets.pipeline.report import Detail, Picture, StoredAt
from synapse_assets.stores import DatasetStore

if TYPE_CHECKING:
    from synapse_assets.analysis.clustering.resampled_maps import GroupMaps
    from synapse_assets.figures.style import Verdict


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


def save_plain_maps(group: Group, maps: "GroupMaps") -> dict[str, Detail]:
    """The maps of a group before anything is clustered, as `<group>_map`: flat, in space, and turnable."""
    return _save_maps(group, maps, f"{group.name}_map", f"{group.dataset.title}, group {group.name}", None, None)


def save_cluster_maps(group: Group, maps: "GroupMaps", verdict: Mapping[str, Any] | None) -> dict[str, Detail]:
    """The maps of a group by cluster, as `<group>_clusters`: flat, in space, and turnable.

    verdict: that on the group's present clusters, a row of `schema.morphology.CLUSTER_STABILITY`; None where they have none yet.
    It stands in the heading, and clusters that are not stable are muted.
    """
    from synapse_assets.analysis.morphology.tables import labels_of

    title = f"{group.dataset.title}, clusters of group {group.name}"
    clusters = labels_of(group.clusters, group.rows.ids).tolist()
    return _save_maps(group, maps, f"{group.name}_clusters", title, clusters, shown_verdict(verdict))


def shown_verdict(verdict: Mapping[str, Any] | None) -> "Verdict":
    """What a picture of clusters shows of a row of `schema.morphology.CLUSTER_STABILITY`: the verdict with the figures that it
    compares; of None, that there is none yet."""
    from synapse_assets.figures.style import Verdict

    if verdict is None:
        return Verdict("", "not judged yet: materialise cluster_stability")
    word, runs, nulls = (verdict[name] for name in ("verdict", "stability_ari", "null_ari"))
    if runs is None or nulls is None:
        return Verdict(word, f"{word}: there are no clusters")
    return Verdict(word, f"{word}: runs agree at ARI {runs:.2f}, those of features without groups at {nulls:.2f}")


def _save_maps(
    group: Group, maps: "GroupMaps", name: str, title: str, clusters: Sequence[int] | None, verdict: "Verdict | None"
) -> dict[str, Detail]:
    """The maps by cluster (-1: grey) in the order of the group's clustered ids; `clusters` None: by none."""
    from synapse_assets.figures.interactive_3d import space_page
    from synapse_assets.figures.maps import maps_sheet, space_figure

    rows = group.rows
    areas = rows.fitted.column("synapse_area").to_numpy()
    hover = [f"{synapse} ({neuron})" for synapse, neuron in zip(rows.ids, rows.neurons, strict=True)]
    unit = group.dataset.units.get("synapse_area", "")
    flat = maps_sheet(
        maps.map, clusters, rows.neuron_types, rows.neurons, areas, title, verdict=verdict, area_unit=unit
    )
    space = space_figure(maps.space, clusters, title, verdict=verdict)
    page = space_page(maps.space, clusters, hover, title, verdict=verdict)
    return {
        "map": save_picture(group.store, name, flat),
        "space": save_picture(group.store, f"{name}_3d", space),
        "turnable": save_page(group.store, f"{name}_3d", page),
    }
