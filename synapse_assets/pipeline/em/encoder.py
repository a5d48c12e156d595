"""Fitting the encoder: which one the dataset asks for, the tiles that it is fitted on, and what is known of them.

Networks, textures and their last step live in `vision`; applying the encoder to a region in `embeddings`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from logging import Logger
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synapse_assets.datasets import Dataset, EncoderChoice
from synapse_assets.datasets.fingerprints import hashed_fields
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.fitting import Fitted, fit_once
from synapse_assets.pipeline.report import Detail, Picture, Report
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.models import fingerprint
from synapse_assets.stores.rows import content_key

POSITION_NM = ("x_nm", "y_nm", "z_nm")
# Of one neuron's synapses so many of the nearest count as views of each other.
PARTNERS = 3


def fit_encoder(store: DatasetStore, dataset: Dataset, device: str, log: Logger) -> Report:
    """Fits the encoder that the dataset's YAML names, on a sample of the tiles of all regions.

    Raises BadInput where there are too few tiles to fit it on, or they cannot be told apart.
    """
    from synapse_assets.analysis.tables import stratified_rows
    from synapse_assets.vision.building import TrainingTiles, build_encoder, checkpoint_hash, encoder_parameters

    choice = encoder_choice(store, dataset)
    uses_tiles = choice.origin in ("texture", "self_supervised") or choice.has_head
    known = store.tiles.read(None, ["synapse_id", "brain_region", "tile_hash"])
    sample = stratified_rows(known, choice.training_tiles, dataset.seed).select(["synapse_id", "tile_hash"])
    if uses_tiles and sample.num_rows < 2:
        raise BadInput(
            f"{dataset.name}: there are {sample.num_rows} tiles to fit an encoder on; materialise tiles of at least one region"
        )
    sample = sample.sort_by("synapse_id")
    relations = _relations(store, dataset, choice, sample) if uses_tiles else Relations()
    inputs: dict[str, str] = {}
    if uses_tiles:
        inputs["tiles"] = content_key(sample)
    if relations.content:
        inputs["relations"] = relations.content
    if choice.origin == "checkpoint":
        inputs["checkpoint"] = checkpoint_hash(choice)
    pixel_nm = dataset.tile_pixel_nm

    def fit(folder: Path) -> Fitted:
        from synapse_assets.figures.scores import training_curve
        from synapse_assets.volumes import decode_tiles

        ids = sample.column("synapse_id").to_pylist() if uses_tiles else []
        images = decode_tiles(store.tiles.read_ids(ids, ["image"]).column("image"))
        training = TrainingTiles(images, relations.partners, relations.nuisances)
        built, history = build_encoder(choice, dataset.tile_spec, pixel_nm, training, dataset.seed, device, log.info)
        built.save(folder)
        scores = {"dimensions": float(built.dimensions), "training_tiles": float(len(images))}
        details: dict[str, Detail] = {}
        if history:
            scores |= {"final_loss": float(history[-1]["loss"]), "training_steps": float(history[-1]["step"])}
            details["training_curve"] = Picture(training_curve(history), "loss by training step")
        return Fitted(scores=scores, details=details)

    return fit_once(
        store,
        "encoder",
        log,
        inputs=inputs,
        parameters={
            **encoder_parameters(choice, dataset.tile_spec, pixel_nm, dataset.seed),
            "tile": hashed_fields(dataset.tile_spec),
        },
        seed=dataset.seed,
        fit=fit,
        fits_current_inputs=lambda provenance: provenance.parameters["tile"] == hashed_fields(dataset.tile_spec),
    )


def encoder_choice(store: DatasetStore, dataset: Dataset) -> EncoderChoice:
    """The encoder that the dataset's YAML names; where it leaves the kind open, one trained here as that in use was, else texture."""
    choice = dataset.tile_encoder
    if choice.origin is not None:
        return choice
    models = store.models("encoder")
    parameters = models.provenance(models.current).parameters if models.current else {}
    training = parameters.get("training")
    if parameters.get("origin") != "self_supervised" or not isinstance(training, Mapping):
        return choice.model_copy(update={"origin": "texture"})
    trained = {
        "origin": "self_supervised",
        "architecture": training["architecture"],
        "crop_px": min(training["crop_px"], dataset.tile_spec.size_px),
        "training_steps": training["max_steps"],
    }
    return choice.model_copy(update=trained)


