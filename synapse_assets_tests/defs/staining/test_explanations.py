"""Maps of where the network sees its class: of the planted plates, as they are stored and as they are shown."""

import io
import logging
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import tifffile
from PIL import Image

from synapse_assets.analysis.dense_maps import at_pixels
from synapse_assets.datasets import STAINING
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.staining.explanations import (
    _file_name,
    brightness_of,
    check_explanations,
    chosen_pictures,
    chosen_windows,
    explain_plate,
)
from synapse_assets.pipeline.staining.networks import MODEL
from synapse_assets.pipeline.staining.pictures import Pictures
from synapse_assets.schema import EXPLANATION_CHECKS
from synapse_assets.schema.staining import IMAGE_PREDICTIONS, IMAGE_SPLITS, IMAGES, STAIN_EXPLANATIONS, WINDOW_MAPS
from synapse_assets.stores.files import Files
from synapse_assets.stores.layers import write_layers
from synapse_assets_tests.defs.staining.planted import PLATES, SIDE_PX, WINDOW_PX, StainLab, staining_dataset


def opened(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)))


def test_every_plate_has_its_chosen_pictures_with_the_verdict(stain_lab: StainLab) -> None:
    checks = stain_lab.store.results(EXPLANATION_CHECKS).read().to_pandas()
    assert set(checks["method"]) == {"grad_cam"}
    assert set(checks["version"]) == {stain_lab.store.models(MODEL).current}
    [verdict] = set(checks["verdict"])
    for plate in PLATES:
        rows = stain_lab.store.results(STAIN_EXPLANATIONS).read(plate).to_pandas()
        assert len(rows) == stain_lab.dataset.explained_images
        assert rows["image_id"].is_unique
        assert set(rows["verdict"]) == {verdict}
        assert rows["sentence"].str.contains("95 % interval over wells").all()


def test_pictures_layers_and_brightness_are_of_one_map(stain_lab: StainLab) -> None:
    plate, store = PLATES[1], stain_lab.store
    usable = Pictures.of(store, stain_lab.dataset, plate)
    maps = {row["image_id"]: row for row in store.results(WINDOW_MAPS).read(plate).to_pylist()}
    for row in store.results(STAIN_EXPLANATIONS).read(plate).to_pylist():
        grey, brightness, coloured = (opened(row[name]) for name in ("picture", "saliency", "coloured"))
        np.testing.assert_array_equal(grey, usable.pixels(row["image_id"])[0])
        assert coloured.shape == (SIDE_PX, SIDE_PX, 3)
        with tifffile.TiffFile(Path(store.data_root) / row["layer"]) as file:
            attribution, *probabilities = file.asarray()
            assert 'Name="attribution"' in str(file.ome_metadata)
            assert 'PhysicalSizeX="0.3"' in str(file.ome_metadata)
        # Brightness is the part that speaks for the class, in proportion up to the value at which it is full.
        inside = (brightness > 0) & (brightness < 65_535)
        ratio = attribution[inside] / brightness[inside]
        np.testing.assert_allclose(ratio, np.median(ratio), rtol=0.05)
        assert (attribution[brightness == 0] <= np.median(ratio)).all()
        dense = maps[row["image_id"]]
        values = np.array(dense["probabilities"], np.float32).reshape(2, dense["rows"], dense["columns"])
        expected = at_pixels(values, dense["first_px"], dense["stride_px"], (SIDE_PX, SIDE_PX))
        np.testing.assert_allclose(probabilities, expected, atol=1e-6)
        assert row["class_name"] == dense["classes"][int(values.mean((1, 2)).argmax())]


def test_what_speaks_against_the_class_is_dark() -> None:
    attribution = np.array([[-2.0, -0.1, 0.0, 0.25, 1.0, 3.0]], np.float32)
    assert brightness_of(attribution, 1.0).tolist() == [[0, 0, 0, 16_384, 65_535, 65_535]]
    assert not brightness_of(-np.ones((2, 2), np.float32), 0.0).any()


def test_fewer_explained_leave_no_layers_behind(stain_lab: StainLab) -> None:
    store, plate = stain_lab.store, PLATES[2]
    folder = Path(store.data_root) / store.dataset / "layers" / "explanations" / plate
    before = store.results(STAIN_EXPLANATIONS).read(plate)
    assert len(list(folder.iterdir())) == before.num_rows == 4
    stain_lab.use(networks=stain_lab.dataset.networks, answers_from="small", explained_images=1)
    stain_lab.materialize("explanations", region=plate)
    assert len(list(folder.iterdir())) == 1
    stain_lab.use(networks=stain_lab.dataset.networks, answers_from="small")
    stain_lab.materialize("explanations", region=plate)
    assert store.results(STAIN_EXPLANATIONS).read(plate).equals(before)


def test_maps_of_another_version_are_refused(stain_lab: StainLab) -> None:
    store, plate = stain_lab.store, PLATES[0]
    results = store.results(WINDOW_MAPS)
    stored, made_from = results.read(plate), results.made_from(plate)
    at = stored.schema.get_field_index("version")
    foreign = stored.set_column(at, stored.schema.field(at), pa.array(["other"] * stored.num_rows))
    results.write_partition(plate, foreign, made_from)
    try:
        with pytest.raises(BadInput, match=f"window_maps of plate {plate} was made with stain_network other"):
            explain_plate(store, stain_lab.dataset, plate, "cpu", logging.getLogger())
    finally:
        results.write_partition(plate, stored, made_from)


