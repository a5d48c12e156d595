"""Which fields of a dataset's models go into fingerprints, so that a field added later changes none while it has its default.

A fingerprint says what something was made from: code versions, versions of fitted models, keys of tiles and of unfinished work.
If every new field went into it, an update would cut all tiles and fit all models again, though nothing about them had changed.
Hashing itself belongs to `stores`.
"""

from collections.abc import Collection, Mapping
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

# The fields that each class had when fingerprints were first made; they are hashed at any value. Never add a class or field
# here, nor take one out: every fingerprint with that class would change, and all that depends on it would be made again.
FIRST_FIELDS: Mapping[str, frozenset[str]] = {
    name: frozenset(names.split())
    for name, names in {
        "EmDataset": "name title description seed chain generate volumes sources neurons missing_region region_vocabulary "
        "region_names merge_partners leave_out_outside accept_alignment target grouping has_neurons tile encoder trial_limit",
        "VolumeSpec": "kind url reader dataset voxel_size_nm offset_voxels axis_order space missing_chunks timeout_s "
        "requests_per_second download_ceiling_gb",
        "TileSpec": "size_px sections",
        "EncoderChoice": "origin architecture checkpoint crop_px training_steps training_tiles",
        "PretrainingSettings": "architecture crop_px batch_size max_steps max_seconds learning_rate temperature views seed",
        "PointsSource": "name path header table neuron_id_offset class_names volume space transform id_prefix brain_region "
        "format columns units voxel_size_nm axis_order target_value id_from minimum only leave_out_autapses",
        "SynisterSource": "name path volume space transform id_prefix brain_region format",
        "CaveSource": "volume space transform id_prefix brain_region format name datastack table materialization server "
        "columns minimum leave_out_autapses",
        "Columns": "x y z position synapse_id brain_region neuron_id partner_id hemilineage target section object_id score",
        "NeuronTable": "name path header table neuron_id_offset class_names format columns known_class_from",
        "NeuronColumns": "neuron_id known_classes hemilineage cell_type side",
        "SynisterNeurons": "format name path hemi_lineages",
        "MorphologyDataset": "name title description seed chain generate workbooks neuron_types synapse_types brain_region "
        "groups features resampling",
        "Workbook": "name path sheet columns used_for id_prefix",
        "WorkbookColumns": "neuron_id synapse_type number x y z soma_x soma_y soma_z corrected_x corrected_y corrected_z "
        "corrected_soma_x corrected_soma_y corrected_soma_z x_um y_um z_um soma_x_um soma_y_um soma_z_um synapse_area "
        "bouton_area bouton_volume brain_region",
        "Group": "synapse_type neuron_type neuron_id brain_region published",
        "Published": "source min_cluster_size min_samples clusters accuracy",
        "FeatureChoice": "place_weight shape_weight shape extreme_iqr fewest_for_alignment",
        "Resampling": "runs share nulls",
    }.items()
}

# Fields that say how something is stored or what readers are told, and nothing of what it is: no fingerprint has them, at no value.
STORAGE_FIELDS: Mapping[str, frozenset[str]] = {
    "Dataset": frozenset({"publish"}),
    "TileSpec": frozenset({"codec"}),
    "MorphologyDataset": frozenset({"units"}),
}


def hashed_fields(
    model: "BaseModel | DataclassInstance", *, include: Collection[str] | None = None, exclude: Collection[str] = ()
) -> dict[str, Any]:
    """The JSON form of a model or dataclass for a fingerprint, models inside it likewise: its `FIRST_FIELDS`, which a subclass
    shares, and of the other fields those whose value is not their default, but none of `STORAGE_FIELDS`, its own and inherited.

    `include` and `exclude` choose among the fields of `model` itself. A field at its default leaves no trace: whoever changes
    the default of one that is not among `FIRST_FIELDS` adds one to the `method` of the assets that depend on it.
    """
    names = [kind.__name__ for kind in type(model).__mro__]
    first = next((FIRST_FIELDS[name] for name in names if name in FIRST_FIELDS), frozenset())
    storage = frozenset().union(*(STORAGE_FIELDS.get(name, ()) for name in names))
    json_fields = {}
    for name, default in _defaults(model).items():
        if name in storage or name in exclude or (include is not None and name not in include):
            continue
        value = _json_form(getattr(model, name))
        if name in first or default is MISSING or value != _json_form(default):
            json_fields[name] = value
    return json_fields


def _defaults(model: "BaseModel | DataclassInstance") -> dict[str, Any]:
    """The default of every field, in their order; MISSING for a field that must be given."""
    if isinstance(model, BaseModel):
        return {
            name: MISSING if field.is_required() else field.get_default(call_default_factory=True)
            for name, field in type(model).model_fields.items()
        }
    return {
        field.name: field.default if field.default_factory is MISSING else field.default_factory()
        for field in fields(model)
    }


def _json_form(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return hashed_fields(value)
    if isinstance(value, Mapping):
        return {str(key): _json_form(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json_form(item) for item in value]
    return to_jsonable_python(value)