@dataclass(frozen=True)
class Relations:
    """What is known of the tiles that an encoder is fitted on, by their rows (see `vision.head.Views`), and its content version."""

    partners: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty((0, 2), np.int64))
    nuisances: Sequence[npt.NDArray[np.int64]] = ()
    content: str = ""


def _relations(store: DatasetStore, dataset: Dataset, choice: EncoderChoice, sample: pa.Table) -> Relations:
    """Those that the choice of the encoder asks for, of a sample of tiles (synapse_id, tile_hash). Of a synapse that is gone nothing is
    known."""
    from synapse_assets.analysis.tables import values_of
    from synapse_assets.volumes.volume import voxel_of

    if choice.positives == "tile" and not choice.invariant_to:
        return Relations()
    ids = sample.column("synapse_id").to_pylist()
    columns = ["synapse_id", "neuron_id", "volume", *POSITION_NM]
    synapses = store.synapses.read_ids(ids, columns)
    known = {name: values_of(synapses, name, ids) for name in columns}
    position_nm = np.array([known[axis] for axis in POSITION_NM], dtype=np.float64).T
    partners = near_pairs(known["neuron_id"], position_nm) if choice.positives == "neuron" else Relations().partners
    nuisances = []
    for name in sorted(choice.invariant_to):
        if name == "contrast":
            tiles = store.tiles.read_ids(ids, ["synapse_id", "section_contrast"])
            contrast = values_of(tiles, "section_contrast", ids)
            nuisances.append(_tenths(np.array([np.mean(values) for values in contrast])))
        elif name == "volume":
            nuisances.append(_numbered(known["volume"]))
        else:
            voxels = voxel_of(np.nan_to_num(position_nm), next(iter(dataset.tile_volumes.values())).voxel_size_nm)
            sections = zip(known["volume"], voxels[:, 2].tolist(), strict=True)
            nuisances.append(_numbered([None if volume is None else (volume, section) for volume, section in sections]))
    content = fingerprint({}, {"partners": str(partners.tolist()), "nuisances": str([n.tolist() for n in nuisances])})
    return Relations(partners, nuisances, content)


def near_pairs(
    neurons: Sequence[int | None], position_nm: npt.NDArray[np.float64], most: int = PARTNERS
) -> npt.NDArray[np.int64]:
    """Pairs of rows (P, 2), each of two synapses of one neuron of which one is among the `most` nearest of the other.

    position_nm: float64 (N, 3). Synapses without a neuron are in no pair.
    """
    from scipy.spatial import KDTree

    rows_of: dict[int, list[int]] = {}
    for row, neuron in enumerate(neurons):
        if neuron is not None and np.isfinite(position_nm[row]).all():
            rows_of.setdefault(neuron, []).append(row)
    pairs = set()
    for members in rows_of.values():
        if len(members) < 2:
            continue
        rows = np.array(members)
        # Where several lie in one place, each need not be the first of its own neighbours.
        _, nearest = KDTree(position_nm[rows]).query(position_nm[rows], k=range(1, 1 + min(most + 1, len(rows))))
        for row, near in zip(rows.tolist(), rows[nearest].tolist(), strict=True):
            others = [other for other in near if other != row][:most]
            pairs |= {(min(row, other), max(row, other)) for other in others}
    return np.array(sorted(pairs), np.int64).reshape(-1, 2)


def _tenths(values: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """The tenth of the values that each belongs to, 0 to 9."""
    return np.searchsorted(np.quantile(values, np.arange(0.1, 0.95, 0.1)), values, side="right")


def _numbered(names: Sequence[object]) -> npt.NDArray[np.int64]:
    """A number for each name, -1 for None."""
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names)) if name is not None}
    return np.array([numbers.get(name, -1) for name in names], np.int64)
