"""Fitted models as folders of plain files, each with its provenance: what it was fitted on, how, and how well it does.

Nothing here depends on the kind of model; nothing is pickled.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from synapse_assets.errors import BadInput
from synapse_assets.stores.files import Files, segment

NOT_ASSESSED = "not assessed"
"""The verdict of a model that was fitted before there were verdicts, and of a kind that has none."""
_PROVENANCE = "provenance.json"
_LIBRARIES = (
    "hdbscan", "numpy", "pyarrow", "pylance", "scikit-learn", "scipy", "skops", "timm", "torch", "umap-learn", "xgboost",
)  # fmt: skip


def fingerprint(parameters: Mapping[str, Any], inputs: Mapping[str, str]) -> str:
    """A short stable version (12 hexadecimal digits) for what is fitted with these parameters on these inputs.

    Raises BadInput for a parameter that has no JSON form.
    """
    try:
        text = json.dumps([dict(parameters), dict(inputs)], sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise BadInput(f"parameters of a model must be plain numbers, texts, lists and mappings: {error}") from error
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def installed_libraries() -> dict[str, str]:
    """The versions of the libraries that decide what is fitted, by name."""
    versions = {}
    for name in _LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


@dataclass(frozen=True)
class Provenance:
    """Where a fitted model comes from. `inputs` names the version of everything it was fitted on, by name; `verdict` says in a
    word how far the model can be trusted, `verdict_reason` why."""

    name: str
    version: str
    inputs: dict[str, str]
    parameters: dict[str, Any]
    seed: int
    scores: dict[str, float] = field(default_factory=dict)
    notes: str = ""
    libraries: dict[str, str] = field(default_factory=installed_libraries)
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    verdict: str = NOT_ASSESSED
    verdict_reason: str = ""


# Fields that a stored provenance must have. Two defaults describe the present, so they are wrong for an older model.
_REQUIRED = {"libraries", "created"} | {
    entry.name for entry in fields(Provenance) if entry.default is MISSING and entry.default_factory is MISSING
}


@dataclass(frozen=True)
class ModelStore:
    """All fitted versions of one model. The current version is applied to regions; a newer version may be a candidate."""

    folder: Files
    name: str

    def save(self, version: str, write: Callable[[Path], None], provenance: Provenance) -> Path:
        """Stores, in one step, what `write` puts into its folder. A version that exists stays as it is."""
        if not self.exists(version):
            with self.folder.new_folder(segment(version), last=_PROVENANCE) as temporary:
                write(temporary)
                (temporary / _PROVENANCE).write_text(json.dumps(asdict(provenance), indent=2, sort_keys=True) + "\n")
        return self.path(version)

    def exists(self, version: str) -> bool:
        """Whether that version was fitted and stored."""
        return self.folder.exists(f"{segment(version)}/{_PROVENANCE}")

    def path(self, version: str) -> Path:
        """The local folder of that version, a complete copy where models lie on object storage. Raises BadInput if there is none."""
        self._require(version)
        return self.folder.local_copy(segment(version), last=_PROVENANCE)

    def provenance(self, version: str) -> Provenance:
        """Where that version comes from. Raises BadInput if there is none, or if a required field is missing."""
        self._require(version)
        return self._read(segment(version))

    def versions(self) -> list[str]:
        """All versions, oldest first."""
        names = [name for name in self.folder.names() if self.folder.exists(f"{name}/{_PROVENANCE}")]
        provenances = [self._read(name) for name in names]
        return [
            provenance.version
            for provenance in sorted(provenances, key=lambda provenance: (provenance.created, provenance.version))
        ]

    @property
    def current(self) -> str | None:
        """The version that regions apply; None before the first."""
        return self._pointer("current.json")

    @property
    def candidate(self) -> str | None:
        """A newer version that waits to be promoted; None if there is none."""
        return self._pointer("candidate.json")

    def promote(self, version: str) -> None:
        """Makes that version the current one. Raises BadInput if there is none."""
        self._require(version)
        self.folder.write_json("current.json", {"version": version})
        if self.candidate == version:
            self.folder.remove("candidate.json")

    def set_candidate(self, version: str) -> None:
        """Makes that version the candidate. Raises BadInput if there is none."""
        self._require(version)
        self.folder.write_json("candidate.json", {"version": version})

    def clear_candidate(self) -> None:
        """Clears the candidate; the version itself stays."""
        self.folder.remove("candidate.json")

    def _pointer(self, name: str) -> str | None:
        pointer = self.folder.read_json(name)
        if pointer is None:
            return None
        if not isinstance(pointer, dict) or "version" not in pointer:
            raise self._strange(name, "it names no version")
        return str(pointer["version"])

    def _read(self, name: str) -> Provenance:
        content = self.folder.child(name).read_json(_PROVENANCE)
        stored = content if isinstance(content, dict) else {}
        missing = sorted(_REQUIRED - set(stored))
        if missing:
            raise self._strange(f"{name}/{_PROVENANCE}", f"fields: no {missing}")
        # A later version of this program may store more.
        return Provenance(**{entry.name: stored[entry.name] for entry in fields(Provenance) if entry.name in stored})

    def _strange(self, name: str, what: str) -> BadInput:
        return BadInput(
            f"model {self.name}: {self.folder.address(name)} is of another version of this program ({what}); move the folder "
            f"{self.folder.root} away and materialise the step that fits {self.name} again"
        )

    def _require(self, version: str) -> None:
        if not self.exists(version):
            raise BadInput(f"model {self.name} has no version '{version}'; there are {self.versions()}")


def model_in_use(models: ModelStore, remedy: str) -> str:
    """Version of the model in use. Raises BadInput with the remedy if none is fitted."""
    if models.current is None:
        raise BadInput(f"no {models.name} has been fitted: {remedy}")
    return models.current


def require_same(models: ModelStore, version: str, name: str, in_use: str) -> None:
    """Refuse to apply a model to inputs of another version than it was fitted on. Raises BadInput naming both."""
    fitted_on = models.provenance(version).inputs.get(name)
    if fitted_on != in_use:
        raise BadInput(
            f"{models.name} {version} was fitted on {name} {fitted_on}, but {name} {in_use} is in use: materialise {models.name} again"
        )
