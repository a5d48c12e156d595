"""What a release was made from, how much of it is there, and whether the coordinates fit the pictures."""

from typing import Any

import numpy as np
import numpy.typing as npt

from synapse_assets.figures.alignment import alignment_figure
from synapse_assets.report.content import Block, Text
from synapse_assets.report.dataset_file import as_written, fingerprint_of
from synapse_assets.report.release import Release, literal, number
from synapse_assets.volumes.alignment import EXAMPLES, Alignment, Reading, ReadingTiles

# Regions and classes with a line of their own; the others are summed.
_LINES = 20
# Tiles in the mean of a picture of alignment, and sources with a picture.
_TILES, _PICTURES = 200, 3

_FILES = """select source, file, format_bytes(bytes) as size, format('{{:,}}', rows) as rows, nullif(left_out, '{{}}') as "left out",
    concat_ws(', ', units, axis_order, space) as "read as", sha256 as "SHA-256"
from {table} order by source, file"""
_WORKBOOKS = """select workbook, file, sheet, used_for as "used for", format_bytes(bytes) as size, rows, sha256 as "SHA-256"
from workbooks order by workbook"""
_PLATES = """select source, plate, count(*) as pictures, count(*) filter (usable) as used,
    string_agg(distinct regexp_replace(why_not, '[^ ]*/', '', 'g'), '; ' order by regexp_replace(why_not, '[^ ]*/', '', 'g'))
        as "why others are not", string_agg(distinct label, ', ' order by label) as classes
from images group by all order by source, plate"""
_VOLUMES = """select volume, count(*) as blocks,
    format('{} x {} x {}', max(x_high_voxels) - min(x_low_voxels), max(y_high_voxels) - min(y_low_voxels),
        max(z_high_voxels) - min(z_low_voxels)) as "size, voxels",
    format('{} x {} x {}', any_value(voxel_x_nm), any_value(voxel_y_nm), any_value(voxel_z_nm)) as "voxel, nm"
from volume_blocks group by volume order by volume"""
_ANNOTATED = """select annotation, target, count(*) as objects, count(distinct fold) as folds
from annotated_objects group by all order by annotation, target"""


def what_went_in(release: Release) -> list[Block]:
    """The files with their hashes, and the dataset file."""
    blocks: list[Block] = []
    for table, caption in (
        ("synapse_sources", "Files that the synapses were read from"),
        ("neuron_sources", "Files that the neurons were read from"),
    ):
        if release.has(table):
            blocks.append(release.table(caption, _FILES.format(table=table)))
    if release.has("workbooks"):
        blocks.append(release.table("Workbooks that the synapses were read from", _WORKBOOKS))
    if release.has("images"):
        blocks.append(release.table("Pictures by plate", _PLATES))
    if release.has("volume_blocks"):
        blocks.append(release.table("Volumes that were searched", _VOLUMES))
    if release.has("annotated_objects"):
        blocks.append(release.table("What is annotated", _ANNOTATED))
    return [
        *blocks,
        Text(
            "The dataset file, as it is read when this report is made; fields at their default are left out, secrets in addresses are "
            f"masked. The SHA-256 of this text begins with {fingerprint_of(release.dataset, release.store)}:"
        ),
        Text(as_written(release.dataset, release.store), verbatim=True),
    ]


def coverage(release: Release) -> list[Block]:
    """What there is of every synapse, picture or block, and of which classes."""
    blocks: list[Block] = []
    if release.has("synapses") and ("synapses", "brain_region") in release.columns:
        blocks.append(release.table("What there is of the synapses, by brain region", _by_region(release)))
    if release.has("synapses", "synapse_labels"):
        blocks.append(release.table("Known classes of the synapses", _by_class(release)))
        blocks.append(release.table("Known classes in each brain region, the largest first", _classes_of_regions()))
    if release.has("synapses", "workbooks"):
        blocks.append(release.table("Synapses by type of neuron and of synapse", _BY_TYPE))
    if release.has("features"):
        blocks.append(release.table("Synapses whose measures are left out of fits, and why", _LEFT_OUT))
    if release.has("images", "plates"):
        blocks.append(release.table("Pictures by class", _PICTURES_BY_CLASS))
    if release.has("probability_maps"):
        blocks.append(release.table("Blocks of the volumes that have maps", _MAPS))
    if release.has("synapses", "volume_blocks"):
        blocks.append(release.table("Synapses that were found", _FOUND_SYNAPSES))
    if release.has("mitochondria"):
        blocks.append(release.table("Mitochondria that were found", _FOUND_MITOCHONDRIA))
    return blocks


def _by_region(release: Release) -> str:
    """SQL for the coverage of each region: how many of its synapses have a row in each table that has rows of synapses."""
    titles = {
        "tiles": "with a tile",
        "embeddings": "with a vector",
        "umap_coordinates": "on the map",
        "clusters": "in a cluster or noise",
        "synapse_labels": "of known class",
        "synapse_predictions": "with a prediction",
        "synapse_answers": "with an answer",
    }
    there = {name: title for name, title in titles.items() if release.has(name)}
    counts = "".join(f',\n    count({name}.synapse_id) as "{title}"' for name, title in there.items())
    # Of a table with several rows of a synapse, such as a cluster of each investigation group, a synapse counts once.
    joins = "\n".join(
        f"    left join (select distinct synapse_id from {name}{' where target is not null' if name == 'synapse_labels' else ''}) "
        f"{name} using (synapse_id)"
        for name in there
    )
    return f"""with sized as (
    select brain_region, row_number() over (order by count(*) desc, brain_region) as place from synapses group by brain_region
)
select coalesce(case when place <= {_LINES} then synapses.brain_region when place is not null then 'other regions' end, 'all')
        as "brain region",
    count(*) as "synapses"{counts}
from synapses join sized using (brain_region)
{joins}
group by rollup ((case when place <= {_LINES} then synapses.brain_region when place is not null then 'other regions' end))
order by grouping((case when place <= {_LINES} then synapses.brain_region when place is not null then 'other regions' end)), min(place)"""