def test_maps_of_another_picture_are_refused(stain_lab: StainLab) -> None:
    store, plate = stain_lab.store, PLATES[0]
    results = store.results(WINDOW_MAPS)
    stored, made_from = results.read(plate), results.made_from(plate)
    at = stored.schema.get_field_index("image_hash")
    before = stored.set_column(at, stored.schema.field(at), pa.array(["before"] * stored.num_rows))
    results.write_partition(plate, before, made_from)
    try:
        with pytest.raises(BadInput, match=r"no longer the one that was mapped: materialise window_maps"):
            explain_plate(store, stain_lab.dataset, plate, "cpu", logging.getLogger())
    finally:
        results.write_partition(plate, stored, made_from)


def test_what_a_compound_undoes_is_no_error(stain_lab: StainLab) -> None:
    rows = stain_lab.store.results(IMAGE_PREDICTIONS).read().to_pandas()
    undone = rows[(rows["classifier"] == "small") & (rows["label"] != rows["predicted"])]["image_id"]
    assert undone.str.contains("_C01_").any(), "the rescuer's wells look untreated"
    shown = stain_lab.store.results(STAIN_EXPLANATIONS).read().to_pandas()
    assert not shown[shown["chosen_as"] == "error"]["image_id"].str.contains("_C0").any()


def test_without_pictures_that_were_held_out_nothing_is_judged(stain_lab: StainLab) -> None:
    store = stain_lab.store
    images, checks = store.results(IMAGES), store.results(EXPLANATION_CHECKS)
    splits = store.results(IMAGE_SPLITS).read().to_pandas()
    [plate] = splits[(splits["split"] == "plate") & (splits["fold"] == 0)]["plate"].unique()
    stored, judged = images.read(plate), checks.read()
    images.write_partition(plate, images.table.empty())
    try:
        report = check_explanations(store, stain_lab.dataset, "cpu", logging.getLogger())
        assert (report.rows, report.details["remarks"]) == (
            0,
            "small: no labelled picture is left that both networks never saw",
        )
    finally:
        images.write_partition(plate, stored)
        checks.write(judged)


def test_any_picture_has_a_name_for_its_layers(tmp_path: Path) -> None:
    ids = [f"神経細胞/{'培養 ' * 20}/{n}.tif" for n in range(2)]
    names = [_file_name(image_id) for image_id in [*ids, "a/b.tif"]]
    assert len(set(names)) == 3
    assert names[2] == "a%2Fb.tif"
    for name in names:
        write_layers(Files(str(tmp_path)), f"{name}.ome.tif", {"attribution": np.zeros((4, 4), np.float32)}, 300.0)


def predictions(*rows: tuple[str, str | None, str, float]) -> pa.Table:
    made = [
        {
            "image_id": image_id,
            "plate": "P",
            "label": label,
            "classifier": "small",
            "version": "v",
            "predicted": predicted,
            "answer": predicted if probability > 0.7 else "uncertain",
            "probability": probability,
            "probabilities": {"control": 0.0, "treated": 0.0},
            "out_of_fold": True,
        }
        for image_id, label, predicted, probability in rows
    ]
    return pa.Table.from_pylist(made, schema=IMAGE_PREDICTIONS.arrow)


def test_chosen_are_typical_ones_of_each_class_errors_and_uncertain_ones() -> None:
    rows = predictions(
        ("a", "control", "control", 0.99),
        ("b", "control", "control", 0.98),
        ("c", "treated", "treated", 0.8),
        ("d", "control", "treated", 0.9),
        ("e", None, "treated", 0.55),
    )
    assert chosen_pictures(rows, 5) == {"a": "typical", "d": "error", "e": "uncertain", "c": "typical", "b": "typical"}
    assert chosen_pictures(rows, 2) == {"a": "typical", "d": "error"}
    assert chosen_pictures(rows.slice(0, 0), 3) == {}


def test_windows_are_of_all_classes_and_of_as_many_pictures_as_there_are(stain_lab: StainLab) -> None:
    usable = Pictures.of(stain_lab.store, stain_lab.dataset)
    rows = usable.rows.to_pylist()
    labelled = [(row["image_id"], row["label"]) for row in rows if row["compound"] is None]
    chosen = chosen_windows(labelled, usable, WINDOW_PX, 0, count=10)
    label_of = dict(labelled)
    per_class = {
        name: sum(len(corners) for image_id, corners in chosen if label_of[image_id] == name)
        for name in ("control", "treated")
    }
    assert per_class == {"control": 5, "treated": 5}
    # Ten windows of twelve pictures: none has two.
    assert {len(corners) for _, corners in chosen} == {1}
    assert chosen_windows(labelled[::-1], usable, WINDOW_PX, 0, count=10)[0][0] == chosen[0][0]


def test_a_dataset_without_networks_has_no_explanations(stain_lab: StainLab) -> None:
    bare = staining_dataset(stain_lab.root)
    names = {facts.name for facts in STAINING.assets_of(bare)}
    assert not {"explanations", "explanation_checks", "window_maps"} & names
