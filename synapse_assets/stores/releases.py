"""Releases that stay readable for ever: the warehouse of the day under a name, with the table versions it was built from.

Building the warehouse belongs to `warehouse`, and querying it to `query`.
"""

import json
import re
import shutil
from typing import Any

from synapse_assets.errors import BadInput
from synapse_assets.stores.dataset_store import RELEASE_FILE, WAREHOUSE_FILE, DatasetStore
from synapse_assets.stores.files import Files
from synapse_assets.stores.region_table import RegionTable
from synapse_assets.stores.warehouse import open_file, release_content

_FOLDER = "releases"


def freeze_release(store: DatasetStore, name: str) -> str:
    """Keeps the current release under that name, and gives its folder, `releases/<name>/`.

    The folder appears with `warehouse.duckdb` and `release.json` in it in one step. The Lance versions in it are tagged, and
    the models named in it are kept by `maintenance`. Raises BadInput for a name in use or that is not a plain word, and where nothing
    was released or its table versions are gone.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
        raise BadInput(
            f"release name '{name}': use letters, digits, points, hyphens and underscores, such as 2027-01-draft"
        )
    releases = _releases(store)
    if releases.exists(f"{name}/{RELEASE_FILE}"):
        raise BadInput(f"{store.dataset} has a release '{name}' already; give the new one another name")
    address, step = store.warehouse_address, f"materialise {store.dataset}/warehouse again"
    path = store.warehouse_path
    if not path.exists():
        raise BadInput(f"nothing to freeze: there is no {address}; materialise {store.dataset}/warehouse first")
    with releases.scratch() as folder:
        shutil.copyfile(path, folder / WAREHOUSE_FILE)
        # From the file itself: release.json may still be that of the previous build.
        with open_file(folder / WAREHOUSE_FILE, address, step) as connection:
            content = release_content(connection, address, step)
        (folder / RELEASE_FILE).write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")
        for table in released_tables(store, content):
            table.tag(f"release-{name}")
        releases.adopt(folder, name, last=RELEASE_FILE)
    return releases.address(name)


def released_names(store: DatasetStore) -> list[str]:
    """Names of the frozen releases, sorted."""
    releases = _releases(store)
    return [name for name in releases.names() if releases.exists(f"{name}/{RELEASE_FILE}")]


def frozen_release(store: DatasetStore, name: str) -> Files:
    """The folder of that release. Raises BadInput if there is none of that name."""
    if name not in (names := released_names(store)):
        raise BadInput(f"{store.dataset} has no release '{name}'; there are {names}")
    return _releases(store).child(name)


def all_releases(store: DatasetStore) -> list[dict[str, Any]]:
    """The content of release.json of every frozen release and of the current one."""
    frozen = [_releases(store).child(name).read_json(RELEASE_FILE) for name in released_names(store)]
    return [content for content in (*frozen, store.release()) if content is not None]


def released_tables(store: DatasetStore, content: dict[str, Any]) -> list[RegionTable]:
    """The Lance tables in a release, at their versions."""
    tables = []
    for name, entry in content["tables"].items():
        version = entry["version"]
        if not isinstance(version, int) or version == 0:
            continue
        if name == "embeddings":
            encoder = content["models"]["encoder"]
            table = store.vectors(encoder, int(content["scores"]["encoder"]["dimensions"]))
        else:
            table = {"synapses": store.synapses, "tiles": store.tiles}[name]
        tables.append(table.at_version(version))
    return tables


def _releases(store: DatasetStore) -> Files:
    return store.folder.child(_FOLDER)
