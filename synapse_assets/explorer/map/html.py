"""The texts of the map page: cards, grids of tiles, bars. Every name and id goes through `escape`: they come from outside.

What does not belong here: the selection (`controls`, `selection`), styles (`style`) and other pages (`explorer.server`, templates).
"""

from collections.abc import Callable, Sequence
from html import escape

import numpy as np
import numpy.typing as npt
import pandas as pd

from synapse_assets.explorer.map.rendering import Colouring
from synapse_assets.explorer.urls import card_url, clusters_url, search_url, tile_url
from synapse_assets.query.points import CATEGORIES, NUMBERS, Points
from synapse_assets.stores.models import NOT_ASSESSED

# Not navigator.clipboard, which browsers offer for this machine and https only.
_COPY = (
    "this.closest('div').querySelector('textarea').select(); document.execCommand('copy'); this.textContent = 'Copied'"
)
# A text of these pages in the words of the dataset's chain.
Words = Callable[[str], str]

_TIP_FACTS = ("target", "predicted", "brain_region", "cluster", "score")


def tip(dataset: str, release: str | None, points: Points, row: int, words: Words = str) -> str:
    """The tip while the mouse rests on a point. release: whose pictures are shown; None for a dataset without pictures."""
    facts = points.frame([row]).iloc[0]
    titles = {name: title for name, title in _titles(points, words).items() if name in _TIP_FACTS}
    return f'<div class="tip">{_tile(dataset, release, facts["synapse_id"])}{_list(facts, titles)}</div>'


def hint(searches: bool) -> str:
    """The text where a picked synapse will be. `searches`: whether there is something to search with."""
    click = "click it to keep it here, twice to search with it" if searches else "click it to keep it here"
    return (
        f'<div class="card"><p class="quiet">Rest on a point to see it; {click}. Lasso and Box select many.</p></div>'
    )


def card(dataset: str, release: str | None, points: Points, row: int, words: Words = str) -> str:
    """The card of a picked synapse; release as for `tip`."""
    facts = points.frame([row]).iloc[0]
    synapse_id = facts["synapse_id"]
    search = "" if release is None else f'<a href="{escape(search_url(dataset, synapse_id))}">Search similar</a>'
    place = ", ".join(f"{facts[axis]:,.0f}" for axis in ("x_nm", "y_nm", "z_nm"))
    titles = {"neuron_id": "neuron", **_titles(points, words)}
    titles.pop("probability", None)
    return (
        f'<div class="card"><div><h2>{words("synapse").capitalize()} {escape(synapse_id)}</h2>{_tile(dataset, release, synapse_id)}</div>'
        f"<div>{_list(facts, titles, {'x, y, z in nm': place})}"
        f'<div class="actions">{search}'
        f'<a href="{escape(card_url(dataset, synapse_id))}">Open card</a></div></div></div>'
    )


def tiles(
    dataset: str,
    release: str | None,
    ids: Sequence[str],
    indices: npt.NDArray[np.int64],
    colouring: Colouring,
    count: int,
) -> str:
    """Pictures of the surrounded synapses: of the first (`ids`, `indices`) of `count` synapses, underlined in their colours.

    Their ids where the dataset has no pictures: release as for `tip`.
    """
    colours = [colouring.colours[code] for code in colouring.codes[indices]]
    links = "".join(
        f'<a href="{escape(card_url(dataset, synapse_id))}" title="{escape(synapse_id)}" style="border-color:{colour}">'
        f"{_tile(dataset, release, synapse_id) or escape(synapse_id)}</a>"
        for synapse_id, colour in zip(ids, colours, strict=True)
    )
    title = f"The first {len(ids):,} of {count:,}" if len(ids) < count else f"All {count:,}"
    return f'<h2>{title}</h2><div class="{"list" if release is None else "grid"}">{links}</div>'


