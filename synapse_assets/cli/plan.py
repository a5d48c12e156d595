"""The command `plan`: what running a dataset takes, known before it is run. What is computed belongs to `pipeline/em/planning`."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from synapse_assets.cli.completion import complete_dataset, complete_region
from synapse_assets.cli.selection import entry_of
from synapse_assets.errors import BadInput, Unreachable
from synapse_assets.settings import Settings

if TYPE_CHECKING:
    from synapse_assets.datasets import Dataset
    from synapse_assets.pipeline.em.planning.forecast import Forecast, Prices
    from synapse_assets.pipeline.em.planning.rates import GivenRates, Rates
    from synapse_assets.pipeline.em.planning.workload import Workload

# Numbers of nodes that stand beside the one asked for.
_BESIDE = (1, 10, 100)
# Where no terminal says how wide it is: lines stay whole, for grep.
_WIDE = 200
_NOT_COUNTED = (
    "Not counted: what is fitted once on a sample (encoder, map, clusters, classifier), what is made of vectors by region, and the "
    "warehouse."
)


@dataclass(frozen=True)
class Plan:
    """What a dataset takes on several numbers of machines, and what stands in the way."""

    work: "Workload"
    rates: "Rates"
    forecasts: "Sequence[Forecast]"
    concerns: Sequence[str]


def plan(
    dataset: Annotated[str, typer.Argument(help="Dataset by name, or its YAML file.", autocompletion=complete_dataset)],
    nodes: Annotated[int, typer.Option(help="Machines that work together.")] = 1,
    cores: Annotated[
        float | None, typer.Option(help="Cores of each. Default: as many as here.", show_default=False)
    ] = None,
    mbit: Annotated[
        float | None,
        typer.Option(
            help="Line of each to the bucket, in Mbit a second, each way. Default: 400, assumed.", show_default=False
        ),
    ] = None,
    gpu: Annotated[
        str | None,
        typer.Option(help="GPU of each, such as A100, whose speed is given by --embed or assumed.", show_default=False),
    ] = None,
    regions: Annotated[
        str | None,
        typer.Option(
            help="Brain regions with commas between them. Default: all.",
            autocompletion=complete_region,
            show_default=False,
        ),
    ] = None,
    decode: Annotated[
        float | None,
        typer.Option(
            help="Million voxels that a core decodes in a second. Default: measured here.", show_default=False
        ),
    ] = None,
    encode: Annotated[
        float | None,
        typer.Option(
            help="Tiles that a core encodes and stores in a second. Default: measured here.", show_default=False
        ),
    ] = None,
    embed: Annotated[
        float | None,
        typer.Option(
            help="Tiles that a core, or the --gpu, embeds in a second. Default: measured here.", show_default=False
        ),
    ] = None,
    reads: Annotated[
        float | None,
        typer.Option(help="Requests that the bucket answers in a second. Default: 5,000, assumed.", show_default=False),
    ] = None,
    node_hour: Annotated[float | None, typer.Option(help="Price of an hour of a node.", show_default=False)] = None,
    gb_month: Annotated[
        float | None, typer.Option(help="Price of a GB stored for a month.", show_default=False)
    ] = None,
    million_reads: Annotated[
        float | None, typer.Option(help="Price of a million requests to the bucket.", show_default=False)
    ] = None,
    gb_fetched: Annotated[
        float | None, typer.Option(help="Price of a GB fetched from the bucket.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="All of it as JSON, for scripts.")] = False,
) -> None:
    """Say what running a dataset takes, before it is run: chunks, bytes, hours, storage, money, and what everything waits for.

    Chunks are counted exactly, from the synapses that were read; how fast this machine decodes, encodes and embeds is measured on some of
    them, in seconds, and every number says whether it was counted, measured here, given or assumed. Of 1, 10 and 100 nodes, and those asked
    for. Money is told for the prices that you give, in their currency.
    """
    from synapse_assets.pipeline.em.planning.forecast import Prices
    from synapse_assets.pipeline.em.planning.rates import GivenRates

    if nodes < 1:
        raise BadInput(f"--nodes has to be at least 1, not {nodes}")
    given = GivenRates(decode=decode, encode=encode, embed=embed, gpu=gpu, cores=cores, mbit=mbit, reads=reads)
    prices = Prices(node_hour=node_hour, gb_month=gb_month, million_reads=million_reads, gb_fetched=gb_fetched)
    found = _planned(Settings(), dataset, nodes, regions, given, prices)
    if as_json:
        typer.echo(json.dumps(_as_json(found), indent=1))
    else:
        console = Console(highlight=False)
        _print(console if console.is_terminal else Console(highlight=False, width=_WIDE), found)


def _planned(
    settings: Settings, name: str, nodes: int, regions: str | None, given: "GivenRates", prices: "Prices"
) -> Plan:
    """What is known of a dataset. Raises BadInput for one without volumes and places, Unreachable for a volume that does not answer."""
    from synapse_assets.datasets import load_dataset
    from synapse_assets.pipeline.em.planning.concerns import concerns
    from synapse_assets.pipeline.em.planning.forecast import Machines, forecast
    from synapse_assets.pipeline.em.planning.rates import find_rates
    from synapse_assets.pipeline.em.planning.workload import count_work
    from synapse_assets.stores import DatasetStore

    loaded = load_dataset(entry_of(settings, name), settings.local_root)
    _check_plannable(loaded)
    store = DatasetStore(settings.data_root, loaded.name, settings.local_root)
    names = None if regions is None else [region.strip() for region in regions.split(",") if region.strip()]
    try:
        work = count_work(store, loaded, names, settings.ray_part_tiles)
        rates = find_rates(store, loaded, work, settings.device, given)
    except ConnectionError as error:
        raise Unreachable(str(error)) from error
    forecasts = {}
    for count in sorted({*_BESIDE, nodes}):
        on_ray = count > 1 or settings.ray_address is not None
        machines = Machines(count, on_ray, settings.ray_cpus, settings.ray_runs)
        forecasts[count] = forecast(work, rates, machines, prices)
    return Plan(work, rates, list(forecasts.values()), concerns(work, rates, loaded, forecasts[nodes]))


def _check_plannable(dataset: "Dataset") -> None:
    from synapse_assets.datasets import chain_of

    chain = chain_of(dataset)
    if "tile_plan" not in {facts.name for facts in chain.assets_of(dataset)}:
        raise BadInput(
            f"{dataset.name} is on the chain {chain.name}: `plan` is for datasets that cut tiles around known synapses (chain em)"
        )


def _print(console: Console, found: Plan) -> None:
    work, largest = found.work, found.work.largest
    most = f", {largest.tiles:,} of them in {largest.region}" if largest and len(work.regions) > 1 else ""
    console.print(
        f"[bold]{work.dataset}[/bold]: {work.tiles:,} synapses in {_counted(len(work.regions), 'region')}{most}\n"
    )
    takes = _table("", "takes", "rests on")
    for row in _takes(found):
        takes.add_row(*row)
    console.print(takes)
    console.print()
    paid = any(one.once is not None for one in found.forecasts)
    hours = _table("nodes", "time", *(["money"] if paid else []), "waits for")
    for one in found.forecasts:
        where = f"{one.machines.nodes:,}" + ("" if one.machines.on_ray else ", without Ray")
        money = [f"{one.once:,.2f}"] if paid else []
        hours.add_row(where, duration(one.hours), *money, str(one.bottleneck))
    console.print(hours)
    if (month := found.forecasts[0].a_month) is not None:
        console.print(f"\nStored for a month: {month:,.2f}")
    for sentence in found.concerns:
        console.print(f"\n[yellow]![/yellow] {sentence}", soft_wrap=True)
    console.print(f"\n{_NOT_COUNTED}", style="dim", soft_wrap=True)


def _table(*heads: str) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0), pad_edge=False)
    for head in heads:
        table.add_column(head, no_wrap=head in ("", "nodes", "time", "takes", "money"), overflow="fold")
    return table


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _takes(found: Plan) -> list[tuple[str, str, str]]:
    """Rows: what it is, how much of it, and where that is known from."""
    from synapse_assets.pipeline.em.planning import forecast as sums

    work, rates = found.work, found.rates
    whole, parts = work.whole, work.in_parts
    unit = f"{rates.gpu} hours" if rates.gpu else "core-hours"
    processor = f"{rates.gpu}" if rates.gpu else "core"
    commits = sums.commit_s([one.tiles for one in work.regions])
    index = sums.index_s(work.tiles, round(rates.dimensions.value))
    again = parts.decoded_chunks - whole.decoded_chunks
    return [
        ("chunks", f"{whole.decoded_chunks:,}", f"counted; {whole.chunks:,} different ones"),
        (
            "",
            f"{again:+,} on a cluster",
            f"counted; {_counted(work.parts, 'part')} of at most {work.part_tiles:,} tiles",
        ),
        (
            "fetched",
            _size(whole.fetched_bytes),
            "counted; JPEG assumed to take half a byte a voxel" if whole.requests else "volume on this machine",
        ),
        (
            "decode",
            f"{_amount(whole.decoded_voxels / rates.decode.value / 3600)} core-hours",
            _of(rates.decode.value / 1e6, "million voxels a second and core", rates.decode.basis),
        ),
        (
            "encode, store",
            f"{_amount(sums.encode_s(work, rates) / 3600)} core-hours",
            _of(rates.encode.value, "tiles a second and core", rates.encode.basis),
        ),
        (
            "embed",
            f"{_amount(sums.embed_s(work, rates) / 3600)} {unit}",
            _of(rates.embed.value, f"tiles a second and {processor}", rates.embed.basis),
        ),
        (
            "commits",
            duration(commits / 3600),
            f"{_counted(sums.COMMITTED_TABLES * len(work.regions), 'commit')}; assumed",
        ),
        (
            "index",
            f"{_amount(index / 3600)} core-hours",
            f"on one machine, vectors of {rates.dimensions.value:,.0f} numbers ({rates.dimensions.basis}); assumed"
            if index
            else f"none below {sums.INDEXED_FROM:,} vectors",
        ),
        (
            "stored",
            _size(sums.stored_bytes(work, rates)),
            _of(rates.tile_bytes.value / 1e3, "kB a tile", rates.tile_bytes.basis),
        ),
        (
            "a node",
            f"{rates.cores.value:,.0f} cores, {rates.line.value * 8 / 1e6:,.0f} Mbit/s",
            f"{rates.cores.basis}, {rates.line.basis}",
        ),
        ("the bucket", f"{rates.reads.value:,.0f} requests a second", str(rates.reads.basis)),
    ]


def _of(value: float, unit: str, basis: str) -> str:
    return f"{_amount(value)} {unit}, {basis}"


def _amount(value: float) -> str:
    """A number with as many digits as are worth something."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}"


