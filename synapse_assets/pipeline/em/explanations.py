"""Where in its tile a classifier sees the class of a synapse, and whether a map of that can be trusted.

Methods belong to `vision.explanation`; how one is judged, to `pipeline.explaining`. Explained are the linear probe on the encoder in use
and every network in use. A method is judged on pictures that were held out, and a map is made by the one that does best.

The classifiers in use know all labelled synapses. So the probe is judged by two probes on either half of the groups that are left when
the pictures' groups are set aside. Of a network there is none that never saw a picture: judged is the one in use, against one that is
trained again with the next seed and without these groups.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from logging import Logger
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.artifacts import NoModel
from synapse_assets.datasets import EmDataset
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.em.networks import MODEL, NETWORK_FILE, Labelled, train_without
from synapse_assets.pipeline.explaining import ORDER, check_methods, default_method
from synapse_assets.pipeline.report import Check, Json, Markdown, Report, Stopwatch
from synapse_assets.schema import EXPLANATION_CHECKS, EXPLANATIONS, NETWORK_PREDICTIONS, SYNAPSE_PREDICTIONS
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.models import fingerprint, model_in_use
from synapse_assets.stores.rows import content_key, labelled_synapses, vector_matrix, vectors_in_use

if TYPE_CHECKING:
    from synapse_assets.analysis.evaluation.linear_probe import LinearProbe
    from synapse_assets.vision.encoder import Encoder
    from synapse_assets.vision.explanation.explainable import Explainable

LINEAR_PROBE = "linear_probe"
CHECKS_METHOD, MAPS_METHOD = 1, 1
"""One more whenever the same classifier and tiles have other checks, or other maps."""
PICTURES, FEWEST_PICTURES, DRAWS = 32, 8, 3
# Occlusion asks a classifier 81 times of a tile, and each of its copies: its interval is wider.
OCCLUSION_PICTURES = 12
# Synapses of a region whose maps are made, of each kind.
EXAMPLES = 4
KINDS = ("typical", "error", "uncertain")
_ZERO, _GREYS = 128, 127

Tiles = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class _InUse:
    """A classifier in use: its name and version, and the asset with its predictions."""

    name: str
    version: str

    @property
    def is_probe(self) -> bool:
        return self.name == LINEAR_PROBE


def check_explanations(store: DatasetStore, dataset: EmDataset, device: str, log: Logger) -> Report:
    """Judges every method that can explain a classifier in use. A version that was judged before is not judged again.

    Without a classifier, or with too few labelled groups, there are no rows, and the report says why.
    """
    watch = Stopwatch()
    results = store.results(EXPLANATION_CHECKS)
    classifiers, labelled = _in_use(store), Labelled.of(store)
    held = _HeldOut.of(labelled, dataset) if classifiers else None
    reason = "" if classifiers else "no classifier was fitted, so there is nothing to explain"
    if held is not None and held.reason:
        reason = held.reason
    if reason or held is None:
        results.write(EXPLANATION_CHECKS.empty())
        return Report({"result": reason}, watch.seconds, 0, content_version=content_key(EXPLANATION_CHECKS.empty()))
    before, stored = results.made_from() or {}, results.read()
    settings = {"method": CHECKS_METHOD, "seed": dataset.seed, "pictures": PICTURES, "draws": DRAWS}
    keys = {one.name: fingerprint({**settings, "name": one.name}, {"version": one.version}) for one in classifiers}
    parts, computed = [EXPLANATION_CHECKS.empty()], 0
    for one in classifiers:
        rows = stored.filter(pc.equal(stored.column("classifier"), one.name))
        if before.get(one.name) != keys[one.name]:
            rows = _judged(store, dataset, one, held, labelled, keys[one.name], device, log)
            computed += rows.num_rows
        parts.append(rows)
    table = pa.concat_tables(parts)
    results.write(table, keys)
    store.clear_work("explanation_checks")
    return Report(
        details={
            "pictures": held.tiles.num_rows,
            "in_words": Markdown(_in_words(table)),
            "shown": Json({one.name: _method_for(table, one)[0] for one in classifiers}),
        },
        seconds=watch.seconds,
        rows=table.num_rows,
        computed_rows=computed,
        # What maps are made from: which classifier, which method, and what is thought of it.
        content_version=content_key(table.select(["classifier", "version", "method", "verdict"])),
    )


def explain_region(store: DatasetStore, dataset: EmDataset, region: str, device: str, log: Logger) -> Report:
    """Maps of at most 12 synapses of a region for every classifier in use: those that it names most surely, its errors, and those that it
    is least sure of.

    Raises BadInput where the classifiers in use were not judged yet, or the predictions of the region are of another one.
    """
    watch = Stopwatch()
    checks, made = store.results(EXPLANATION_CHECKS), store.results(EXPLANATION_CHECKS).made_from()
    if made is None:
        raise BadInput(
            f"{store.dataset} has no explanation_checks yet: materialise the asset 'explanation_checks' first"
        )
    judged, parts, shown = checks.read(), [EXPLANATIONS.empty()], {}
    for one in _in_use(store):
        of_one = judged.filter(pc.equal(judged.column("classifier"), one.name))
        if not of_one.num_rows:
            log.info(f"{region}: no method was judged for {one.name}, so no map is made")
            continue
        if of_one.column("version")[0].as_py() != one.version:
            raise BadInput(
                f"explanation_checks are of {one.name} {of_one.column('version')[0].as_py()}, but {one.version} is in use: materialise "
                "explanation_checks first, then this one"
            )
        method, verdict = _method_for(judged, one)
        shown[one.name] = f"{method} ({verdict})"
        chosen = _chosen(store, one, region)
        if chosen.num_rows:
            parts.append(_maps(store, one, region, chosen, method, verdict, device))
    table = pa.concat_tables(parts)
    store.results(EXPLANATIONS).write_partition(region, table)
    kinds = {item["values"]: item["counts"] for item in table.column("chosen_as").value_counts().to_pylist()}
    return Report(
        details={"methods": Json(shown), "chosen": Json(dict(sorted(kinds.items())))},
        seconds=watch.seconds,
        rows=table.num_rows,
        content_version=content_key(table.drop_columns(["map"])),
        checks=[_not_empty(table)],
    )


def _in_use(store: DatasetStore) -> list[_InUse]:
    """The linear probe and the networks in use, those that could be fitted."""
    found = []
    version = model_in_use(store.models("synapse_classifier"), "materialise the asset 'synapse_classifier' first")
    if NoModel.found(store.models("synapse_classifier").path(version)) is None:
        found.append(_InUse(LINEAR_PROBE, version))
    models = store.models(MODEL)
    if models.current is not None and NoModel.found(models.path(models.current)) is None:
        names = models.provenance(models.current).parameters["networks"]
        found.extend(_InUse(name, models.current) for name in sorted(names))
    return found


# Judging


@dataclass(frozen=True)
class _HeldOut:
    """Which labelled synapses are held out, and which half each of the others is in.

    parts: synapse_id, target, group, part (0 held out, 1 and 2 the halves). tiles: synapse_id and tile_hash of the pictures. reason: why
    there are too few, else empty.
    """

    parts: pa.Table
    tiles: pa.Table
    reason: str

    @classmethod
    def of(cls, labelled: Labelled, dataset: EmDataset) -> "_HeldOut":
        """Of every class up to a third of its groups is held out, one picture of each first, and the rest is dealt to the halves.

        A group of several classes stays together, where the first of them puts it.
        """
        from synapse_assets.analysis.tables import targets_and_groups

        target_of, group_of = targets_and_groups(labelled.folds, dataset.grouping[0])
        rng = np.random.default_rng(dataset.seed)
        untested = set(labelled.untested)
        members: dict[str, dict[str, list[str]]] = {}
        for synapse_id in labelled.tiles.column("synapse_id").to_pylist():
            if synapse_id in untested:
                continue
            group = f"g{group_of[synapse_id]}" if synapse_id in group_of else f"s{synapse_id}"
            members.setdefault(target_of[synapse_id], {}).setdefault(group, []).append(synapse_id)
        rows, turns = [], []
        part_of: dict[str, int] = {}
        wanted = -(-PICTURES // max(len(members), 1))
        for target, groups in sorted(members.items()):
            names = sorted(groups)
            order = [names[place] for place in rng.permutation(len(names))]
            held = min(wanted, len(order) // 3)
            for place, group in enumerate(order):
                part = part_of.setdefault(group, 0 if place < held else 1 + (place - held) % 2)
                ids = [groups[group][at] for at in rng.permutation(len(groups[group]))]
                rows += [(synapse_id, target, group, part) for synapse_id in ids]
                if part == 0:
                    turns += [(turn, place, target, synapse_id) for turn, synapse_id in enumerate(ids)]
        chosen = sorted(synapse_id for *_, synapse_id in sorted(turns)[:PICTURES])
        columns = ("synapse_id", "target", "group", "part")
        parts = pa.table({name: [row[at] for row in rows] for at, name in enumerate(columns)})
        tiles = labelled.tiles.filter(pc.is_in(labelled.tiles.column("synapse_id"), pa.array(chosen, pa.string())))
        found = cls(parts, tiles, "")
        return replace(found, reason=_too_few(members, tiles.num_rows, found.shared_classes()))

    def half(self, part: int, classes: Sequence[str]) -> pa.Table:
        """The synapses of that half of these classes."""
        wanted = pc.is_in(self.parts.column("target"), pa.array(classes, pa.string()))
        return self.parts.filter(pc.and_(pc.equal(self.parts.column("part"), part), wanted))

    def shared_classes(self) -> list[str]:
        """Classes that both halves have."""
        first, second = (
            set(self.parts.filter(pc.equal(self.parts.column("part"), part)).column("target").to_pylist())
            for part in (1, 2)
        )
        return sorted(first & second)

    def out(self) -> list[str]:
        """All synapses of the groups that are held out."""
        ids: list[str] = self.parts.filter(pc.equal(self.parts.column("part"), 0)).column("synapse_id").to_pylist()
        return ids


def _too_few(members: "dict[str, dict[str, list[str]]]", pictures: int, shared: Sequence[str]) -> str:
    if len(members) < 2:
        return "the labelled synapses are of one class: there is nothing to tell apart"
    if len(shared) < 2:
        return (
            f"{len(shared)} of the {len(members)} classes have two groups beside those held out, for two classifiers to learn from, and "
            "two classes are needed: label more neurons of the others"
        )
    if pictures < FEWEST_PICTURES:
        return (
            f"{pictures} pictures can be held out with their groups, {FEWEST_PICTURES} are needed: label more neurons, three of a class at "
            "least"
        )
    return ""


def _judged(
    store: DatasetStore,
    dataset: EmDataset,
    one: _InUse,
    held: _HeldOut,
    labelled: Labelled,
    key: str,
    device: str,
    log: Logger,
) -> pa.Table:
    """`schema.EXPLANATION_CHECKS` of one classifier in use."""
    from synapse_assets.volumes import decode_tiles

    if one.is_probe:
        first, second = _half_probes(store, dataset, held)
    else:
        from synapse_assets.vision.explanation.explainable import explainable_network

        work = store.work_folder("explanation_checks", one.name, key)
        again = train_without(store, dataset, one.name, held.out(), dataset.seed + 1, work, device, log)
        first, second = _explainable(store, one), explainable_network(again)
    ids = held.tiles.column("synapse_id").to_pylist()
    shuffled = np.random.default_rng(dataset.seed).permutation(len(ids))
    pictures = decode_tiles(labelled.table.read_ids([ids[at] for at in shuffled], ["image"]).column("image"))
    tables = []
    # Where the contribution of every place is exact, nobody needs what occlusion guesses of it, at many times the cost.
    for method in [name for name in first.methods if name != "occlusion" or "contribution" not in first.methods]:
        table = check_methods(
            first,
            second,
            pictures[:OCCLUSION_PICTURES] if method == "occlusion" else pictures,
            [method],
            name=one.name,
            version=one.version,
            draws=DRAWS,
            seed=dataset.seed,
            device=device,
            log=log.info,
        )
        tables.append(table)
    return pa.concat_tables(tables)


def _half_probes(store: DatasetStore, dataset: EmDataset, held: _HeldOut) -> "tuple[Explainable, Explainable]":
    """The encoder in use with a probe of either half."""
    from synapse_assets.analysis.evaluation.linear_probe import LinearProbe, fit_probe

    encoder, classes, found = _encoder(store), held.shared_classes(), []
    for part in (1, 2):
        half = held.half(part, classes).sort_by("synapse_id")
        rows = vectors_in_use(store).read_ids(half.column("synapse_id").to_pylist(), ["synapse_id", "vector"])
        # A tile may be waiting for its vector.
        half = half.filter(pc.is_in(half.column("synapse_id"), rows.column("synapse_id").combine_chunks()))
        targets, groups = (half.column(name).to_pylist() for name in ("target", "group"))
        probe = fit_probe(vector_matrix(rows), targets, dataset.seed, groups)
        assert isinstance(probe, LinearProbe)  # noqa: S101 -- there are two classes in each half
        found.append(_with_probe(encoder, probe))
    return found[0], found[1]


def _with_probe(encoder: "Encoder", probe: "LinearProbe") -> "Explainable":
    """A probe on vectors as they come from the encoder: its standardisation is part of the coefficients."""
    from synapse_assets.vision.explanation.explainable import explainable_probe

    coefficients = probe.weights / probe.scale
    return explainable_probe(encoder, coefficients, probe.intercept - coefficients @ probe.mean, probe.classes)


def _encoder(store: DatasetStore) -> "Encoder":
    from synapse_assets.vision.encoder import Encoder

    models = store.models("encoder")
    return Encoder.load(models.path(model_in_use(models, "materialise the asset 'encoder' first")))


def _explainable(store: DatasetStore, one: _InUse) -> "Explainable":
    """A classifier in use as explanations see it."""
    if one.is_probe:
        from synapse_assets.analysis.evaluation.linear_probe import LinearProbe

        return _with_probe(_encoder(store), LinearProbe.load(store.models("synapse_classifier").path(one.version)))
    from synapse_assets.vision.classifier import SynapseNetwork
    from synapse_assets.vision.explanation.explainable import explainable_network

    return explainable_network(SynapseNetwork.load(store.models(MODEL).path(one.version) / one.name / NETWORK_FILE))


def _method_for(checks: pa.Table, one: _InUse) -> tuple[str, str]:
    """The method whose maps are made of a classifier, and its verdict: the default one, or where none is trustworthy the one that comes
    nearest to it."""
    rows = checks.filter(pc.equal(checks.column("classifier"), one.name))
    verdicts = dict(zip(*(rows.column(name).to_pylist() for name in ("method", "verdict")), strict=True))
    ranks = ("trustworthy", "partly", "not")
    method = default_method(rows) or min(verdicts, key=lambda name: (ranks.index(verdicts[name]), ORDER.index(name)))
    return method, verdicts[method]


def _in_words(table: pa.Table) -> str:
    said = dict.fromkeys(
        zip(*(table.column(name).to_pylist() for name in ("classifier", "method", "verdict", "sentence")), strict=True)
    )
    return "\n".join(f"- **{name}, {method}: {verdict}.** {sentence}" for name, method, verdict, sentence in said)


# Maps


def _chosen(store: DatasetStore, one: _InUse, region: str) -> pa.Table:
    """The synapses of a region whose maps are made: synapse_id, predicted, probability, chosen_as. At most one of a neuron and kind."""
    from synapse_assets.analysis.evaluation.predictions import probability_matrix
    from synapse_assets.analysis.tables import current_rows, values_of

    if one.is_probe:
        rows, version = store.results(SYNAPSE_PREDICTIONS).read(region), "classifier"
    else:
        rows, version = store.results(NETWORK_PREDICTIONS).read(region), MODEL
        rows = rows.filter(pc.equal(rows.column("network"), one.name))
    others = sorted(set(rows.column(version).to_pylist()) - {one.version})
    if others:
        raise BadInput(
            f"the predictions of {region} by {one.name} are of {', '.join(others)}, but {one.version} is in use: materialise them first"
        )
    synapses = labelled_synapses(store, ["neuron_id", "target"])
    rows = current_rows(rows, synapses).sort_by("synapse_id")
    ids, predicted = (rows.column(name).to_pylist() for name in ("synapse_id", "predicted"))
    targets, neurons = (values_of(synapses, name, ids) for name in ("target", "neuron_id"))
    probability = np.asarray(rows.column("probability").to_numpy(), dtype=np.float64)
    sure = np.sort(probability_matrix(rows)[1], axis=1)[:, ::-1] if len(ids) else np.zeros((0, 2))
    margin = sure[:, 0] - sure[:, 1] if sure.shape[1] > 1 else np.ones(len(ids))
    wrong = np.array([bool(target) and target != name for target, name in zip(targets, predicted, strict=True)], bool)
    found: dict[int, str] = {}
    for kind, order, allowed in (
        ("error", -probability, wrong),
        ("uncertain", margin, ~wrong),
        ("typical", -probability, ~wrong),
    ):
        places = [place for place in np.argsort(order, kind="stable").tolist() if allowed[place] and place not in found]
        names = [(predicted[place] if kind == "typical" else "", neurons[place]) for place in places]
        found |= dict.fromkeys(_spread(places, names), kind)
    places = sorted(found, key=lambda place: (KINDS.index(found[place]), ids[place]))
    chosen = rows.select(["synapse_id", "predicted", "probability"]).take(pa.array(places, pa.int64()))
    return chosen.append_column("chosen_as", pa.array([found[place] for place in places], pa.string()))


def _spread(places: Sequence[int], names: "Sequence[tuple[str, int | None]]") -> list[int]:
    """At most `EXAMPLES` of these places, in their order, but one of every class before a second, and one of a neuron."""
    taken: list[int] = []
    neurons: set[int] = set()
    counts: dict[str, int] = {}
    for turn in range(EXAMPLES):
        for place, (name, neuron) in zip(places, names, strict=True):
            if len(taken) == EXAMPLES:
                return taken
            if place not in taken and counts.get(name, 0) <= turn and neuron not in neurons:
                taken.append(place)
                counts[name] = counts.get(name, 0) + 1
                if neuron is not None:
                    neurons.add(neuron)
    return taken


def _maps(
    store: DatasetStore, one: _InUse, region: str, chosen: pa.Table, method: str, verdict: str, device: str
) -> pa.Table:
    """`schema.EXPLANATIONS` of the chosen synapses of one classifier."""
    from synapse_assets.vision.explanation.methods import EmptyMapError, explain
    from synapse_assets.volumes import decode_tiles

    classifier = _explainable(store, one)
    tiles = store.tiles.read_ids(chosen.column("synapse_id").to_pylist(), ["synapse_id", "tile_hash", "image"])
    at = pc.index_in(tiles.column("synapse_id"), value_set=chosen.column("synapse_id").combine_chunks())
    chosen = chosen.take(at)
    targets = [classifier.classes.index(name) for name in chosen.column("predicted").to_pylist()]
    try:
        maps = explain(classifier, decode_tiles(tiles.column("image")), targets, method, device)
    except EmptyMapError as empty:
        maps = np.nan_to_num(empty.maps, nan=0.0, posinf=0.0, neginf=0.0)
    pictures, largest = zip(*(grey_map(one_map) for one_map in maps), strict=True)
    constant = {
        "brain_region": region,
        "classifier": one.name,
        "version": one.version,
        "method": method,
        "verdict": verdict,
    }
    columns = {
        "synapse_id": tiles.column("synapse_id"),
        "tile_hash": tiles.column("tile_hash"),
        "class_name": chosen.column("predicted"),
        "probability": chosen.column("probability"),
        "chosen_as": chosen.column("chosen_as"),
        "largest": pa.array(largest, pa.float64()),
        "map": pa.array(pictures, pa.binary()),
        **{name: pa.array([text] * tiles.num_rows, pa.string()) for name, text in constant.items()},
    }
    return EXPLANATIONS.conform(pa.table(columns).select(EXPLANATIONS.names))


def grey_map(values: npt.NDArray[np.float32]) -> tuple[bytes, float]:
    """A map (H, W) as a grey 8-bit PNG, and what 255 stands for: 128 is zero, and 1 the negative of 255."""
    from PIL import Image

    largest = float(np.abs(values).max())
    grey = np.rint(_ZERO + _GREYS * (values / largest if largest else values)).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(grey).save(stream, format="PNG")
    return stream.getvalue(), largest


def _not_empty(table: pa.Table) -> Check:
    rows = zip(*(table.column(name).to_pylist() for name in ("synapse_id", "largest")), strict=True)
    empty = [synapse_id for synapse_id, largest in rows if not largest]
    return Check(
        "maps_not_empty",
        not empty,
        f"{len(empty):,} of {table.num_rows:,} maps say nothing{': ' + ', '.join(empty[:5]) if empty else ''}",
        warn=True,
        numbers={"empty": len(empty)},
    )
