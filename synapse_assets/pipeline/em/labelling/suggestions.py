"""The synapses that a round asks about: chosen once, by the strategy that is best here, and never changed.

Which may be asked about belongs to `pool`, query strategies and batches to `analysis.labelling`, the unsupervised stream to `vae`.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from logging import Logger
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.artifacts import NoModel, load_or_no_model
from synapse_assets.datasets import EmDataset
from synapse_assets.datasets.labelling import LabellingChoice, Strategy
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.em.labelling.benchmark import recommended_strategy
from synapse_assets.pipeline.em.labelling.pool import Pool, labelled_sample, read_pool
from synapse_assets.pipeline.em.labelling.vae import tuned_vae_vectors
from synapse_assets.pipeline.report import Check, Markdown, Report, Stopwatch, markdown_table
from synapse_assets.schema.labelling import BY_CHANCE, BY_STRATEGY, QUERY_SUGGESTIONS
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.rows import content_key, vector_matrix, vectors_in_use

if TYPE_CHECKING:
    from synapse_assets.analysis.evaluation.linear_probe import LinearProbe
    from synapse_assets.analysis.labelling.batches import Places
    from synapse_assets.analysis.labelling.strategies import Items

LEAST_SURE = ("margin", "entropy")
"""Strategies that see every synapse that may be asked about; the others see a sample (`pool.CANDIDATES`)."""
AUTOENCODED = 5_000
"""Of that sample, and of the labelled, an autoencoder sees so many at most: on a processor it takes milliseconds for each."""

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
_POSITION_NM = ["x_nm", "y_nm", "z_nm"]
_OF_A_SYNAPSE = ["synapse_id", "neuron_id", "volume", *_POSITION_NM]


def suggest_round(store: DatasetStore, dataset: EmDataset, round_name: str, device: str, log: Logger) -> Report:
    """Chooses what a round asks about, and writes it. A round that was written before stays as it is, unless it asks nothing.

    A pool smaller than the batch, or empty, is an ordinary outcome: a check warns, and the round has fewer rows or none. Raises BadInput
    for a dataset that nobody labels, and where no encoder is fitted.
    """
    watch = Stopwatch()
    results = store.results(QUERY_SUGGESTIONS)
    chosen_as = results.made_from(round_name)
    is_new = chosen_as is None or not results.partitions().get(round_name)
    if chosen_as is None or is_new:
        rows, chosen_as = _choose(store, dataset, round_name, device, log)
        results.write_partition(round_name, rows, chosen_as)
    else:
        log.info(f"{dataset.name}: {round_name} was chosen before and stays as it is")
    return _report(results.read(round_name).sort_by("rank"), chosen_as, is_new, watch)


def labelling_of(dataset: EmDataset) -> LabellingChoice:
    """How people label a dataset. Raises BadInput where nobody does."""
    if dataset.labelling is None:
        raise BadInput(f"{dataset.name} is not labelled here: add 'labelling: {{}}' to its file")
    return dataset.labelling


@dataclass(frozen=True)
class _Guesser:
    """The classifier in use and its version; both None as long as none tells classes apart."""

    probe: "LinearProbe | None" = None
    version: str | None = None

    @classmethod
    def in_use(cls, store: DatasetStore) -> "_Guesser":
        """One that was fitted on vectors of another encoder than that in use is as none."""
        from synapse_assets.analysis.evaluation.linear_probe import LinearProbe

        models = store.models("synapse_classifier")
        version = models.current
        if version is None or models.provenance(version).inputs.get("encoder") != store.models("encoder").current:
            return cls()
        probe = load_or_no_model(models.path(version), LinearProbe.load)
        return cls() if isinstance(probe, NoModel) else cls(probe, version)

    def probabilities(self, vectors: Float32) -> Float64 | None:
        """Of each class, (N, C)."""
        return None if self.probe is None else self.probe.predict(vectors)[1]

    def certainty(self, strategy: str) -> Callable[[Float32], Float64] | None:
        """How sure the class of vectors (N, D) is, (N,), as the strategy measures it; None where it has no such measure, or there is no
        classifier."""
        probe = self.probe
        if strategy not in LEAST_SURE or probe is None or len(probe.classes) < 2:
            return None

        def of(vectors: Float32) -> Float64:
            probabilities = probe.predict(vectors)[1]
            if strategy == "entropy":
                return np.asarray((probabilities * np.log(probabilities.clip(min=1e-300))).sum(axis=1))
            two = np.partition(probabilities, -2, axis=1)[:, -2:]
            return np.asarray(two[:, 1] - two[:, 0])

        return of

    def columns(self, vectors: Float32) -> dict[str, pa.Array]:
        """guess, guess_probability and model_version for N vectors, empty without a classifier."""
        count = len(vectors)
        if self.probe is None:
            texts = {name: pa.nulls(count, pa.string()) for name in ("guess", "model_version")}
            return {**texts, "guess_probability": pa.nulls(count, pa.float64())}
        best, probabilities = self.probe.predict(vectors)
        return {
            "guess": pa.array([self.probe.classes[one] for one in best.tolist()], pa.string()),
            "guess_probability": pa.array(probabilities[np.arange(count), best]),
            "model_version": pa.array([self.version] * count, pa.string()),
        }


@dataclass(frozen=True)
class _Candidates:
    """Synapses that may be asked about, N of them, in the order of their ids.

    rows: the columns of `Pool` and `_OF_A_SYNAPSE`. of_strategy, at_random: rows that a strategy sees, and those in random order, int64.
    """

    rows: pa.Table
    of_strategy: Int64
    at_random: Int64

    @classmethod
    def of(cls, store: DatasetStore, pool: Pool) -> "_Candidates":
        """Those of a pool that are still among the synapses."""
        parts = [pool.at_random] if pool.least_sure is None else [pool.at_random, pool.least_sure]
        rows = pa.concat_tables(parts).sort_by("synapse_id").combine_chunks()
        ids = rows.column("synapse_id").to_numpy(zero_copy_only=False)
        rows = rows.take(pa.array(np.flatnonzero(np.append(True, ids[1:] != ids[:-1])[: len(ids)])))
        known = store.synapses.read_ids(rows.column("synapse_id").to_pylist(), _OF_A_SYNAPSE)
        rows = rows.filter(pc.is_in(rows.column("synapse_id"), value_set=known.column("synapse_id").combine_chunks()))
        for name in _OF_A_SYNAPSE[1:]:
            rows = rows.append_column(name, known.column(name))
        at_random, of_strategy = (_rows_in(rows, part) for part in (parts[0], parts[-1]))
        return cls(rows, np.sort(of_strategy), at_random)

    def vectors(self, rows: Int64) -> Float32:
        """Their vectors (n, D)."""
        return vector_matrix(self.rows.select(["vector"]).take(pa.array(rows)))

    def ids(self, rows: Int64) -> list[str]:
        """Their ids."""
        taken: list[str] = self.rows.column("synapse_id").take(pa.array(rows)).to_pylist()
        return taken


def _rows_in(rows: pa.Table, part: pa.Table) -> Int64:
    """Where the synapses of `part` stand among `rows`, those that do."""
    at = pc.index_in(part.column("synapse_id").combine_chunks(), rows.column("synapse_id").combine_chunks())
    return at.drop_null().to_numpy().astype(np.int64)


def _choose(
    store: DatasetStore, dataset: EmDataset, round_name: str, device: str, log: Logger
) -> tuple[pa.Table, dict[str, str]]:
    """The rows of a round that there is not yet, and how they were chosen, in words."""
    from synapse_assets.analysis.labelling.batches import make_batch

    strategy, reason = recommended_strategy(store, dataset)
    choice = labelling_of(dataset)
    vectors, guesser = vectors_in_use(store), _Guesser.in_use(store)
    pool = read_pool(store, vectors, dataset.seed, guesser.certainty(strategy))
    log.info(f"{dataset.name}: {pool.size:,} of {pool.of:,} synapses may be asked about")
    candidates = _Candidates.of(store, pool)
    asking = _Asking.of(store, dataset, candidates, strategy, guesser, device, log)
    half_a_tile_nm = dataset.tile_spec.size_px * dataset.tile_pixel_nm / 2
    batch = make_batch(
        _places(candidates.rows),
        asking.propose,
        choice.batch,
        random_share=choice.random_share,
        most_per_neuron=choice.most_per_neuron,
        apart_nm=half_a_tile_nm if choice.apart_nm is None else choice.apart_nm,
        seed=dataset.seed,
    )
    rows = candidates.rows.take(pa.array(batch.rows))
    columns = {name: rows.column(name) for name in ("synapse_id", "brain_region", "tile_hash", *_OF_A_SYNAPSE[1:])}
    constant = {"round": round_name, "strategy": asking.strategy}
    columns |= {name: pa.array([value] * rows.num_rows, pa.string()) for name, value in constant.items()}
    columns |= guesser.columns(vector_matrix(rows))
    columns["rank"] = pa.array(np.arange(rows.num_rows), pa.int32())
    columns["origin"] = pa.array(batch.origins, pa.string())
    return QUERY_SUGGESTIONS.conform(pa.table(columns)), {
        "strategy": asking.strategy,
        "reason": asking.note or reason,
        "batch": str(choice.batch),
        "pool": str(pool.size),
        "with_tile": str(pool.of),
        "labelled": str(pool.labelled),
        "classifier": guesser.version or "none",
        "notes": " ".join(batch.notes),
    }


def _places(rows: pa.Table) -> "Places":
    """What caps and order need of candidates."""
    from synapse_assets.analysis.labelling.batches import Places

    return Places(
        ids=rows.column("synapse_id").to_pylist(),
        regions=rows.column("brain_region").to_pylist(),
        volumes=rows.column("volume").to_pylist(),
        neurons=rows.column("neuron_id").to_pylist(),
        positions_nm=np.stack([rows.column(axis).to_numpy() for axis in _POSITION_NM], axis=1),
    )


@dataclass
class _Asking:
    """A strategy while it is asked. place_of: int64 (N,), the row among `pool` of each candidate that it sees, -1 of the others. note: why
    it is another one than was wanted, in words."""

    strategy: str
    place_of: Int64
    pool: "Items"
    labelled: "Items"
    seed: int
    note: str | None = None

    @classmethod
    def of(
        cls,
        store: DatasetStore,
        dataset: EmDataset,
        candidates: _Candidates,
        strategy: str,
        guesser: _Guesser,
        device: str,
        log: Logger,
    ) -> "_Asking":
        """With what the strategy sees of the candidates and of the labelled synapses."""
        from synapse_assets.analysis.labelling.strategies import Items, distance_features

        autoencoded = strategy == "two_stream" and labelling_of(dataset).vae is not None
        known, classes = labelled_sample(store, vectors_in_use(store), dataset.seed)
        rows = candidates.of_strategy
        if autoencoded:
            rows, known, classes = candidates.at_random[:AUTOENCODED], known[:AUTOENCODED], classes[:AUTOENCODED]
        rows = np.sort(rows)
        vectors, of_known = candidates.vectors(rows), vector_matrix(known)
        features, known_features = distance_features(vectors, of_known)
        unsupervised, known_unsupervised = vectors.astype(np.float64), of_known.astype(np.float64)
        if autoencoded:
            ids = known.column("synapse_id").to_pylist()
            class_of = dict(zip(ids, classes, strict=True))
            seen = tuned_vae_vectors(store, dataset, [*candidates.ids(rows), *ids], class_of, device, log)
            unsupervised, known_unsupervised = np.split(seen.astype(np.float64), [len(rows)])
        place_of = np.full(candidates.rows.num_rows, -1, np.int64)
        place_of[rows] = np.arange(len(rows))
        return cls(
            strategy,
            place_of,
            Items(features, unsupervised, guesser.probabilities(vectors)),
            Items(known_features, known_unsupervised, guesser.probabilities(of_known)),
            dataset.seed,
        )

    def propose(self, rows: Int64, count: int) -> Int64:
        """At most `count` positions among these candidates, best first."""
        from synapse_assets.analysis.labelling.strategies import suggest

        seen = np.flatnonzero(self.place_of[rows] >= 0)
        strategy = cast(Strategy, self.strategy)
        found = suggest(strategy, self.pool.take(self.place_of[rows[seen]]), self.labelled, count, self.seed)
        self.strategy, self.note = found.strategy, self.note or found.note
        return seen[found.rows]


def _report(rows: pa.Table, chosen_as: Mapping[str, str], is_new: bool, watch: Stopwatch) -> Report:
    """Of a round as it is stored, whether it was chosen now or before."""
    size, pool, of, labelled = (int(chosen_as[name]) for name in ("batch", "pool", "with_tile", "labelled"))
    if of and labelled == of:
        why = f"all {of:,} synapses with a tile have a class already: there is nothing to ask about"
    elif pool < size:
        why = f"{pool:,} of {of:,} synapses with a tile may be asked about (no class, not decided, not asked already)"
    else:
        why = f"{pool:,} synapses may be asked about"
    if not rows.num_rows:
        why += "; no further round is opened. Once there is more to ask, materialise this one again: it is chosen anew"
    return Report(
        details={
            "status": "chosen now" if is_new else "chosen before; a round is never changed",
            **{name: chosen_as[name] for name in ("strategy", "reason", "classifier")},
            "pool": pool,
            "by_chance": rows.column("origin").to_pylist().count(BY_CHANCE),
            "neurons": len(pc.unique(rows.column("neuron_id")).drop_null()),
            "guesses": Markdown(_guesses(rows)),
        },
        seconds=watch.seconds,
        rows=rows.num_rows,
        computed_rows=rows.num_rows if is_new else 0,
        content_version=content_key(rows.select(["round", "rank", "synapse_id", "tile_hash"])),
        checks=[
            Check(
                "batch_is_full",
                rows.num_rows >= size,
                f"{rows.num_rows:,} of {size:,} synapses: {why}. {chosen_as['notes']}".strip(),
                warn=True,
                numbers={"asked": rows.num_rows, "batch": size, "pool": pool},
            )
        ],
    )


def _guesses(rows: pa.Table) -> str:
    """How the guesses of a round are spread over the classes, as Markdown."""
    guesses, origins = (rows.column(name).to_pylist() for name in ("guess", "origin"))
    counts = Counter(zip(guesses, origins, strict=True))
    names = sorted({guess for guess in guesses if guess is not None})
    if not names:
        return "no classifier guesses yet"
    return markdown_table(
        ["guess", "by strategy", "at random"],
        [[name, counts[name, BY_STRATEGY], counts[name, BY_CHANCE]] for name in names],
    )
