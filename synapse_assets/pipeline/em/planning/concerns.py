"""What stands in the way of running a dataset, said beforehand: limits of the dataset file, of memory and of the bucket."""

from collections.abc import Iterator, Sequence

from synapse_assets.datasets import Dataset
from synapse_assets.pipeline.em.planning.forecast import Forecast, Limit, Machines, node_bytes, run_bytes
from synapse_assets.pipeline.em.planning.rates import Rates
from synapse_assets.pipeline.em.planning.workload import Workload

# Regions that are named in a sentence.
_NAMES_SHOWN = 3
# The share of a machine's memory that may be planned with.
_MEMORY_SHARE = 0.8


def concerns(work: Workload, rates: Rates, dataset: Dataset, asked: Forecast) -> list[str]:
    """Sentences, each with what to do. `asked` is the forecast that they are about."""
    return [
        *_outside(work),
        *_ceilings(work, dataset),
        *_requests(work, asked),
        *_memory(work, rates, asked.machines),
        *_places(dataset, asked.machines),
    ]


def _outside(work: Workload) -> Iterator[str]:
    regions = [one.region for one in work.regions if one.outside]
    if regions:
        count = sum(one.outside for one in work.regions)
        yield (
            f"{count:,} synapses lie outside their volume ({_some(regions)}) and are not counted: `synapses` refuses their regions, "
            "unless the dataset's YAML says leave_out_outside: true"
        )


def _ceilings(work: Workload, dataset: Dataset) -> Iterator[str]:
    for name, volume in dataset.tile_volumes.items():
        fetched = {one.region: one.whole[name].fetched_bytes / 1e9 for one in work.regions if name in one.whole}
        above = sorted(
            (one for one in fetched if fetched[one] > volume.download_ceiling_gb), key=lambda one: -fetched[one]
        )
        if above:
            yield (
                f"{len(above)} of {len(fetched)} regions would fetch more than the {volume.download_ceiling_gb:g} GB that volume '{name}' "
                f"allows a run ({_some([f'{one}: {fetched[one]:,.0f} GB' for one in above])}), which is refused: set download_ceiling_gb: "
                f"{fetched[above[0]] * 1.05:.3g} there"
            )


def _requests(work: Workload, asked: Forecast) -> Iterator[str]:
    for stage in asked.stages:
        reads = stage.limits.get(Limit.READS, 0.0)
        others = max((seconds for limit, seconds in stage.limits.items() if limit is not Limit.READS), default=0.0)
        if reads > others > 0:
            requests = work.in_parts.requests if asked.machines.on_ray else work.whole.requests
            yield (
                f"{asked.machines.nodes:,} nodes could ask for {requests / others:,.0f} chunks a second, but the bucket answers "
                f"{requests / reads:,.0f}: more nodes do not help. Ask its owner for more, copy the volume, or set requests_per_second, so "
                "that it is not overrun"
            )


def _memory(work: Workload, rates: Rates, machines: Machines) -> Iterator[str]:
    room, largest = rates.memory_bytes, work.largest
    if room is None or largest is None:
        return
    run = run_bytes(largest)
    if run > _MEMORY_SHARE * room:
        yield (
            f"the run of {largest.region} holds about {run / 1e9:.0f} GB, this machine has {room / 1e9:.0f}: it needs a larger one, or a "
            "trial_limit"
        )
    if machines.on_ray and (parts := node_bytes(rates, machines)) > _MEMORY_SHARE * room:
        yield (
            f"the parts at work on a node hold about {parts / 1e9:.0f} GB, this machine has {room / 1e9:.0f}: on nodes like it, set "
            "SYNAPSE_RAY_CPUS higher, so that there are fewer at a time"
        )


def _places(dataset: Dataset, machines: Machines) -> Iterator[str]:
    local = [
        name
        for name, volume in dataset.tile_volumes.items()
        if "://" not in volume.url or volume.url.startswith("file:")
    ]
    if machines.nodes > 1 and local:
        yield (
            f"volume {_some(local)} lies in a folder of this machine: every node has to see it under the same path, and its line is not "
            "counted"
        )


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return ", ".join(names[:_NAMES_SHOWN]) + more
