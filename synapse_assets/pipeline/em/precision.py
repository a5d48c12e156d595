"""In which precision a network is applied: that of its first use, which is recorded beside it, once."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from logging import Logger
from typing import TYPE_CHECKING

from synapse_assets.errors import BadInput
from synapse_assets.pipeline.engine import Engine
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.files import segment
from synapse_assets.stores.models import ModelStore

if TYPE_CHECKING:
    from synapse_assets.vision.devices import Precision
    from synapse_assets.vision.encoder_spec import EncoderSpec
    from synapse_assets.vision.first_use import FirstUse

UNRECORDED = "earlier vectors of this encoder were made in a precision that was not recorded"


@dataclass(frozen=True)
class AppliedEncoder:
    """An encoder as every part of a region's work applies it."""

    model_id: str
    dimensions: int
    device: str
    precision: "Precision"


def precision_here(
    models: ModelStore, model_id: str, has_network: bool, device: str, applied_before: Callable[[], bool]
) -> tuple["FirstUse", str]:
    """How to apply that model on `device`, and a remark; empty where it was first applied in the same precision.

    The first use is recorded beside the model, atomically and once: of two that start at the same moment the first counts (on object
    storage the last). A model that was applied before there were records has none; `applied_before` says so, asked where there is none.
    """
    from synapse_assets.vision.devices import native_precision, pick_device
    from synapse_assets.vision.first_use import FirstUse

    kind = pick_device(device)
    this_device = FirstUse(native_precision(kind) if has_network else "float32", kind.type)
    first = _first_use(models, model_id, this_device, applied_before)
    if first is None:
        return this_device, UNRECORDED
    applied = FirstUse(native_precision(kind, first.precision), kind.type)
    if applied.precision == first.precision:
        return applied, ""
    return applied, f"its first vectors were made in {first}, which is not to be had here"


def encoder_in_parts(
    engine: Engine, store: DatasetStore, model_id: str, log: Logger
) -> tuple[AppliedEncoder, "FirstUse", str]:
    """That encoder as all parts apply it, decided before they begin; with its first use and a remark, as `precision_here` gives.

    A first use is in bfloat16 where every machine has it, so that none has to be refused. A machine that cannot follow is refused in its
    part.
    """
    from synapse_assets.vision.encoder_spec import read_spec
    from synapse_assets.vision.first_use import FirstUse

    models = store.models("encoder")
    dimensions = int(models.provenance(model_id).scores["dimensions"])
    first, remark = _recorded(models, model_id), ""
    if first is None:
        use = FirstUse("float32", engine.device)
        if read_spec(models.path(model_id)).has_network:
            abilities = engine.everywhere(partial(_natively, engine.device), log)
            everywhere = all(precision == "bfloat16" for precision in abilities.values())
            use = FirstUse("bfloat16" if abilities and everywhere else "float32", engine.device)
        first = _first_use(models, model_id, use, lambda: store.vectors(model_id, dimensions).count() > 0)
        first, remark = (use, UNRECORDED) if first is None else (first, "")
    return AppliedEncoder(model_id, dimensions, engine.device, first.precision), first, remark


def refuse_other_precision(use: AppliedEncoder, spec: "EncoderSpec") -> None:
    """Raises BadInput where this machine cannot compute in the precision of that use."""
    from synapse_assets.vision.devices import native_precision, pick_device

    device = pick_device(use.device)
    if spec.has_network and native_precision(device, use.precision) != use.precision:
        raise BadInput(
            f"the {device.type} here does not compute in {use.precision}, in which the first vectors of the encoder {use.model_id} were "
            "made, and its numbers would differ: take this node out of the cluster (end `synapse-assets node` there), or give parts "
            "graphics cards that do (SYNAPSE_RAY_GPUS=1); then start the run again"
        )


def _natively(device: str) -> "Precision":
    from synapse_assets.vision.devices import native_precision, pick_device

    return native_precision(pick_device(device))


def _first_use(
    models: ModelStore, model_id: str, this_use: "FirstUse", applied_before: Callable[[], bool]
) -> "FirstUse | None":
    """The recorded first use, which is `this_use` if there was none before; None if there was one that was not recorded."""
    from synapse_assets.vision.first_use import FIRST_USE_FILE, FIRST_USE_FOLDER

    first = _recorded(models, model_id)
    if first is None and not applied_before():
        with models.folder.child(segment(model_id)).new_folder(FIRST_USE_FOLDER, last=FIRST_USE_FILE) as new:
            this_use.save(new)
        first = _recorded(models, model_id)
    return first


def _recorded(models: ModelStore, model_id: str) -> "FirstUse | None":
    """The first use of the model, whose folder may lie on object storage."""
    from synapse_assets.vision.first_use import FIRST_USE_FILE, FIRST_USE_FOLDER, FirstUse

    folder = models.folder.child(segment(model_id))
    if not folder.exists(f"{FIRST_USE_FOLDER}/{FIRST_USE_FILE}"):
        return None
    return FirstUse.found(folder.local_copy(FIRST_USE_FOLDER, last=FIRST_USE_FILE))
