"""What a run of a published subset should show everybody, what it showed here, and which numbers only the run itself can tell.

A number that everybody should see follows from the published files and the rule, or from what the product promises; none is a result
of biology that nobody has measured on these sites. Choosing the sites belongs to `published_subset`.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.datasets import EmDataset, PublishedSubset
from synapse_assets.schema import LEAKAGE_REPORT, RETRIEVAL_SCORECARD, SYNAPSE_LABELS
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.warehouse import content_version

REPRODUCTION_FILE = "reproduction.json"
ORIENTATION = (
    "For orientation, not to be matched: Eckstein et al. 2024 (doi 10.1016/j.cell.2024.03.016) report an accuracy of 0.87 for "
    "synapses and 0.94 for neurons, over the same six transmitters, with a 3-D network trained for it, of other sites and by another split."
)
_NONE = "none yet"
_NEIGHBOURS = 10


@dataclass(frozen=True)
class Number:
    """A number of the run. expected: what everybody should see, in words; empty where only the run can tell, and then `holds` is
    None. yours: what this run gave. note: where it comes from, or what it is to be compared with."""

    name: str
    expected: str
    yours: str
    holds: bool | None
    note: str = ""


def write_reproduction(
    store: DatasetStore, dataset: EmDataset, subset: PublishedSubset, record: dict[str, Any], red: Sequence[str]
) -> list[Number]:
    """Compares the stored dataset with what everybody should see, and writes `reproduction.json` beside the release, whose report shows
    it as long as the release holds the same.

    record: of the chosen sites, as `published_subset.make_sites` gives it. red: names of checks and runs that failed.
    """
    numbers = [
        *_of_inputs(subset, record),
        *_of_sites(store, subset),
        Number("failed runs and checks", "none", ", ".join(red) or "none", not red),
        *_of_vectors(store),
        *_only_here(store, dataset),
    ]
    content = {
        "dataset": dataset.name,
        "release": content_version(store.release() or {}),
        "orientation": ORIENTATION,
        "numbers": [asdict(number) for number in numbers],
    }
    store.folder.write_json(REPRODUCTION_FILE, content)
    return numbers


def _of_inputs(subset: PublishedSubset, record: dict[str, Any]) -> list[Number]:
    numbers = [
        Number(f"digest of {name}", digest, digest, True, "checked when it was fetched")
        if digest is not None
        else Number(f"digest of {name}", "", "not checked: none is known", None)
        for name, digest in record["files"].items()
    ]
    mine = record["sha256"]
    note = "" if subset.sha256 else "none is pinned yet: please report yours, it should be the same everywhere"
    holds = None if subset.sha256 is None else mine == subset.sha256
    return [*numbers, Number("SHA-256 of the table of chosen sites", subset.sha256 or "", mine, holds, note)]


def _of_sites(store: DatasetStore, subset: PublishedSubset) -> list[Number]:
    labels = store.results(SYNAPSE_LABELS).read()
    counts = Counter(labels.column("target").to_pylist())
    numbers = [
        Number("sites", f"{subset.sites:,}", f"{labels.num_rows:,}", labels.num_rows == subset.sites),
        *(
            Number(f"sites of {target}", f"{quota:,}", f"{counts[target]:,}", counts[target] == quota)
            for target, quota in subset.quotas.items()
        ),
    ]
    groups = labels.group_by("target").aggregate([("neuron_id", "count_distinct"), ("hemilineage", "count_distinct")])
    by_target = {row["target"]: row for row in groups.to_pylist()}
    for target in subset.quotas:
        neurons = by_target.get(target, {}).get("neuron_id_count_distinct", 0)
        lineages = by_target.get(target, {}).get("hemilineage_count_distinct", 0)
        most = subset.neurons_per_class
        numbers.append(
            Number(
                f"neurons of {target}",
                f"1 to {most:,}",
                f"{neurons:,}",
                0 < neurons <= most,
                f"in {lineages:,} hemilineages",
            )
        )
    tiles = store.tiles.read(None, ["synapse_id", "valid_fraction"])
    whole = int(pc.sum(pc.equal(tiles.column("valid_fraction"), 1.0)).as_py() or 0)
    return [
        *numbers,
        Number("tiles", f"{subset.sites:,}", f"{tiles.num_rows:,}", tiles.num_rows == subset.sites),
        Number("tiles without a missing voxel", "", f"{whole:,}", None, "the others lie at an edge of the volume"),
    ]


def _of_vectors(store: DatasetStore) -> list[Number]:
    """What the product promises of any brain: vectors that find more than raw pixels, and a split that does not flatter."""
    scorecard = store.results(RETRIEVAL_SCORECARD).read()
    vectors = _interval(scorecard, "precision", role="in use", metric="cosine", label="class", k=_NEIGHBOURS)
    pixels = _interval(scorecard, "precision", encoder="raw pixels", metric="cosine", label="class", k=_NEIGHBOURS)
    gap = _interval(store.results(LEAKAGE_REPORT).read(), "balanced_accuracy", probe="class_gap", split="neuron_id")
    above = None if vectors is None or pixels is None else vectors["value"] > pixels["value"]
    return [
        Number(
            f"share of the {_NEIGHBOURS} nearest of the same class, other neurons",
            f"above raw pixels ({_shown(pixels)})",
            _shown(vectors),
            above,
        ),
        Number(
            "how much more a random split claims",
            "not below 0",
            _shown(gap),
            None if gap is None else (gap["high"] if gap["high"] is not None else gap["value"]) >= 0,
            "holds where its interval reaches 0 or more",
        ),
    ]


def _only_here(store: DatasetStore, dataset: EmDataset) -> list[Number]:
    """What no rule promises: how well the class can be named, by what was held out, and what the clusters are worth."""
    leakage = store.results(LEAKAGE_REPORT).read()
    numbers = [
        Number(
            f"balanced accuracy, {'split at random' if split == 'random' else f'{split} held out'}",
            "",
            _shown(_interval(leakage, "balanced_accuracy", probe="class", split=split)),
            None,
        )
        for split in (*dataset.grouping, "random")
    ]
    release = store.release() or {}
    verdict = release.get("scores", {}).get("cluster_model", {}).get("verdict", _NONE)
    return [*numbers, Number("verdict on the clusters", "", str(verdict), None)]


def _interval(table: pa.Table, score: str, **chosen: str | int) -> dict[str, Any] | None:
    """`value`, `low` and `high` of that score in a table of scores; None where it is not there, or has no value."""
    for name, wanted in {"score": score, **chosen}.items():
        table = table.filter(pc.equal(table.column(name), wanted))
    rows = [row for row in table.select(["value", "low", "high"]).to_pylist() if row["value"] is not None]
    return rows[0] if rows else None


def _shown(row: dict[str, Any] | None) -> str:
    if row is None:
        return "not assessed"
    if row["low"] is None or row["high"] is None:
        return f"{row['value']:.3f}"
    return f"{row['value']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"
