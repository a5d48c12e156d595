"""A field that a model of the dataset file gains later changes no code version, key or fingerprint while it has its default."""

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import tifffile
from pydantic import BaseModel, Field, create_model

import synapse_assets
from synapse_assets.datasets import EmDataset, MorphologyDataset, Publication, Resampling
from synapse_assets.datasets.base import Frozen
from synapse_assets.datasets.fingerprints import FIRST_FIELDS, hashed_fields
from synapse_assets.definitions import build_definitions
from synapse_assets.settings import Settings
from synapse_assets.stores import DatasetStore, Provenance, fingerprint
from synapse_assets.stores.rows import content_key
from synapse_assets_tests.conftest import tiny_dataset
from synapse_assets_tests.stores.samples import names, source_rows

POINTS: dict[str, Any] = {
    "name": "points", "format": "points", "volume": "em", "path": "p.csv", "units": "voxel", "minimum": {"score": 0.3},
    "columns": {"position": "at", "neuron_id": "pre", "partner_id": "post"}, "voxel_size_nm": [4, 4.5, 40],
}  # fmt: skip
CAVE: dict[str, Any] = {
    "name": "cave", "format": "cave", "volume": "em", "datastack": "d", "table": "t", "materialization": 3,
    "columns": POINTS["columns"],
}  # fmt: skip
NEURONS: list[dict[str, Any]] = [
    {"name": "neurons", "format": "neurons", "path": "n.csv", "columns": {"neuron_id": "id", "side": "side"}},
    {"name": "skeletons", "format": "synister_v3_skeletons", "path": "s.json", "hemi_lineages": "h.json"},
]
# Each class of a chain's models occurs in it.
EM = tiny_dataset(
    Path(),
    Path("p.csv"),
    volumes={"em": {"kind": "images", "url": "em", "voxel_size_nm": [4, 4.5, 40], "offset_voxels": [1, 2, 3]}},
    sources=[POINTS, CAVE, {"name": "export", "format": "synister_v4", "volume": "em", "path": "x.json"}],
    neurons=NEURONS,
    encoder={"training_steps": 7},
)
MORPHOLOGY = MorphologyDataset.model_validate(
    {
        "chain": "morphology", "name": "study", "title": "Study", "description": "Of neurons.", "synapse_types": "as",
        "workbooks": [{"name": "study", "path": "s.csv", "columns": {"x": None}}], "neuron_types": {"cb": "calbindin"},
        "groups": {
            "as": {
                "synapse_type": "as",
                "published": {"source": "s", "min_cluster_size": 4, "min_samples": 2, "clusters": 3, "accuracy": {"xgboost": 1}},
            },
            "all": {},
        },
    }
)  # fmt: skip
# The assets whose code version follows the dataset file.
DECIDED = {
    "synapse_table": "1568fdd21457",
    "neurons": "87d00cd53237",
    "alignment": "cebbe9cb3b3b",
    "tile_plan": "3fbde9c21a51",
    "tiles": "3fbde9c21a51",
    "synapses": "5d2b81b772f4",
    "feature_model": "540e34c08143",
    "projection": "657a36a35ad2",
    "parameter_sweep": "15d86d5d46ed",
    "cluster_classifier": "3e4e04e526ca",
}
# Fields that may come later: how they are declared, their default, and another value.
LATER: dict[str, tuple[Any, Any, Any]] = {
    "number": (int, 3, 4),
    "text": (str, "a", "b"),
    "nothing": (str | None, None, "b"),
    "list": (list[str], [], ["b"]),
    "factory": (dict[str, float], Field(default_factory=dict), {"b": 0.5}),
    "model": (Resampling, Resampling(), Resampling(runs=8)),
    "models": (dict[str, Resampling], {}, {"b": Resampling()}),
}


def models_in(value: Any) -> Iterator[BaseModel]:
    """The model and all models inside it."""
    if isinstance(value, BaseModel):
        yield value
        value = [getattr(value, name) for name in type(value).model_fields]
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ():
        yield from models_in(item)


def grown(value: Any, kind: Any = int, default: Any = 3) -> Any:
    """The same value, in which each model is of a class that has gained a field `later`."""
    if isinstance(value, BaseModel):
        bigger = create_model(type(value).__name__, __base__=type(value), later=(kind, default))
        fields = {name: grown(getattr(value, name), kind, default) for name in type(value).model_fields}
        return bigger.model_construct(**fields)
    if isinstance(value, dict):
        return {key: grown(item, kind, default) for key, item in value.items()}
    return type(value)(grown(item, kind, default) for item in value) if isinstance(value, list | tuple) else value


