"""One encoder, several machines: its vectors are made in the precision of its first use, and where they are not, that is said."""

import logging
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from synapse_assets.errors import BadInput
from synapse_assets.pipeline.em.embeddings import embed_region
from synapse_assets.schema import TILES
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.models import Provenance
from synapse_assets.stores.rows import vector_matrix, vectors_in_use
from synapse_assets.vision import devices
from synapse_assets.vision.encoder import Encoder, encoder_from_checkpoint
from synapse_assets.vision.first_use import FirstUse
from synapse_assets.volumes import encode_tile
from synapse_assets_tests.stores.object_store import ObjectStore, object_store  # noqa: F401 -- a fixture
from synapse_assets_tests.vision.conftest import planted_tiles

REGIONS = ("EB", "FB", "LH")
EACH = 3
UNRECORDED = "earlier vectors of this encoder were made in a precision that was not recorded"
LOG = logging.getLogger(__name__)


def filled(store: DatasetStore, inputs: Path) -> DatasetStore:
    """The store with an encoder in use and the pictures of three regions."""
    encoder = encoder_from_checkpoint("test_resnet", inputs / "weights.safetensors", 3, 48)
    provenance = Provenance("encoder", "v1", {}, {}, 0, {"dimensions": float(encoder.dimensions)})
    store.models("encoder").save("v1", encoder.save, provenance)
    store.models("encoder").promote("v1")
    for region in REGIONS:
        rows = {
            "synapse_id": [f"{region}{number}" for number in range(EACH)],
            "brain_region": [region] * EACH,
            "tile_hash": [f"{region}{number}" for number in range(EACH)],
            "crop_hash": ["crop"] * EACH,
            "image": [encode_tile(tile) for tile in pictures(region)],
            "valid_fraction": [1.0] * EACH,
            "section_contrast": [[20.0]] * EACH,
        }
        store.tiles.replace_region(region, pa.table(rows, schema=TILES.arrow), [])
    return store


@pytest.fixture
def store(tmp_path: Path, tiny_inputs: Path) -> DatasetStore:
    return filled(DatasetStore(str(tmp_path), "tiny"), tiny_inputs)


def pictures(region: str) -> npt.NDArray[np.uint8]:
    return planted_tiles(EACH, seed=REGIONS.index(region))[0]


class Machine:
    """This one, as if its processor had bfloat16 by itself or had not."""

    def __init__(self, patch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture) -> None:
        self._patch, self._log = patch, log

    def embeds(self, store: DatasetStore, region: str, bf16: bool) -> tuple[str, str]:
        """The precision in the report, and what was warned of."""
        self._patch.setattr(devices, "has_native_bf16", lambda device: bf16)
        self._log.clear()
        report = embed_region(store, region, "cpu", LOG)
        assert all(check.passed for check in report.checks)
        warnings = [record.getMessage() for record in self._log.records if record.levelno == logging.WARNING]
        return str(report.details["precision"]), "".join(warnings)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Machine:
    return Machine(monkeypatch, caplog)


def made_in(store: DatasetStore, region: str) -> str:
    """The precision that the stored vectors of a region are in, told by the vectors."""
    rows = vectors_in_use(store).read(region, ["synapse_id", "vector"]).sort_by("synapse_id")
    encoder = Encoder.load(store.models("encoder").path("v1"))
    [found] = [
        precision
        for precision in ("float32", "bfloat16")
        if np.array_equal(
            vector_matrix(rows), encoder.embed(pictures(region), "cpu", precision).astype(np.float16).astype(np.float32)
        )
    ]
    return found


def recorded(store: DatasetStore) -> FirstUse | None:
    return Encoder.load(store.models("encoder").path("v1")).first_use


def test_what_the_first_use_had_is_wanted_of_the_others(store: DatasetStore, machine: Machine) -> None:
    assert recorded(store) is None
    assert machine.embeds(store, "EB", bf16=True) == ("bfloat16 on cpu", "")
    assert recorded(store) == FirstUse("bfloat16", "cpu")
    detail, warning = machine.embeds(store, "FB", bf16=False)
    why = "its first vectors were made in bfloat16 on cpu, which is not to be had here"
    assert detail == f"float32 on cpu; {why}"
    assert warning == f"FB: vectors are computed in float32 on cpu; {why}, so they may differ by rounding"
    assert machine.embeds(store, "LH", bf16=True) == ("bfloat16 on cpu", "")
    assert machine.embeds(store, "FB", bf16=False) == ("nothing computed", "")
    assert [made_in(store, region) for region in REGIONS] == ["bfloat16", "float32", "bfloat16"]
    assert recorded(store) == FirstUse("bfloat16", "cpu")


def test_a_first_use_in_float32_holds_where_bfloat16_would_be_faster(store: DatasetStore, machine: Machine) -> None:
    for region, bf16 in (("EB", False), ("FB", True)):
        assert machine.embeds(store, region, bf16) == ("float32 on cpu", "")
        assert made_in(store, region) == "float32"
    # Queries by picture, which load the encoder and say nothing of precision.
    encoder = Encoder.load(store.models("encoder").path("v1"))
    np.testing.assert_array_equal(encoder.embed(pictures("LH"), "cpu"), encoder.embed(pictures("LH"), "cpu", "float32"))


def test_an_encoder_applied_before_there_were_records_is_applied_and_stays_without(
    store: DatasetStore, machine: Machine
) -> None:
    machine.embeds(store, "EB", bf16=False)
    store.models("encoder").folder.child("v1").remove("first_use")
    for region in ("FB", "LH"):
        detail, warning = machine.embeds(store, region, bf16=True)
        assert detail == f"bfloat16 on cpu; {UNRECORDED}"
        assert UNRECORDED in warning
        assert made_in(store, region) == "bfloat16"
        assert recorded(store) is None


def test_a_region_without_pictures_is_no_first_use(store: DatasetStore, machine: Machine) -> None:
    assert machine.embeds(store, "nowhere", bf16=True) == ("nothing computed", "")
    assert recorded(store) is None


def test_on_object_storage_another_machine_follows(
    object_store: ObjectStore,  # noqa: F811
    tmp_path: Path,
    tiny_inputs: Path,
    machine: Machine,
) -> None:
    """The machine that fitted holds a copy of the encoder from before the record."""
    store = filled(object_store.store(tmp_path), tiny_inputs)
    assert machine.embeds(store, "EB", bf16=False) == ("float32 on cpu", "")
    assert machine.embeds(store, "FB", bf16=True) == ("float32 on cpu", "")
    other = DatasetStore(store.data_root, store.dataset, str(tmp_path / "other"))
    assert machine.embeds(other, "LH", bf16=True) == ("float32 on cpu", "")
    assert made_in(other, "LH") == "float32"
    assert recorded(other) == FirstUse("float32", "cpu")


@pytest.mark.parametrize("content", ["{", "[]", '{"precision": "float32"}'])
def test_a_damaged_record_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "precision.json").write_text(content)
    with pytest.raises(BadInput, match=r"precision\.json is damaged"):
        FirstUse.found(tmp_path)
