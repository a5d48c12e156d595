"""The unsupervised stream of two-stream query suggestion: a variational autoencoder of what lies around the synapses, and its vectors.

Layers and training are in `vision`; which synapses are asked about, in `suggestions`.
"""

from collections.abc import Iterator, Mapping, Sequence
from logging import Logger
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synapse_assets.datasets import EmDataset
from synapse_assets.datasets.fingerprints import hashed_fields
from synapse_assets.datasets.labelling import VaeChoice
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.em.encoder_vectors import tile_batches
from synapse_assets.pipeline.em.labelling.masks import masks_of
from synapse_assets.pipeline.em.networks import training_reporter
from synapse_assets.pipeline.fitting import Fitted, fit_once
from synapse_assets.pipeline.report import Detail, Picture, Report
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.models import model_in_use
from synapse_assets.stores.rows import content_key

if TYPE_CHECKING:
    from synapse_assets.vision.training.loop import Outcome
    from synapse_assets.vision.vae import TileVae

MODEL, TUNED = "tile_vae", "tile_vae_tuned"
"""The autoencoder that saw no label, and what fine-tuning made of it."""
NETWORK_FILE = "network.safetensors"
MOST_TILES = 20_000
"""It is trained on so many tiles at most."""

Float32 = npt.NDArray[np.float32]
_AT_A_TIME = 1_024  # masks
_OF_A_TILE = ["synapse_id", "brain_region", "tile_hash"]


def fit_tile_vae(store: DatasetStore, dataset: EmDataset, device: str, log: Logger) -> Report:
    """Trains the autoencoder of `labelling.vae` on a sample of the tiles of all regions; on the same content it does nothing.

    A run that was killed goes on where it was. Raises BadInput for a dataset without such a choice, and below two tiles.
    """
    choice = _choice(dataset)
    sample = _sample(store, dataset)
    if sample.num_rows < 2:
        raise BadInput(
            f"{dataset.name}: there are {sample.num_rows} tiles to train an autoencoder on; materialise tiles of at least one region"
        )
    base = choice.model_copy(update={"fine_tune_steps": 0})
    parameters = {"choice": hashed_fields(base), "tile": hashed_fields(dataset.tile_spec)}
    inputs = {"tiles": content_key(sample.select(["synapse_id", "tile_hash"]))}
    if choice.masks_from is not None:
        inputs["masks"] = masks_of(store, dataset, choice.masks_from).version

    def fit(folder: Path) -> Fitted:
        from synapse_assets.vision.training.vae import train_vae

        pictures = _pictures(store, dataset, sample.column("synapse_id").to_pylist())
        work = store.work_folder(MODEL, "all", inputs["tiles"])
        told = training_reporter("autoencoder", choice.steps, log, _unwatched)
        vae, outcome = train_vae(
            base, pictures, seed=dataset.seed, device=device, folder=work, progress=told, log=log.info
        )
        return _fitted(vae, outcome, folder, {"training_tiles": float(len(pictures))})

    report = fit_once(store, MODEL, log, inputs=inputs, parameters=parameters, seed=dataset.seed, fit=fit)
    store.clear_work(MODEL)
    return report


def vae_vectors(store: DatasetStore, dataset: EmDataset, ids: Sequence[str], device: str) -> Float32:
    """What the autoencoder in use makes of the tiles of `ids`, in their order: float32 (N, latent_dim).

    Raises BadInput where none is trained, or on tiles of another size.
    """
    models = store.models(MODEL)
    version = model_in_use(models, f"materialise {dataset.name}/{MODEL} first")
    return _encoded(store, models.path(version), dataset, ids, device)