def composition(colouring: Colouring, counts: npt.NDArray[np.int64], words: Words = str) -> str:
    """How many were surrounded, and bars with counts and percent by class, the most common first."""
    lines = "".join(
        f'<tr><td class="name">{escape(colouring.names[index])}</td><td class="bar">'
        f'<i style="width:{100 * counts[index] / counts.max():.1f}%;background:{colouring.colours[index]}"></i></td>'
        f'<td class="number">{counts[index]:,}</td><td class="number">{100 * counts[index] / counts.sum():.1f}&thinsp;%</td></tr>'
        for index in np.argsort(-counts, kind="stable")
        if counts[index]
    )
    return f"<h2>{counts.sum():,} selected, by {escape(words(colouring.title))}</h2><table>{lines}</table>"


def id_list(ids: Sequence[str], count: int) -> str:
    """Ids to copy, one a line: the first of `count`."""
    first = f", the first {len(ids):,}" if len(ids) < count else ""
    lines = escape("\n".join(ids))
    return (
        f'<h2 class="ids">Ids{first} <button type="button" onclick="{_COPY}">Copy</button></h2>'
        f'<textarea readonly rows="4" aria-label="Ids">{lines}</textarea>'
    )


def status(shown_count: int, on_map: int, count: int, trust: str, caption: str, words: Words = str) -> str:
    """How many of the synapses on the map are shown, and how many of all `count` are not on it. trust: what `trust` gives where clusters
    are shown, or ""; caption: HTML of a search, or ""."""
    text = f"<strong>{shown_count:,}</strong> of {on_map:,} {words('synapses')} shown"
    if count > on_map:
        text += f" · {count - on_map:,} have no place on the map"
    text += "".join(f" · {part}" for part in (trust, caption) if part)
    return f'<p style="margin:0">{text}</p>'


def trust(dataset: str, points: Points) -> str:
    """How far the clusters can be trusted, and where the reason stands."""
    verdict = escape(points.cluster_verdict or NOT_ASSESSED)
    return f'clusters: <a href="{escape(clusters_url(dataset))}">{verdict}</a>'


def notice(*sentences: str) -> str:
    """Sentences that the user should not miss; nothing for none."""
    return "".join(f'<p class="notice">{escape(sentence[:1].upper() + sentence[1:])}.</p>' for sentence in sentences)


def legend_style(colouring: Colouring, counts: npt.NDArray[np.int64]) -> str:
    """Boxes in the colours of their classes, and how many points each has. Colours and numbers only: never a name."""
    return "".join(
        f".bk-input-group > label:nth-child({at + 1}) {{ --chip: {colour}; }}"
        f'.bk-input-group > label:nth-child({at + 1})::after {{ content: "{count:,}"; }}'
        for at, (colour, count) in enumerate(zip(colouring.colours, counts, strict=True))
    )


def _titles(points: Points, words: Words) -> dict[str, str]:
    return {
        name: words(title)
        for name, title in {**CATEGORIES, **NUMBERS}.items()
        if name in {**points.categories, **points.numbers}
    }


def _tile(dataset: str, release: str | None, synapse_id: str) -> str:
    if release is None:
        return ""
    address = escape(tile_url(dataset, release, synapse_id))
    return f'<img class="tile" loading="lazy" alt="no picture" src="{address}">'


def _list(facts: pd.Series, titles: dict[str, str], extra: dict[str, str] | None = None) -> str:
    texts = {title: _text(facts[name]) for name, title in titles.items() if not pd.isna(facts[name])}
    if "predicted" in titles and not pd.isna(facts.get("probability")) and not pd.isna(facts["predicted"]):
        texts[titles["predicted"]] += f" ({facts['probability']:.0%})"
    if titles.get("cluster") in texts:
        verdict = facts["cluster_verdict"]
        texts[titles["cluster"]] += f" ({NOT_ASSESSED if pd.isna(verdict) else verdict})"
    lines = "".join(
        f"<dt>{escape(title)}</dt><dd>{escape(text)}</dd>" for title, text in {**texts, **(extra or {})}.items()
    )
    return f"<dl>{lines}</dl>"


def _text(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, (float, np.floating)) else str(value)
