"""Clusters, never without the verdict on them: how large they are, what they are made of, and what typical members look like."""

import json
from typing import Any

import pyarrow as pa

from synapse_assets.figures.clusters import cluster_sheet
from synapse_assets.figures.stability import sweep_figure
from synapse_assets.report.content import Block
from synapse_assets.report.release import Release, interval, literal

# Clusters in a table and in a picture, and investigation groups with pictures.
_MOST, _DRAWN = 20, 6
_GROUPS = 6

_VERDICT = """select format('The clustering is {}. {}', content->>'$.scores.cluster_model.verdict',
    coalesce(content->>'$.scores.cluster_model.verdict_reason', '')) from release
where content->>'$.scores.cluster_model.verdict' is not null"""
_CARDS = f"""select case cluster when -1 then 'noise' else cluster::varchar end as cluster, synapses,
    format('{{:.1f}} %', 100 * share) as share,
    neurons, format('{{:.0f}} %', 100 * top_neuron_share) as "of its largest neuron",
    case when one_neuron then 'mostly one neuron' end as note,
    regexp_replace(nullif(explained_by, '{{}}'), '[{{}}":]', '', 'g') as "explained by",
    left(regexp_replace(targets, '[{{}}":]', '', 'g'), 120) as "known classes"
from cluster_cards order by cluster < 0, synapses desc limit {_MOST}"""


def clusters(release: Release) -> list[Block]:
    """The verdict first, then the clusters."""
    blocks: list[Block] = []
    if release.has("clusters"):
        blocks += release.sentences(_VERDICT)
    if release.has("cluster_cards"):
        blocks.append(_sheet(release))
        blocks.append(release.table(f"Clusters by size, at most {_MOST}", _CARDS))
    if release.has("cluster_stability"):
        blocks.append(release.table("How far the clusters of each investigation group can be trusted", _STABILITY))
        blocks += release.sentences(
            "select format('{}: {}. {}', investigation_group, verdict, sentence) from cluster_stability order by investigation_group"
        )
    if release.has("cluster_profiles"):
        blocks.append(release.table(f"Clusters of each investigation group, at most {2 * _MOST}", _PROFILES))
    if release.has("predictions"):
        blocks.append(
            release.table("Newly observed synapses by the cluster that they are predicted to belong to", _PREDICTED)
        )
    if release.has("parameter_sweep"):
        groups = release.rows("select distinct investigation_group as name from parameter_sweep order by 1")
        blocks += [_sweep(release, row["name"]) for row in groups[:_GROUPS]]
    if release.has("recipe_comparison"):
        blocks.append(release.table("What other recipes find", _RECIPES))
    if release.has("recipe_summary"):
        blocks += release.sentences("select paragraph from recipe_summary order by investigation_group")
    return blocks


def _sheet(release: Release) -> Block:
    query = f"select * from cluster_cards where cluster >= 0 order by synapses desc, cluster limit {_DRAWN}"
    medoids = [one for row in release.rows(query) for one in (row["medoids"] or [])[:5]]
    tiles = release.middle_sections(medoids)

    def draw(rows: list[dict[str, Any]]) -> bytes:
        return cluster_sheet(pa.Table.from_pylist([_complete(row) for row in rows]), tiles)

    return release.figure(
        f"The {_DRAWN} largest clusters: typical members (middle sections of their tiles), and what they are made of.",
        query,
        draw,
        "Cards of the {rows} largest clusters; the table below has their numbers.",
    )


def _complete(row: dict[str, Any]) -> dict[str, Any]:
    """A card with every field that a picture of it needs."""
    return {"verdict": None, "explained_by": None, "neurons": None, **row, "medoids": list(row["medoids"] or []),
            "targets": row["targets"] or json.dumps({}), "regions": row["regions"] or json.dumps({})}  # fmt: skip


_STABILITY = f"""select investigation_group as "group", verdict, clusters, synapses, neurons,
    format('{{:.0f}} %', 100 * noise_fraction) as noise,
    format('{{:.2f}}', stability_ari) as "agreement of refits (ARI)",
    {interval("stability_ari_low", "stability_ari_high", "neurons", "neurons")}
        as "95 % interval", format('{{:.2f}}', null_ari) as "without groups", format('{{:.2f}}', null_p) as p
from cluster_stability order by investigation_group"""
_PROFILES = f"""select investigation_group as "group", case cluster when -1 then 'noise' else cluster::varchar end as cluster, synapses,
    format('{{:.1f}} %', 100 * share) as share, format('{{:.2f}}', stability) as stability,
    format('{{:.0f}} %', 100 * top_neuron_share) as "of its largest neuron", case when one_neuron then 'mostly one neuron' end as note
from cluster_profiles order by investigation_group, cluster < 0, synapses desc limit {2 * _MOST}"""
_PREDICTED = """select investigation_group as "group", coalesce(nullif(cluster, -1)::varchar, 'none') as cluster, count(*) as synapses,
    format('{:.2f}', median(probability)) as "median probability",
    string_agg(distinct regexp_replace(reason, ' [(][^()]*[)]$', ''), '; ' order by regexp_replace(reason, ' [(][^()]*[)]$', ''))
        as "why none"
from predictions group by investigation_group, predictions.cluster order by investigation_group, predictions.cluster nulls last"""
_RECIPES = f"""select investigation_group as "group", recipe, choices, clusters,
    format('{{:.0f}} %', 100 * noise_fraction) as noise, verdict,
    format('{{:.2f}}', stability_ari) as "agreement of refits (ARI)", one_neuron_clusters as "clusters of one neuron"
from recipe_comparison order by investigation_group, recipe limit {2 * _MOST}"""


def _sweep(release: Release, group: str) -> Block:
    return release.figure(
        f"Investigation group {group}: what each setting of HDBSCAN finds, and how stable that is.",
        f"select * from parameter_sweep where investigation_group = {literal(group)} order by min_cluster_size, min_samples",
        lambda rows: sweep_figure(pa.Table.from_pylist(rows)),
        "Stability, clusters, noise and membership of {rows} settings.",
    )
