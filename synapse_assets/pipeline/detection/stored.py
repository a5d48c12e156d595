"""The fitted detectors of a dataset as they are stored, and which of them are in use.

A version of the model `detector` has a folder for each named detector: `network.safetensors`, the one that is applied, trained on all
annotations; `rules.json`, how objects are made of its maps. What else a fit stores belongs to `detector`.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from synapse_assets.artifacts import NoModel
from synapse_assets.datasets import DetectionDataset
from synapse_assets.errors import BadInput
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.models import model_in_use

if TYPE_CHECKING:
    from synapse_assets.analysis.detection.sites import Rules
    from synapse_assets.vision.detection import DetectorNetwork

MODEL = "detector"
NETWORK_FILE = "network.safetensors"
RULES_FILE = "rules.json"


@dataclass(frozen=True)
class Detector:
    """One detector in use: its name, the version of the model, its network and the rules by which objects are made of its maps."""

    name: str
    version: str
    network: "DetectorNetwork"
    rules: "Rules"


def detectors_store(store: DatasetStore, dataset: DetectionDataset) -> DatasetStore:
    """The store that holds the detectors of a dataset: its own, or that of the dataset it takes them from."""
    if dataset.detector_from is None:
        return store
    return DatasetStore(store.data_root, dataset.detector_from, store.local_root)


def detector_in_use(store: DatasetStore, dataset: DetectionDataset, name: str) -> Detector:
    """The detector of that name.

    Raises BadInput where none is fitted, none of that name, or for voxels of another size than those of the dataset's volumes.
    """
    from synapse_assets.vision.detection import DetectorNetwork

    models = detectors_store(store, dataset).models(MODEL)
    owner = dataset.detector_from or dataset.name
    version = model_in_use(models, f"materialise {owner}/{MODEL} first")
    folder = models.path(version)
    none = NoModel.found(folder)
    if none is not None:
        raise BadInput(f"{owner} has no detectors: {none.reason}")
    if not (folder / name / NETWORK_FILE).is_file():
        named = sorted(path.parent.name for path in folder.glob(f"*/{NETWORK_FILE}"))
        raise BadInput(f"{owner} has no detector '{name}'; there are {named}: name one of them, or train it")
    network = DetectorNetwork.load(folder / name / NETWORK_FILE)
    network.check_voxel_size(dataset.voxel_size_nm)
    return Detector(name, version, network, read_rules(folder / name))


def write_rules(folder: Path, rules: "Rules") -> None:
    """Writes the rules of a detector into its folder."""
    (folder / RULES_FILE).write_text(json.dumps(asdict(rules)), encoding="utf-8")


def read_rules(folder: Path) -> "Rules":
    """The rules that `write_rules` wrote. Raises BadInput where the file is damaged."""
    from synapse_assets.analysis.detection.components import Limits
    from synapse_assets.analysis.detection.sites import Rules

    path = folder / RULES_FILE
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        return Rules(**{**stored, "targets": tuple(stored["targets"]), "limits": Limits(**stored["limits"])})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise BadInput(f"{path} is damaged: fit the detectors again, or take it from a backup ({error})") from error