def with_later(model: BaseModel, value: Any) -> None:
    """Gives the field that the model has gained, which is frozen, a value."""
    model.__dict__["later"] = value


def code_versions(dataset: EmDataset | MorphologyDataset) -> dict[str, str | None]:
    definitions = build_definitions(Settings(data_root="/nowhere", datasets=[]), datasets=[dataset])
    return {spec.key.path[-1]: spec.code_version for spec in definitions.resolve_all_asset_specs()}


EXAMPLES = {type(model).__name__: model for dataset in (EM, MORPHOLOGY) for model in models_in(dataset)}


def test_the_first_fields_stay_as_they_are() -> None:
    table = json.dumps({name: sorted(fields) for name, fields in FIRST_FIELDS.items()}, sort_keys=True)
    assert hashlib.sha256(table.encode()).hexdigest()[:12] == "f03ff01bdd6a", "nothing may be added to it or taken out"
    assert FIRST_FIELDS.keys() - {"PretrainingSettings"} <= EXAMPLES.keys()
    for name in FIRST_FIELDS.keys() & EXAMPLES.keys():
        fields = type(EXAMPLES[name]).model_fields
        assert FIRST_FIELDS[name] <= fields.keys(), name
        must_be_given = {field for field, told in fields.items() if told.is_required()}
        assert must_be_given <= FIRST_FIELDS[name], f"{name}: a field that comes later needs a default"


def test_fingerprints_of_what_is_stored_stay_as_they_are() -> None:
    """Where one of these changes, every installation makes again what hangs on it, with all that follows."""
    assert [fingerprint(hashed_fields(dataset), {}) for dataset in (EM, MORPHOLOGY)] == ["d128da20ea2c", "475cdf97b372"]
    found = {name: version for dataset in (EM, MORPHOLOGY) for name, version in code_versions(dataset).items()}
    assert {name: found[name] for name in DECIDED} == DECIDED


def test_how_tiles_are_stored_is_in_no_fingerprint() -> None:
    other = EM.model_copy(update={"tile": EM.tile.model_copy(update={"codec": "zstd"})})
    assert other != EM
    assert hashed_fields(other) == hashed_fields(EM)
    assert code_versions(other) == code_versions(EM)


def test_units_that_readers_are_told_are_in_no_fingerprint() -> None:
    other = MORPHOLOGY.model_copy(update={"units": {"synapse_area": "µm²"}})
    assert other != MORPHOLOGY
    assert hashed_fields(other) == hashed_fields(MORPHOLOGY)
    assert code_versions(other) == code_versions(MORPHOLOGY)


@pytest.mark.parametrize("dataset", [EM, MORPHOLOGY], ids=["em", "morphology"])
def test_what_is_published_is_in_no_fingerprint(dataset: EmDataset | MorphologyDataset) -> None:
    other = dataset.model_copy(update={"publish": Publication(text="A paper.", leave_out=["neuron_id"])})
    assert other != dataset
    assert hashed_fields(other) == hashed_fields(dataset)
    assert code_versions(other) == code_versions(dataset)


@pytest.mark.parametrize("later", LATER)
@pytest.mark.parametrize("name", EXAMPLES)
def test_a_later_field_counts_only_when_it_is_set(name: str, later: str) -> None:
    kind, default, other = LATER[later]
    before, model = hashed_fields(EXAMPLES[name]), grown(EXAMPLES[name], kind, default)
    assert json.dumps(hashed_fields(model)) == json.dumps(before)
    with_later(model, other)
    after = hashed_fields(model)
    assert after.pop("later") == json.loads(json.dumps(other, default=hashed_fields))
    assert after == before
    assert hashed_fields(model, exclude={"later"}) == before
    assert hashed_fields(model, include={"later"}).keys() == {"later"}


@pytest.mark.parametrize("dataset", [EM, MORPHOLOGY], ids=["em", "morphology"])
def test_a_later_field_counts_wherever_a_model_stands(dataset: EmDataset | MorphologyDataset) -> None:
    before, bigger = hashed_fields(dataset), grown(dataset)
    assert hashed_fields(bigger) == before
    for model in models_in(bigger):
        with_later(model, 4)
        assert hashed_fields(bigger) != before, type(model)
        with_later(model, 3)
    assert hashed_fields(bigger) == before


def test_of_a_class_that_comes_later_no_default_counts() -> None:
    class Later(Frozen):
        number: int = 3
        inner: Resampling | None = None

    assert hashed_fields(Later()) == {}
    assert hashed_fields(Later(number=4, inner=Resampling())) == {
        "number": 4,
        "inner": {"runs": 36, "share": 0.8, "nulls": 19},
    }


