"""Maintenance of a dataset's storage: compacts tables and removes what nothing refers to any more.

What is in use is read from the pointers of the models and from the releases. Run history belongs to `defs`.
"""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from synapse_assets.stores import commit_queue
from synapse_assets.stores.dataset_store import DatasetStore
from synapse_assets.stores.files import Files, is_leftover, segment
from synapse_assets.stores.models import ModelStore
from synapse_assets.stores.releases import all_releases

_VECTORS_OF = "embeddings_"


def maintain(store: DatasetStore, keep: timedelta = timedelta(days=7)) -> dict[str, int]:
    """Compacts the Lance tables of a dataset and removes what was not touched for `keep` and nothing needs; gives counts.

    Removed are: versions of Lance tables that are not tagged; vectors of encoders, and versions of models, that are neither
    in use, nor a candidate, nor in a release (of models: nor an input of a retained model); unfinished work in staging; and
    what killed processes left (those of this machine whatever their age). May run while other runs write. Counts by name:
    how many of each, and the bytes freed. Raises BadInput where another version of this program stored a model.
    """
    maintenance = _Maintenance(store, datetime.now(UTC) - keep)
    maintenance.remove_leftovers()
    maintenance.remove_models()
    maintenance.remove_vectors()
    maintenance.remove_staging()
    for table in store.lance_tables().values():
        maintenance.done["bytes freed"] += table.optimize(keep)
        maintenance.done["tables compacted"] += 1
    return dict(maintenance.done)


def _nothing_done() -> Counter[str]:
    names = (
        "tables compacted",
        "vector tables removed",
        "model versions removed",
        "stagings removed",
        "leftovers removed",
    )
    return Counter(dict.fromkeys([*names, "bytes freed"], 0))


@dataclass
class _Maintenance:
    store: DatasetStore
    before: datetime
    done: Counter[str] = field(default_factory=_nothing_done)

    def remove_models(self) -> None:
        """Versions that no pointer, release or retained model names."""
        stores = self._model_stores()
        released_models = [content.get("models") or {} for content in all_releases(self.store)]
        origins = {
            (models.name, version): models.provenance(version) for models in stores for version in models.versions()
        }
        retained = {
            (models.name, version) for models in stores for version in (models.current, models.candidate) if version
        }
        retained |= {(name, version) for models in released_models for name, version in models.items() if version}
        while True:
            # An input may be several versions in one text, so it is searched, not compared.
            inputs = " ".join(text for model in retained & set(origins) for text in origins[model].inputs.values())
            inputs_of_retained = {model for model in origins if model[1] in inputs} - retained
            if not inputs_of_retained:
                break
            retained |= inputs_of_retained
        for models in stores:
            for version in models.versions():
                folder = segment(version)
                needed = version in (models.current, models.candidate) or (models.name, version) in retained
                if not needed and self._old(models.folder, folder):
                    self._remove(models.folder, folder, "model versions removed", first="provenance.json")

    def remove_vectors(self) -> None:
        """Tables of encoders that are out of use."""
        encoder = self.store.models("encoder")
        folder = self.store.folder.child("vectors")
        versions = {encoder.current, encoder.candidate}
        versions |= {(content.get("models") or {}).get("encoder") for content in all_releases(self.store)}
        tables = {f"{_VECTORS_OF}{segment(version)}.lance" for version in versions if version}
        for name in self.store.lance_tables():
            if name.startswith(_VECTORS_OF) and name not in tables and self._old(folder, name):
                self._remove(folder, name, "vector tables removed")
                folder.remove(f"{name}.lock")
                folder.remove(f"{name}{commit_queue.SUFFIX}")

    def remove_staging(self) -> None:
        """Unfinished work that no run continued."""
        staging = self.store.folder.child("staging")
        for asset in staging.names():
            for region in staging.child(asset).names():
                folder = staging.child(asset, region)
                for key in folder.names():
                    if self._old(folder, key):
                        self._remove(folder, key, "stagings removed")

    def remove_leftovers(self) -> None:
        """Temporary files and folders of killed processes and, where folders cannot be renamed, half uploads."""
        local = self.store.folder.local_folder
        for root in {local, self.store.raw.parent}:
            for path in _temporaries(root):
                here = Files(str(path.parent))
                if is_leftover(path.name) or (is_leftover(path.name) is None and self._old(here, path.name)):
                    self._remove(here, path.name, "leftovers removed")
        if self.store.folder.is_local:
            return
        vectors = self.store.folder.child("vectors")
        for queue in vectors.names():
            if queue.endswith(commit_queue.SUFFIX):
                for ticket in vectors.child(queue).names():
                    self._remove_if_old(vectors.child(queue), ticket)
        for models in self._model_stores():
            for name in models.folder.names():
                if not name.endswith(".json") and not models.folder.exists(f"{name}/provenance.json"):
                    self._remove_if_old(models.folder, name)
        split = self.store.synapse_table
        pointer = split.folder.read_json("current.json") or {}
        for name in split.folder.names():
            if name not in ("current.json", pointer.get("version"), pointer.get("previous")):
                self._remove_if_old(split.folder, name)

    def _model_stores(self) -> list[ModelStore]:
        return [self.store.models(name) for name in self.store.model_names()]

    def _remove_if_old(self, folder: Files, name: str) -> None:
        if self._old(folder, name):
            self._remove(folder, name, "leftovers removed")

    def _old(self, folder: Files, name: str) -> bool:
        newest = folder.touched(name)
        return newest is not None and newest < self.before

    def _remove(self, folder: Files, name: str, counter: str, first: str | None = None) -> None:
        self.done["bytes freed"] += folder.size(name)
        self.done[counter] += 1
        folder.remove(name, first)
        if not folder.is_local:
            Files(str(folder.local_folder)).remove(name)


def _temporaries(root: Path) -> Iterator[Path]:
    """Everything unfinished under the folder, except in Lance tables, which clean up after themselves."""
    for folder, folders, files in os.walk(root):
        leftovers = [name for name in (*folders, *files) if is_leftover(name) is not False]
        yield from (Path(folder) / name for name in leftovers)
        folders[:] = [name for name in folders if name not in leftovers and not name.endswith(".lance")]
