"""Makes an archive: `python -m synapse_assets_tests.archive.make NAME` writes NAME.tar.xz beside this file.

`installation.tar.xz` was made by the code as it was before the bodies of the assets left the Dagster definitions. It is a record of
what that code stored, and worth only what it proves of later code: that nothing is out of date, fitted again or unreadable. So it is
never made anew because a test of it fails. A wanted change of what is stored, or of when something is out of date, is told in
the test; an archive made by later code goes beside this one under another name, and an old one goes only when installations of its
time are no longer to be read.

What is in it: the planted tables and volume of the tests as the dataset `tiny`, and the planted workbook as `planted`, both made to
the end, released, and frozen as the release `paper`. Afterwards the classes of `tiny` changed: its `synapse_classifier` was
fitted again, is worse, and waits as a candidate. One region was added whose tiles were being cut when the run was killed.
"""

import json
import multiprocessing
import os
import shutil
import signal
import sqlite3
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
import yaml
from PIL import Image

from synapse_assets.defs import asset as declaring
from synapse_assets.defs.chain import lineage_of
from synapse_assets.pipeline.inputs import content_of, watched_inputs
from synapse_assets_tests.archive.archived import DATA_ROOT, FOLDER, PLANTED, RECORD, TINY, Archived, installation, pack
from synapse_assets_tests.conftest import REGIONS, planted_points, planted_volume, tiny_dataset
from synapse_assets_tests.defs.morphology.conftest import INGESTED, OF_GROUP
from synapse_assets_tests.defs.morphology.planted import planted_dataset, planted_workbook

RELEASE = "paper"
GROUP = "as"
HALF_DONE = REGIONS[-1]
COMPLETE = REGIONS[:-1]
# Tiles cut at a time, and how many times before the run is killed.
BATCH, BATCHES = 4, 3
# Rows of a neuron in the workbook; three shapes are found in so few.
PER_NEURON = 24
# Grey values and weights are kept coarse, so that the archive stays small.
GREY_STEP, WEIGHT_STEP = 64, 1 / 4


def main(name: str = "installation") -> None:
    """Makes everything in a folder that is removed in the end."""
    archive = FOLDER / f"{name}.tar.xz"
    if archive.exists():
        sys.exit(f"{archive} is there already, and a record: give the new one another name")
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        # The UI's pictures are most of the run history, and say nothing.
        declaring.base64 = SimpleNamespace(b64encode=lambda png: b"")  # type: ignore[attr-defined]
        write_inputs()
        with installation(Path(folder)) as made:
            make_morphology(made)
            make_images(made)
            record = {
                "half_done": kill_a_run(made, Path(folder)),
                "out_of_date": made.out_of_date(),
                "models": {dataset: models_of(made, dataset) for dataset in made.datasets},
            }
            Path(RECORD).write_text(json.dumps(record, indent=1) + "\n")
        make_small(Path(folder) / DATA_ROOT)
        pack(Path(folder), archive)
        os.chdir(FOLDER)
    print(f"{archive}: {archive.stat().st_size:,} bytes\n{json.dumps(record, indent=1)}")


def write_inputs() -> None:
    """The files that both datasets are read from, and their dataset files."""
    import timm
    import torch
    from safetensors.torch import save_file

    points = planted_points()
    Path("em").mkdir()
    for index, section in enumerate(planted_volume(points)):
        coarse = section // GREY_STEP * GREY_STEP
        Image.fromarray(coarse).save(f"em/{index:03d}.png", compress_level=0)
    points.to_csv("points.csv", index=False)
    neurons = points.drop_duplicates("neuron").assign(kind=lambda rows: "kind " + (rows["neuron"] % 3).astype(str))
    neurons[["neuron", "kind"]].to_csv("neurons.csv", index=False)
    torch.manual_seed(0)
    network = timm.create_model("test_resnet", in_chans=3, num_classes=0)
    weights = {
        name: (value / WEIGHT_STEP).round().mul(WEIGHT_STEP).contiguous() if value.is_floating_point() else value
        for name, value in network.state_dict().items()
    }
    save_file(weights, "weights.safetensors")
    table = {"name": "cells", "format": "neurons", "path": "neurons.csv"}
    tiny = tiny_dataset(
        Path(), Path("points.csv"), neurons=[{**table, "columns": {"neuron_id": "neuron", "cell_type": "kind"}}]
    )
    write_dataset(tiny.model_dump(mode="json", exclude_none=True))

    for new, file in ((False, "study.xlsx"), (True, "new.xlsx")):
        rows = (
            planted_workbook(new=new).drop(columns="planted").query(f"SynType == {GROUP!r} and SynId <= {PER_NEURON}")
        )
        rows.to_excel(file, index=False)
    few = {"runs": 4, "share": 0.9, "nulls": 1}
    planted = planted_dataset(
        Path("study.xlsx"), Path("new.xlsx"), groups={GROUP: {"synapse_type": "as"}}, resampling=few
    )
    write_dataset(planted.model_dump(mode="json", exclude_none=True))