def test_later_fields_put_no_asset_out_of_date() -> None:
    em, study = grown(EM), grown(MORPHOLOGY)
    before = [code_versions(dataset) for dataset in (EM, MORPHOLOGY)]
    assert [code_versions(dataset) for dataset in (em, study)] == before
    decides = [
        (em.tile, {"tile_plan", "tiles"}),
        (em.volumes["em"], {"alignment", "tile_plan", "tiles"}),
        (em.sources[0].columns, {"synapse_table", "alignment"}),
        (em.sources[1], {"synapse_table", "alignment"}),
        (em.neurons[0].columns, {"neurons"}),
        (study.workbooks[0].columns, {"synapses"}),
        (study.groups["as"].published, {"cluster_classifier"}),
        (study.features, {"feature_model", "cluster_classifier"}),
        (study.resampling, {"projection"}),
    ]
    for model, assets in decides:
        with_later(model, 4)
        out_of_date = {
            name
            for old, dataset in zip(before, (em, study), strict=True)
            for name, version in code_versions(dataset).items()
            if version != old[name]
        }
        assert out_of_date == assets, type(model)
        with_later(model, 3)


def test_what_is_fitted_is_named_by_hashed_fields_alone() -> None:
    """Parameters of fitted models and settings of assets are made in these rooms; `model_dump` would hash later fields too."""
    rooms = [Path(synapse_assets.__file__).parent / room for room in ("defs", "pipeline", "vision")]
    assert not [path.name for room in rooms for path in room.rglob("*.py") if "model_dump" in path.read_text()]


def test_later_fields_cut_no_tile_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from synapse_assets.volumes.cropping import crop_hashes

    monkeypatch.chdir(tmp_path)
    Path("em").mkdir()
    for number in range(4):
        tifffile.imwrite(f"em/{number}.tif", np.zeros((40, 40), np.uint8))
    places = pa.table({"synapse_id": ["a"], "volume": ["em"], "x_nm": [30.0], "y_nm": [42.0], "z_nm": [145.0]})
    before, bigger = crop_hashes(EM, places), grown(EM)
    assert crop_hashes(bigger, places).equals(before)
    staging = content_key(before)
    for model in (bigger.tile, bigger.volumes["em"]):
        with_later(model, 4)
        assert content_key(crop_hashes(bigger, places)) != staging
        with_later(model, 3)
    assert content_key(crop_hashes(bigger, places)) == staging


def test_an_encoder_of_before_a_field_fits_tiles_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from synapse_assets.pipeline.em.promotions import _why_unfit
    from synapse_assets.vision import building

    store, bigger = DatasetStore(str(tmp_path), "tiny"), grown(EM)
    parameters = building.encoder_parameters(EM.encoder, EM.tile, 4.0, 7)
    made = Provenance("encoder", "v1", {}, {**parameters, "tile": {"size_px": 24, "sections": 3}}, 7)
    store.models("encoder").save("v1", lambda folder: None, made)
    assert not _why_unfit(store, bigger, "encoder", "v1")
    with_later(bigger.tile, 4)
    assert "of another size or depth" in _why_unfit(store, bigger, "encoder", "v1")
    settings = dataclasses.make_dataclass(
        "PretrainingSettings", [("later", float, 0.5)], bases=(building.PretrainingSettings,), frozen=True
    )
    monkeypatch.setattr(building, "PretrainingSettings", settings)
    assert building.encoder_parameters(bigger.encoder, bigger.tile, 8.0, 7) == parameters
    assert parameters["training"] == {
        "architecture": "em_resnet18", "crop_px": 24, "batch_size": 128, "max_steps": 7, "max_seconds": None,
        "learning_rate": 0.001, "temperature": 0.2, "views": 8, "seed": 7,
    }  # fmt: skip
    assert hashed_fields(settings(later=0.25)).keys() - hashed_fields(settings()).keys() == {"later"}


def test_what_was_examined_before_a_field_need_not_be_again(tmp_path: Path) -> None:
    from synapse_assets.pipeline.em.alignment import _examination_key

    store, bigger = DatasetStore(str(tmp_path), "tiny"), grown(EM)
    with store.synapse_table.replace() as writer:
        writer.write(source_rows("A", names("a", 3), source="points"))
    before = _examination_key(store, EM, EM.sources[0])
    assert _examination_key(store, bigger, bigger.sources[0]) == before
    with_later(bigger.sources[0].columns, 4)
    assert _examination_key(store, bigger, bigger.sources[0]) != before