def tuned_vae_vectors(
    store: DatasetStore, dataset: EmDataset, ids: Sequence[str], class_of: Mapping[str, str], device: str, log: Logger
) -> Float32:
    """As `vae_vectors`, of the autoencoder after it was tuned on the labelled tiles `class_of` (class by synapse_id).

    It is the untuned one where the dataset asks for no fine-tuning, or fewer than two classes are known. Tuned once for the same labels.
    """
    choice = _choice(dataset)
    known = {synapse_id: class_of[synapse_id] for synapse_id in sorted(class_of)}
    if not choice.fine_tune_steps or len(set(known.values())) < 2:
        return vae_vectors(store, dataset, ids, device)
    version = model_in_use(store.models(MODEL), f"materialise {dataset.name}/{MODEL} first")
    labels = store.tiles.read_ids(list(known), ["synapse_id", "tile_hash"])
    named = [known[synapse_id] for synapse_id in labels.column("synapse_id").to_pylist()]
    inputs = {MODEL: version, "labels": content_key(labels.append_column("target", pa.array(named, pa.string())))}

    def fit(folder: Path) -> Fitted:
        from synapse_assets.vision.training.vae import fine_tune_vae
        from synapse_assets.vision.vae import TileVae

        others = _sample(store, dataset).column("synapse_id").to_pylist()
        labelled = labels.column("synapse_id").to_pylist()
        codes = np.concatenate(
            [np.unique(named, return_inverse=True)[1], np.full(len(others), -1)], dtype=np.int64, casting="same_kind"
        )
        vae, outcome = fine_tune_vae(
            TileVae.load(store.models(MODEL).path(version) / NETWORK_FILE),
            choice,
            _pictures(store, dataset, [*labelled, *others]),
            codes,
            seed=dataset.seed,
            device=device,
            folder=store.work_folder(TUNED, "all", inputs["labels"]),
            progress=training_reporter("tuned autoencoder", choice.fine_tune_steps, log, _unwatched),
            log=log.info,
        )
        return _fitted(vae, outcome, folder, {"labelled_tiles": float(len(labelled))})

    parameters = {"choice": hashed_fields(choice)}
    fit_once(store, TUNED, log, inputs=inputs, parameters=parameters, seed=dataset.seed, fit=fit)
    store.clear_work(TUNED)
    models = store.models(TUNED)
    return _encoded(store, models.path(str(models.current)), dataset, ids, device)


def _choice(dataset: EmDataset) -> VaeChoice:
    if dataset.labelling is None or dataset.labelling.vae is None:
        raise BadInput(
            f"{dataset.name} has no autoencoder: add 'labelling: {{vae: {{}}}}' to its file, or leave out what needs one"
        )
    return dataset.labelling.vae


def _sample(store: DatasetStore, dataset: EmDataset) -> pa.Table:
    """Of the tiles of all regions (synapse_id, brain_region, tile_hash) at most `MOST_TILES`, every region represented, by their ids."""
    from synapse_assets.analysis.tables import stratified_rows

    return stratified_rows(store.tiles.read(None, _OF_A_TILE), MOST_TILES, dataset.seed).sort_by("synapse_id")


def _pictures(store: DatasetStore, dataset: EmDataset, ids: Sequence[str]) -> npt.NDArray[np.uint8]:
    """What the autoencoder sees of `ids`, at least one: uint8 (N, px, px)."""
    return np.concatenate(list(_picture_batches(store, dataset, ids)))


def _picture_batches(store: DatasetStore, dataset: EmDataset, ids: Sequence[str]) -> Iterator[npt.NDArray[np.uint8]]:
    """The same, some hundred at a time: the middles of tiles, or masks."""
    from synapse_assets.vision.vae import middle_of

    choice = _choice(dataset)
    if choice.masks_from is None:
        yield from (middle_of(tiles, choice.width) for tiles in tile_batches(store, ids))
        return
    masks = masks_of(store, dataset, choice.masks_from)
    for start in range(0, len(ids), _AT_A_TIME):
        yield masks.pictures(store, ids[start : start + _AT_A_TIME])


def _encoded(store: DatasetStore, folder: Path, dataset: EmDataset, ids: Sequence[str], device: str) -> Float32:
    from synapse_assets.vision.vae import TileVae

    vae = TileVae.load(folder / NETWORK_FILE)
    parts = [vae.encode(pictures, device) for pictures in _picture_batches(store, dataset, ids)]
    return np.concatenate([np.empty((0, vae.spec.latent_dim), np.float32), *parts])


def _fitted(vae: "TileVae", outcome: "Outcome", folder: Path, scores: Mapping[str, float]) -> Fitted:
    """Stores what was trained, and says how that went."""
    from synapse_assets.figures.scores import training_curve

    vae.save(folder / NETWORK_FILE)
    details: dict[str, Detail] = {"training_curve": Picture(training_curve(outcome.history), "loss by training step")}
    final = {"final_loss": outcome.history[-1]["loss"]} if outcome.history else {}
    return Fitted(
        scores={**scores, "training_steps": float(outcome.steps), **final},
        notes=[] if outcome.stopped == "steps" else [outcome.reason],
        details=details,
    )


def _unwatched(what: str, numbers: Mapping[str, float]) -> None:
    """Nothing but the log follows this training."""
