"""URLs of pages and pictures on this server; the routes themselves are in `server`."""

from urllib.parse import quote, urlencode

from markupsafe import Markup


def at(dataset: str) -> str:
    """URL of the pages of an entry, which the name of a page follows after a slash."""
    return f"/{quote(dataset, safe='')}"


def tile_url(dataset: str, release: str, synapse_id: str, section: int | None = None) -> str:
    """URL of the picture of a synapse as it was in that release: its middle section, or another."""
    parameters = {"release": release} | ({} if section is None else {"section": str(section)})
    return f"{at(dataset)}/tiles/{quote(synapse_id, safe='')}.png?{urlencode(parameters)}"


def tile_src(dataset: str, release: str, synapse_id: str, section: int | None = None) -> Markup:
    """What an <img> says of the picture of a synapse: `src` with `tile_url`. An exported site says it otherwise."""
    return Markup('src="{}"').format(tile_url(dataset, release, synapse_id, section))


def card_url(dataset: str, synapse_id: str) -> str:
    """URL of the page of a synapse."""
    return f"{at(dataset)}/synapse/{quote(synapse_id, safe='')}"


def clusters_url(dataset: str) -> str:
    """URL of the page of all clusters, which says how far they can be trusted."""
    return f"{at(dataset)}/clusters"


def search_url(dataset: str, synapse_id: str) -> str:
    """URL of the search for synapses similar to a synapse."""
    return f"{at(dataset)}/search?synapse_id={quote(synapse_id, safe='')}"


def neuron_url(dataset: str, neuron_id: object) -> str:
    """URL of the page of a neuron."""
    return f"{at(dataset)}/neuron/{quote(str(neuron_id), safe='')}"


def picture_url(dataset: str, image_id: str) -> str:
    """URL of the page of a stained picture."""
    return f"{at(dataset)}/picture/{quote(image_id, safe='')}"


def preview_url(dataset: str, release: str, image_id: str) -> str:
    """URL of the preview of a stained picture as it was in that release."""
    return f"{at(dataset)}/previews/{quote(image_id, safe='')}.png?{urlencode({'release': release})}"


def layer_url(dataset: str, release: str, layer: str, image_id: str, palette: str) -> str:
    """URL of a layer of a stained picture (`explorer.stained_layers.LAYERS`) as it was in that release, in pixels of the picture."""
    parameters = {"palette": palette, "release": release}
    return f"{at(dataset)}/layers/{quote(layer, safe='')}/{quote(image_id, safe='')}.png?{urlencode(parameters)}"


def legend_url(dataset: str, release: str, layer: str, image_id: str, palette: str) -> str:
    """URL of the legend of a layer of a stained picture."""
    parameters = {"palette": palette, "release": release}
    return f"{at(dataset)}/legends/{quote(layer, safe='')}/{quote(image_id, safe='')}.png?{urlencode(parameters)}"


def explain_url(dataset: str, release: str, synapse_id: str, classifier: str, method: str) -> str:
    """URL of the map of a synapse that is computed when it is asked for, to lie over its tile."""
    parameters = {"classifier": classifier, "method": method, "release": release}
    return f"{at(dataset)}/explain/{quote(synapse_id, safe='')}.png?{urlencode(parameters)}"


def explained_url(dataset: str, release: str, synapse_id: str, classifier: str, method: str) -> str:
    """URL of the map of a synapse that is stored with a release."""
    parameters = {"classifier": classifier, "method": method, "release": release}
    return f"{at(dataset)}/explained/{quote(synapse_id, safe='')}.png?{urlencode(parameters)}"


def compare_url(dataset: str, synapse_id: str, other: str) -> str:
    """URL of the page of two synapses that says what makes their tiles alike."""
    return f"{at(dataset)}/alike?{urlencode({'synapse_id': synapse_id, 'other': other})}"


def alike_url(dataset: str, release: str, synapse_id: str, other: str) -> str:
    """URL of the map over the first synapse's tile of what makes it like the other's."""
    parameters = {"synapse_id": synapse_id, "other": other, "release": release}
    return f"{at(dataset)}/alike.png?{urlencode(parameters)}"


def section_url(dataset: str, release: str, picture: str, box: tuple[str, int, int, int, int, int], layer: str) -> str:
    """URL of a picture of a section, grey or map: volume, z, first x and y, width and height in voxels."""
    values: dict[str, object] = dict(zip(("volume", "z", "x", "y", "width", "height"), box, strict=True))
    values |= ({"layer": layer} if layer else {}) | {"release": release}
    return f"{at(dataset)}/sections/{picture}.png?{urlencode(values)}"


def examined_url(dataset: str, release: str, site_id: str) -> str:
    """URL of the tile of an examined site as it was in that release."""
    return f"{at(dataset)}/examined/{quote(site_id, safe='')}.png?{urlencode({'release': release})}"


# What templates call by name.
IN_TEMPLATES = (
    at, tile_src, card_url, neuron_url, picture_url, preview_url, layer_url, legend_url, explained_url, compare_url,
    examined_url,
)  # fmt: skip
