"""The class of each picture of a plate, by every classifier in use: the mean over its windows, and the answer that its thresholds allow."""

from collections.abc import Mapping
from logging import Logger
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synapse_assets.datasets import TEXTURE_PROBE, StainingDataset
from synapse_assets.pipeline.report import Check, Json, Report, Stopwatch, progress_logger
from synapse_assets.pipeline.staining.labelled import fold_of_picture
from synapse_assets.pipeline.staining.networks import MODEL, stored_classifiers
from synapse_assets.pipeline.staining.pictures import Pictures
from synapse_assets.pipeline.staining.probe import Windows, means_by_image, probabilities_of, probe_folder
from synapse_assets.pipeline.staining.tested import StainTest
from synapse_assets.pipeline.staining.window_maps import FACTS, FoldNetworks
from synapse_assets.schema.staining import IMAGE_PREDICTIONS, WINDOW_MAPS
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.models import model_in_use, require_same
from synapse_assets.stores.rows import content_key

Float64 = npt.NDArray[np.float64]
# Probabilities (K,) by picture.
Answers = dict[str, Float64]


def predict_plate(store: DatasetStore, dataset: StainingDataset, plate: str, device: str, log: Logger) -> Report:
    """Names the class of the usable pictures of a plate with every classifier in use, each asked of a picture whose group it never saw.

    What dense maps are stored of is taken from these; other networks are asked anew, and a killed run goes on where it was. Raises
    BadInput if no classifiers or no encoder are fitted, or they were fitted on vectors of another encoder.
    """
    watch = Stopwatch()
    models = store.models(MODEL)
    version = model_in_use(models, f"materialise the asset '{MODEL}' first")
    require_same(
        models, version, "encoder", model_in_use(store.models("encoder"), "materialise the asset 'encoder' first")
    )
    keys, results = stored_classifiers(store, version), store.results(IMAGE_PREDICTIONS)
    usable = Pictures.of(store, dataset, plate)
    pictures = usable.rows.select(list(FACTS))
    windows = Windows.of(store, pictures.column("image_id").to_pylist(), plate)
    tables = [IMAGE_PREDICTIONS.empty()]
    for name in keys:
        test = StainTest.load(models.path(version) / name, name, version)
        if name == TEXTURE_PROBE:
            answers = _of_probe(test, pictures, windows, models.path(version) / name)
        else:
            networks = FoldNetworks.of(store, version, name)
            answers = _of_network(store, networks, keys[name], usable, plate, device, log)
        tables.append(_rows(pictures, test, answers, name, version))
    table = pa.concat_tables(tables).sort_by([("image_id", "ascending"), ("classifier", "ascending")])
    results.write_partition(plate, table)
    return Report(
        details={"version": version, "predicted_classes": Json({name: _named(table, name) for name in keys})},
        seconds=watch.seconds,
        rows=table.num_rows,
        content_version=f"{version}-{content_key(pictures, content_key(windows.table))}",
        checks=[_add_up(results.read(plate)), _one_each(table.num_rows, pictures.num_rows * len(keys))],
    )


def _of_probe(test: StainTest, pictures: pa.Table, windows: Windows, folder: Path) -> Answers:
    """By the texture probe: of pictures that have windows with vectors."""
    from synapse_assets.analysis.evaluation.linear_probe import LinearProbe

    rows = pictures.to_pylist()
    folds = np.array([fold_of_picture(row, test.headline, test.fold_of_group) for row in rows], dtype=np.int64)
    answers: Answers = {}
    for fold in np.unique(folds[windows.image]).tolist():
        chosen = folds[windows.image] == fold
        probe = LinearProbe.load(probe_folder(folder, fold))
        of_windows = probabilities_of(probe, windows.vectors[chosen], test.classes)
        images, means = means_by_image(windows.image[chosen], of_windows)
        answers |= {rows[row]["image_id"]: mean for row, mean in zip(images.tolist(), means, strict=True)}
    return answers


