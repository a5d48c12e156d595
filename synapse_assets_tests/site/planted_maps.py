"""Entries of a site that are nothing but a map of planted points: no laboratory has hostile names, a space, or no place on the map."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from synapse_assets.query.points import NONE, NUMBERS, Points
from synapse_assets.schema.colours import NOISE_COLOUR
from synapse_assets.site.browse import FORMAT, write_points
from synapse_assets.site.folder import SiteFolder
from synapse_assets.site.pages import SCRIPTS, Pages
from synapse_assets_tests.site.hosts import PlainHost

LOOK = Path(__file__).parents[2] / "synapse_assets" / "explorer" / "static"


def serve_maps(folder: Path, entries: Mapping[str, Points]) -> PlainHost:
    """Serves a site that has a map of each of these."""
    site = SiteFolder(folder)
    for path in (*SCRIPTS.glob("*.js"), LOOK / "explorer.css", LOOK / "icon.svg"):
        site.write(f"look/{path.name}", path.read_text(encoding="utf-8"))
    common = {"words": str, "noun": "synapse", "without_paths": str, "release_id": "planted", "released": "2026-01-01"}
    pages = Pages(site, dict.fromkeys(entries, "Planted"), {name: {"map": "Map"} for name in entries}, common)
    for name, points in entries.items():
        pages.render(f"{name}/map/index.html", "shell.html", dataset=name, active="map", page="map", title="Map")
        _write_entry(site, name, points)
    return PlainHost(folder)


def _write_entry(site: SiteFolder, name: str, points: Points) -> None:
    without = np.full(len(points), -1, dtype=np.int32)
    write_points(site, f"{name}/browse", points, np.zeros(len(points), dtype=bool), without)
    content = {
        "format": FORMAT,
        "dataset": name,
        "entry": name,
        "title": "Planted",
        "noun": "synapse",
        "words": [],
        "release": {"id": "planted", "created": "2026-01-01"},
        "rows": len(points),
        "pages": {"map": "Map"},
        "categories": [
            {"name": each, "title": column.title, "names": list(column.names), "colours": dict(points.colours(each))}
            for each, column in points.categories.items()
        ],
        "numbers": [{"name": each, "title": NUMBERS[each]} for each in points.numbers],
        "none": NONE,
        "noise_colour": NOISE_COLOUR,
        "cluster_verdict": points.cluster_verdict,
        "has_pictures": False,
        "has_space": points.space is not None,
        "metrics": {},
    }
    site.write(f"{name}/browse/site.json", json.dumps(content))