def _by_class(release: Release) -> str:
    neurons = (
        ", count(distinct neuron_id) as neurons"
        if release.rows("select 1 from synapses where neuron_id is not null limit 1")
        else ""
    )
    return f"""select coalesce(target, 'not known') as class, count(*) as "synapses"{neurons},
    count(distinct brain_region) as "brain regions", {number("100 * count(*) / sum(count(*)) over ()", 1)} || ' %' as share
from labelled_synapses group by target order by target is null, count(*) desc, target limit {_LINES}"""


def _classes_of_regions() -> str:
    return f"""with counted as (select brain_region, target, count(*) as n from labelled_synapses where target is not null group by all)
select brain_region as "brain region", string_agg(format('{{}} {{:,}}', target, n), ', ' order by n desc, target) as classes
from counted group by brain_region order by sum(n) desc, brain_region limit {_LINES}"""


_BY_TYPE = """select neuron_type as "neuron type", synapse_type as "synapse type", used_for as "used for", count(*) as synapses,
    count(distinct neuron_id) as neurons
from synapses group by all order by all"""
_LEFT_OUT = f"""with reasons as (
    -- Without the value of the one synapse.
    select used_for, regexp_replace(left_out, ' [-+.e0-9]+ is ', ' is ') as reason from features
)
select used_for as "used for", coalesce(reason, 'not left out') as "left out", count(*) as synapses
from reasons group by used_for, reason order by used_for, reason is not null, count(*) desc, reason limit {_LINES}"""
_PICTURES_BY_CLASS = """select coalesce(label, 'not known') as class, count(*) as pictures, count(*) filter (usable) as used,
    count(distinct plate) as plates, count(distinct (plate, well)) as wells
from images group by label order by label is null, label"""
_MAPS = """select volume, target, detector, count(distinct block) as "blocks with a map",
    (select count(*) from volume_blocks v where v.volume = m.volume) as "blocks of the volume",
    format('{:.2f} %', 100 * sum(marked_share * voxels) / sum(voxels)) as marked
from probability_maps m group by all order by all"""
_FOUND_SYNAPSES = """select volume, detector, count(*) as synapses, count(distinct block) as blocks,
    format('{:.2f}', median(score)) as "median score"
from synapses group by all order by all"""
_FOUND_MITOCHONDRIA = """select volume, detector, count(*) as mitochondria, count(*) filter (cut_off) as "cut off by an edge",
    format('{:.3f}', median(volume_nm3) / 1e9) as "median volume, cubic micrometres"
from mitochondria group by all order by all"""


def alignment(release: Release) -> list[Block]:
    """The verdict on the coordinates of every source, and a picture of what lies at them."""
    if not release.has("alignment"):
        return []
    verdicts = f"""select source, verdict, {number("100 * share_inside", 1)} || ' %' as "inside the volume", {number("score")} as score,
    {number("random_score")} as "random shifts reach", sentence as "in words"
from alignment where reading = 'as given' order by source"""
    blocks: list[Block] = [release.table("Whether the coordinates fit the pictures, by source", verdicts)]
    sources = release.rows(
        "select source from alignment where reading = 'as given' and verdict <> 'no synapses' order by source"
    )
    return blocks + [_alignment_picture(release, row["source"]) for row in sources[:_PICTURES]]


def _alignment_picture(release: Release, source: str) -> Block:
    """The readings that were compared, and the mean and examples of the tiles of a source."""
    with_tiles = release.has("tiles", "synapses")
    tiles = f"""(select list(synapse_id order by md5(synapse_id))[:{_TILES}] from synapses join tiles using (synapse_id)
        where synapses.source = {literal(source)})"""
    query = f"""select reading, share_inside, score, why_not, better, random_score, verdict, sentence,
    {tiles if with_tiles else "null"} as shown
from alignment where source = {literal(source)} order by reading <> 'as given', reading"""

    def draw(rows: list[dict[str, Any]]) -> bytes:
        given, ids = rows[0], rows[0]["shown"] or []
        sections = release.middle_sections(ids)
        tiles = [_mean_and_examples(np.array(list(sections.values())))] if len(sections) >= EXAMPLES else []
        compared = tuple(
            Reading(row["reading"], row["share_inside"], row["score"], row["why_not"] or "") for row in rows
        )
        better = next((row["reading"] for row in rows if row["better"]), None)
        chance = () if given["random_score"] is None else (given["random_score"],)
        return alignment_figure(
            Alignment(given["verdict"], given["sentence"], better, compared, chance, len(rows), None, tuple(tiles))
        )

    shown = f"left the mean and {EXAMPLES} examples of up to {_TILES} of its tiles, right" if with_tiles else ""
    return release.figure(
        f"Source {source}: {shown} the score of every reading of the coordinates that was tried.",
        query,
        draw,
        "Scores of {rows} readings of the coordinates; the table above says the verdict.",
    )


def _mean_and_examples(sections: npt.NDArray[np.uint8]) -> ReadingTiles:
    """Sections of tiles, (N, side, side), each less its mean and over its standard deviation."""
    middle = sections.astype(np.float64)
    middle -= middle.mean(axis=(1, 2), keepdims=True)
    middle /= np.maximum(middle.std(axis=(1, 2), keepdims=True), 1e-9)
    return ReadingTiles("as given", middle.mean(axis=0), middle[:EXAMPLES])