def _size(count: float) -> str:
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count / 1e3:,.1f} kB" if count else "nothing"


def duration(hours: float) -> str:
    """Hours in the unit that suits them."""
    for unit, size in (("days", 48.0), ("hours", 2.0), ("minutes", 2 / 60)):
        if hours >= size:
            return f"{_amount(hours / {'days': 24.0, 'hours': 1.0, 'minutes': 1 / 60}[unit])} {unit}"
    return f"{_amount(hours * 3600)} seconds"


def _as_json(found: Plan) -> dict[str, Any]:
    from synapse_assets.pipeline.em.planning import forecast as sums

    work, rates = found.work, found.rates
    return {
        "dataset": work.dataset,
        "synapses": work.tiles,
        "regions": {one.region: {"synapses": one.tiles, **asdict(one.reading)} for one in work.regions},
        "counted": {"whole": asdict(work.whole), "in_parts": asdict(work.in_parts), "parts": work.parts},
        "rates": {
            name: {"value": rate.value, "basis": str(rate.basis)}
            for name, rate in vars(rates).items()
            if hasattr(rate, "basis")
        },
        "gpu": rates.gpu,
        "takes": {
            "decode_core_hours": sums.decode_s(work, rates, on_ray=False) / 3600,
            "encode_core_hours": sums.encode_s(work, rates) / 3600,
            f"embed_{'gpu' if rates.gpu else 'core'}_hours": sums.embed_s(work, rates) / 3600,
            "commit_hours": sums.commit_s([one.tiles for one in work.regions]) / 3600,
            "index_core_hours": sums.index_s(work.tiles, round(rates.dimensions.value)) / 3600,
            "stored_bytes": round(sums.stored_bytes(work, rates)),
        },
        "forecasts": [
            {
                "nodes": one.machines.nodes,
                "on_ray": one.machines.on_ray,
                "hours": one.hours,
                "waits_for": str(one.bottleneck),
                "stages": {
                    stage.name: {limit.name.lower(): seconds for limit, seconds in stage.limits.items()}
                    for stage in one.stages
                },
                "money": one.once,
                "money_a_month": one.a_month,
            }
            for one in found.forecasts
        ],
        "concerns": list(found.concerns),
    }
