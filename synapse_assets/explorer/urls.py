"""URLs of pages and pictures on this server; the routes themselves are in `server`."""

from urllib.parse import quote, urlencode


def tile_url(dataset: str, release: str, synapse_id: str, section: int | None = None) -> str:
    """URL of the picture of a synapse as it was in that release: its middle section, or another."""
    parameters = {"release": release} | ({} if section is None else {"section": str(section)})
    return f"/{quote(dataset, safe='')}/tiles/{quote(synapse_id, safe='')}.png?{urlencode(parameters)}"


def card_url(dataset: str, synapse_id: str) -> str:
    """URL of the page of a synapse."""
    return f"/{quote(dataset, safe='')}/synapse/{quote(synapse_id, safe='')}"


def clusters_url(dataset: str) -> str:
    """URL of the page of all clusters, which says how far they can be trusted."""
    return f"/{quote(dataset, safe='')}/clusters"


def search_url(dataset: str, synapse_id: str) -> str:
    """URL of the search for synapses similar to a synapse."""
    return f"/{quote(dataset, safe='')}/search?synapse_id={quote(synapse_id, safe='')}"


def neuron_url(dataset: str, neuron_id: object) -> str:
    """URL of the page of a neuron."""
    return f"/{quote(dataset, safe='')}/neuron/{quote(str(neuron_id), safe='')}"
