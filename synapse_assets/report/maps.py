"""How well the vectors find what is alike, and the maps that are made of them."""

from typing import Any

import numpy as np
import numpy.typing as npt

from synapse_assets.figures.intervals import Line, interval_figure
from synapse_assets.figures.maps import map_figure, maps_sheet
from synapse_assets.figures.style import Verdict
from synapse_assets.report.content import Block
from synapse_assets.report.release import Release, interval, literal

# Points of a map; more would only lie on each other.
_POINTS = 20_000
# Investigation groups with figures.
_GROUPS = 6
_SCORES = {
    "k-NN balanced accuracy": "vote of the 10 nearest",
    "linear balanced accuracy": "linear probe",
    "mean average precision": "mean average precision",
}
_ROLES = "list_position(['in use', 'candidate', 'earlier', 'baseline'], role)"
_SCORECARD = """select encoder, role, value, low, high from retrieval_scorecard
where label = 'class' and score = 'k-NN balanced accuracy' and metric = 'cosine' order by {roles}, value desc"""


def vectors(release: Release) -> list[Block]:
    """The encoder, and what its vectors find against the baselines."""
    blocks: list[Block] = []
    if release.has("embeddings"):
        blocks += release.sentences(
            """select format('The {:,} vectors are of encoder {}, with {} numbers each.', count(*), any_value(model_id),
    (select content->>'$.scores.encoder.dimensions' from release)::double::int) from embeddings"""
        )
    if not release.has("retrieval_scorecard"):
        return blocks
    scores = "".join(
        f""",
    max(format('{{:.2f}} ({{}})', value, {interval()})) filter (score = '{score}') as "{title}" """
        for score, title in _SCORES.items()
    )
    table = f"""select label, encoder, role{scores}, max(queries) as queries, max(groups) as groups
from retrieval_scorecard where coalesce(metric, 'cosine') = 'cosine'
group by label, encoder, role order by label <> 'class', label, {_ROLES}, encoder"""
    blocks.append(
        release.table(
            "How well vectors find synapses of the same kind, without the query's own neuron and near places; in brackets the 95 % "
            "interval over groups. The bar for an encoder is raw pixels, not chance",
            table,
        )
    )
    figure = _SCORECARD.format(roles=_ROLES)
    if release.rows(figure):
        blocks.append(
            release.figure(
                "Balanced accuracy of a vote of the 10 nearest neighbours on the class, with 95 % intervals over groups.",
                figure,
                lambda rows: interval_figure([_line(row) for row in rows], "balanced accuracy"),
                "Scores of {rows} encoders and baselines, as in the table above.",
            )
        )
    return blocks


def _line(row: dict[str, Any]) -> Line:
    return Line(f"{row['encoder']} ({row['role']})", row["value"], row["low"], row["high"], row["role"] == "baseline")


def the_map(release: Release) -> list[Block]:
    """The map by known class and by cluster; that of every investigation group where there are groups."""
    blocks: list[Block] = []
    if release.has("umap_coordinates", "synapse_labels"):
        query = f"""select umap_1, umap_2, target from umap_coordinates join synapse_labels using (synapse_id)
order by md5(synapse_id) limit {_POINTS}"""
        title = f"by known {release.dataset.target_name}"
        blocks.append(
            release.figure(
                f"The map of the vectors (UMAP) {title}; up to {_POINTS:,} synapses.",
                query,
                lambda rows: map_figure(_xy(rows, "umap"), [row["target"] for row in rows], title),
                "A map of {rows} synapses, coloured by known class.",
            )
        )
    if release.has("umap_coordinates", "clusters"):
        query = f"""select umap_1, umap_2, cluster from umap_coordinates join clusters using (synapse_id)
order by md5(synapse_id) limit {_POINTS}"""
        verdict = release.cluster_verdict
        blocks.append(
            release.figure(
                f"The same map by cluster; grey is noise. {verdict.line if verdict else ''}".strip().removesuffix(".")
                + ".",
                query,
                lambda rows: map_figure(_xy(rows, "umap"), [row["cluster"] for row in rows], "by cluster", verdict),
                "A map of {rows} synapses, coloured by cluster.",
            )
        )
    if release.has("projection"):
        groups = release.rows("select distinct investigation_group as name from projection order by 1")
        blocks += [_map_of_group(release, row["name"]) for row in groups[:_GROUPS]]
    return blocks


def _map_of_group(release: Release, group: str) -> Block:
    with_clusters = release.has("clusters")
    cluster, join = (
        ("cluster", "left join clusters using (investigation_group, synapse_id)")
        if with_clusters
        else ("null as cluster", "")
    )
    query = f"""select map_1, map_2, {cluster}, neuron_type, neuron_id, synapse_area
from projection join synapses using (synapse_id) {join}
where investigation_group = {literal(group)} order by synapse_id"""
    verdict = _verdict_of_group(release, group)

    def draw(rows: list[dict[str, Any]]) -> bytes:
        areas = np.array(
            [np.nan if row["synapse_area"] is None else row["synapse_area"] for row in rows], dtype=np.float64
        )
        clusters = [row["cluster"] for row in rows] if with_clusters else None
        types, neurons = ([str(row[name]) for row in rows] for name in ("neuron_type", "neuron_id"))
        return maps_sheet(_xy(rows, "map"), clusters, types, neurons, areas, group, verdict=verdict)

    return release.figure(
        f"Investigation group {group}: its map by cluster, by neuron and by area of the synapse.",
        query,
        draw,
        "The map of {rows} synapses of the group, by cluster, by neuron and by area.",
    )


def _verdict_of_group(release: Release, group: str) -> Verdict | None:
    """The verdict on the clusters of a group, for its figures; None where they were not assessed."""
    if not release.has("cluster_stability"):
        return None
    rows = release.rows(f"select verdict from cluster_stability where investigation_group = {literal(group)}")
    return Verdict(rows[0]["verdict"], rows[0]["verdict"]) if rows else None


def _xy(rows: list[dict[str, Any]], name: str) -> npt.NDArray[np.float64]:
    return np.array([(row[f"{name}_1"], row[f"{name}_2"]) for row in rows], dtype=np.float64).reshape(-1, 2)
