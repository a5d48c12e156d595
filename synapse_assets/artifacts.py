"""Fitted models and what was measured with them, as files: one json of facts and one npz of arrays, without pickle.

Belongs here: writing and reading those two files, and the outcome that nothing was fitted. Does not belong here: what a
model is (its own class knows), which versions of it are stored and why (`stores.models`), formats of other programs
(safetensors, skops, xgboost), how earlier releases named the files (`older_artifacts`).

A fact that is added needs no new version: readers give its default by `facts.get`. The version is raised when what
is there already changes its meaning, so that a program which does not know that refuses to read it.
"""

import json
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional, TypeAlias, TypeVar

import numpy as np

from synapse_assets.errors import BadInput
from synapse_assets.older_artifacts import OLDER_FILES, as_written_now

JSON: TypeAlias = bool | int | float | str | Sequence["JSON"] | Mapping[str, "JSON"] | None
_NO_MODEL_FILE = "no_model.json"
_Value = TypeVar("_Value")
_Model = TypeVar("_Model")


class _Stored(dict[str, _Value]):
    """What a file holds by name; a missing name raises BadInput when it is read."""

    def __init__(self, file: Path, values: Mapping[str, _Value]) -> None:
        super().__init__(values)
        self.file = file

    def __missing__(self, name: str) -> _Value:
        raise _damaged(self.file, f"'{name}' is missing")


@dataclass(frozen=True)
class Artifact:
    """What was read. `version` is 0 where the files are of a release that wrote none.

    A missing fact or array raises BadInput naming the file when it is read; `get` gives a default instead.
    A tuple that was written as a fact is a list here.
    """

    version: int
    facts: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray]

    def values(self, *names: str) -> dict[str, Any]:
        """The facts and arrays of these names."""
        return {name: self.arrays[name] if name in self.arrays else self.facts[name] for name in names}


def write_artifact(
    folder: Path, kind: str, version: int, *, facts: Mapping[str, JSON], arrays: Mapping[str, np.ndarray]
) -> None:
    """Writes <kind>.npz and <kind>.json into `folder` (made if absent), beside those of other kinds.

    Raises BadInput for arrays of Python objects.
    """
    objects = [name for name, array in arrays.items() if array.dtype.hasobject]
    if objects:
        raise BadInput(f"arrays {objects} hold Python objects; make them numbers or texts of fixed width (dtype 'U')")
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / f"{kind}.npz", allow_pickle=False, **arrays)
    text = json.dumps({"kind": kind, "version": version, "facts": facts}, indent=1, ensure_ascii=False)
    (folder / f"{kind}.json").write_text(text, encoding="utf-8")


def find_artifact(folder: Path, kind: str, newest_version: int) -> Artifact | None:
    """What was written as that kind, now or by an earlier release, to the bit; None if `folder` holds none.

    Raises BadInput, naming the file, if one of its files is missing or damaged, or of a version above `newest_version`.
    """
    current = (f"{kind}.json", f"{kind}.npz")
    older = OLDER_FILES.get(kind, ())
    names = next((names for names in (current, older) if any((folder / name).exists() for name in names)), None)
    if names is None:
        return None
    file = folder / names[0]
    facts = _read_json(file)
    version = 0
    if names is current:
        version, facts = _checked(file, facts, kind, newest_version)
    arrays = _read_arrays(folder / names[1]) if len(names) > 1 else {}
    if names is older:
        facts, arrays = as_written_now(kind, facts, arrays)
    return Artifact(version, _Stored(file, facts), _Stored(folder / names[-1], arrays))


def read_artifact(folder: Path, kind: str, newest_version: int) -> Artifact:
    """Like `find_artifact`; raises BadInput also if `folder` holds none."""
    artifact = find_artifact(folder, kind, newest_version)
    if artifact is None:
        raise BadInput(f"{folder / kind}.json is missing: fit this model again, or take the folder from a backup")
    return artifact


def _checked(file: Path, written: dict[str, Any], kind: str, newest_version: int) -> tuple[int, dict[str, Any]]:
    """Version and facts of what a json of that kind holds."""
    version, facts = written.get("version"), written.get("facts")
    if written.get("kind") != kind or not isinstance(version, int):
        raise _damaged(file, f"it is no {kind}")
    if version > newest_version:
        raise BadInput(
            f"{file} was written by a newer version of this program (version {version} of {kind}; {newest_version} is the "
            "newest known here): install that version"
        )
    if not isinstance(facts, dict):
        raise _damaged(file, "it holds no facts")
    return version, facts


def _read_json(file: Path) -> dict[str, Any]:
    if not file.exists():
        raise _damaged(file, "the file is missing")
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise _damaged(file, str(error)) from error
    if not isinstance(content, dict):
        raise _damaged(file, "it holds no mapping")
    return content


def _read_arrays(file: Path) -> dict[str, np.ndarray]:
    if not file.exists():
        raise _damaged(file, "the file is missing")
    with file.open("rb") as stream:
        try:
            with np.load(stream, allow_pickle=False) as arrays:
                return dict(arrays)
        except (OSError, ValueError, TypeError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
            raise _damaged(file, str(error)) from error


def _damaged(file: Path, what: str) -> BadInput:
    return BadInput(f"{file} is damaged ({what}): fit this model again, or take the folder from a backup")


@dataclass(frozen=True)
class NoModel:
    """Nothing was fitted, which is an ordinary outcome; `reason` says why in plain words. Every fit returns its model or
    this."""

    reason: str

    def save(self, folder: Path) -> None:
        """Writes no_model.json into `folder` (made if absent)."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _NO_MODEL_FILE).write_text(json.dumps({"reason": self.reason}))

    @classmethod
    def found(cls, folder: Path) -> Optional["NoModel"]:
        """What `save` wrote, or None if the folder holds no such outcome."""
        file = folder / _NO_MODEL_FILE
        return cls(json.loads(file.read_text())["reason"]) if file.exists() else None


def load_or_no_model(folder: Path, load: Callable[[Path], _Model]) -> _Model | NoModel:
    """What `load` reads from the folder of a fit, or the saved reason why nothing was fitted."""
    missing = NoModel.found(folder)
    return load(folder) if missing is None else missing