def _of_network(
    store: DatasetStore,
    networks: FoldNetworks,
    key: str,
    usable: Pictures,
    plate: str,
    device: str,
    log: Logger,
) -> Answers:
    """By a network: the mean of the dense map, which is stored or else made now."""
    from synapse_assets.vision.staining import picture_probabilities

    pictures = usable.rows.select(list(FACTS))
    answers = _of_stored_maps(store, networks.name, key, pictures, plate)
    todo = [row for row in pictures.to_pylist() if row["image_id"] not in answers]
    staging = store.staging("image_predictions", f"{plate} {networks.name}", content_key(pictures, key))
    staged = staging.done_ids()
    progress = progress_logger(log.info, f"{plate}: {networks.name}", len(todo))
    for done, picture in enumerate((row for row in todo if row["image_id"] not in staged), start=1):
        mean = picture_probabilities(networks.dense(picture, usable.pixels(picture["image_id"]), device))
        staging.append(pa.table({"synapse_id": [picture["image_id"]], "mean": pa.array([mean.tolist()])}))
        progress(done)
    stored = staging.reader()
    if stored is not None:
        answers |= {row["synapse_id"]: np.array(row["mean"]) for row in stored.read_all().to_pylist()}
    staging.clear()
    return answers


def _of_stored_maps(store: DatasetStore, name: str, key: str, pictures: pa.Table, plate: str) -> Answers:
    """The means of the maps of a plate that are of that network and of the pictures as they are now."""
    results = store.results(WINDOW_MAPS)
    made_from = results.made_from(plate) or {}
    if made_from.get("network") != key:
        return {}
    hash_of = dict(zip(*(pictures.column(column).to_pylist() for column in ("image_id", "image_hash")), strict=True))
    rows = results.read(plate, ["image_id", "image_hash", "classifier", "classes", "probabilities"])
    # A map has tens of thousands of numbers: they stay arrays.
    values = rows.column("probabilities")
    facts = rows.drop_columns(["probabilities"]).to_pylist()
    return {
        row["image_id"]: np.asarray(of_map.values, np.float64).reshape(len(row["classes"]), -1).mean(axis=1)
        for row, of_map in zip(facts, values, strict=True)
        if hash_of.get(row["image_id"]) == row["image_hash"] and row["classifier"] == name
    }


def _rows(pictures: pa.Table, test: StainTest, answers: Mapping[str, Float64], name: str, version: str) -> pa.Table:
    """`schema.staining.IMAGE_PREDICTIONS` of the pictures that have an answer, by one classifier."""
    known = [row for row in pictures.to_pylist() if row["image_id"] in answers]
    matrix = np.array([answers[row["image_id"]] for row in known]).reshape(-1, len(test.classes))
    rows = [
        {
            **{fact: row[fact] for fact in ("image_id", "plate", "well", "label")},
            "classifier": name,
            "version": version,
            "predicted": test.classes[int(probabilities.argmax())],
            "answer": answer,
            "probability": float(probabilities.max()),
            "probabilities": list(zip(test.classes, probabilities.tolist(), strict=True)),
            "out_of_fold": True,
        }
        for row, probabilities, answer in zip(known, matrix, test.answers(matrix), strict=True)
    ]
    return IMAGE_PREDICTIONS.conform(pa.Table.from_pylist(rows, schema=IMAGE_PREDICTIONS.arrow))


def _named(table: pa.Table, classifier: str) -> dict[str, int]:
    answers = [row["answer"] for row in table.to_pylist() if row["classifier"] == classifier]
    return {answer: answers.count(answer) for answer in sorted(set(answers))}


def _add_up(table: pa.Table) -> Check:
    rows = table.column("probabilities").to_pylist()
    wrong = sum(abs(sum(value for _, value in pairs) - 1) > 1e-6 for pairs in rows)
    return Check(
        "probabilities_add_up", wrong == 0, f"{wrong:,} of {len(rows):,} rows do not", numbers={"wrong": wrong}
    )


def _one_each(rows: int, expected: int) -> Check:
    return Check(
        "one_row_per_picture_and_classifier",
        rows == expected,
        f"{rows:,} rows, and {expected:,} pictures times classifiers",
        warn=True,
        numbers={"rows": rows, "expected": expected},
    )