def write_dataset(content: dict[str, Any]) -> None:
    """The file of a dataset, by its name."""
    Path(f"{content['name']}.yaml").write_text(yaml.safe_dump(content, sort_keys=False))


def make_morphology(made: Archived) -> None:
    """The whole chain of the workbooks, released and frozen."""
    observe(made, PLANTED)
    made.materialize(PLANTED, "input_files", *INGESTED)
    made.materialize(PLANTED, *OF_GROUP, part=GROUP)
    made.materialize(PLANTED, "warehouse")
    made.run_job(f"{PLANTED}_release", **{f"{PLANTED}_freeze_release": {"name": RELEASE}})


def make_images(made: Archived) -> None:
    """The whole chain of the images for all regions but the last, released and frozen; then a refit on other classes."""
    observe(made, TINY)
    made.materialize(TINY, "synapse_table", "alignment", "neurons")
    for region in REGIONS:
        tiles = ["tiles"] if region in COMPLETE else []
        made.materialize(TINY, "synapses", "synapse_labels", "tile_plan", *tiles, part=region)
    made.materialize(TINY, "encoder", "splits")
    for region in COMPLETE:
        made.materialize(TINY, "embeddings", part=region)
    made.materialize(TINY, "umap_model", "cluster_model", "synapse_classifier")
    for region in COMPLETE:
        made.materialize(TINY, "umap_coordinates", "clusters", "synapse_predictions", part=region)
    publish(made)
    made.run_job(f"{TINY}_release", **{f"{TINY}_freeze_release": {"name": RELEASE}})

    points = planted_points()
    of_neuron = points.groupby("neuron")["nt"].first()
    dealt = pd.Series(np.random.default_rng(1).permutation(of_neuron.to_numpy()), of_neuron.index)
    points.assign(nt=points["neuron"].map(dealt)).to_csv("points.csv", index=False)
    observe(made, TINY)
    made.materialize(TINY, "input_files", "synapse_table", "alignment")
    for region in REGIONS:
        made.materialize(TINY, "synapses", "synapse_labels", "tile_plan", part=region)
    made.materialize(TINY, "splits", "synapse_classifier")
    publish(made)


def publish(made: Archived) -> None:
    """What is made of the whole dataset in the end."""
    made.materialize(TINY, "cluster_cards", "neuron_predictions", "drift", "promotions", "vector_index", "warehouse")


def observe(made: Archived, dataset: str) -> None:
    """What the arrivals sensor does once the files are still."""
    for one in watched_inputs(lineage_of(made.datasets[dataset]).inputs(made.datasets[dataset])):
        tags = {"dagster/data_version": content_of(one)[0]}
        made.instance.report_runless_asset_event(dg.AssetObservation(dg.AssetKey([dataset, one.asset]), tags=tags))


def models_of(made: Archived, dataset: str) -> dict[str, Any]:
    """Of each model the version in use, the candidate, and all versions that are stored."""
    stores = [made.store(dataset).models(name) for name in made.store(dataset).model_names()]
    return {models.name: [models.current, models.candidate, models.versions()] for models in stores}


def kill_a_run(made: Archived, folder: Path) -> dict[str, Any]:
    """Tiles of the last region, cut in small batches by a run that dies; gives what it leaves."""
    child = multiprocessing.get_context("spawn").Process(target=cut_until_killed, args=(folder,))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    [run] = made.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))
    # As the daemon does that finds its process gone.
    made.instance.report_run_failed(run, "its process was killed")
    made.instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
    return {
        "asset": "tiles",
        "region": HALF_DONE,
        "staged": BATCH * BATCHES,
        "synapses": made.store(TINY).synapses.count(HALF_DONE),
    }


def cut_until_killed(folder: Path) -> None:
    """In a process of its own."""
    from synapse_assets.stores.staging import Staging
    from synapse_assets.volumes import volume

    os.chdir(folder)
    volume._BATCH_TILES = BATCH
    append = Staging.append
    staged = 0

    def append_and_die(self: Staging, rows: Any) -> None:
        nonlocal staged
        append(self, rows)
        staged += 1
        if staged == BATCHES:
            os.kill(os.getpid(), signal.SIGKILL)

    Staging.append = append_and_die  # type: ignore[method-assign,assignment]
    with installation(folder) as made:
        made.materialize(TINY, "tiles", part=HALF_DONE)


def make_small(data: Path) -> None:
    """Leaves what is read again: no figures, no logs of processes, and databases without free pages."""
    shutil.rmtree(data / PLANTED / "figures")
    home = data / ".dagster"
    shutil.rmtree(home / "storage", ignore_errors=True)
    for file in sorted(home.rglob("*.db")):
        database = sqlite3.connect(file, isolation_level=None)
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.execute("VACUUM")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
