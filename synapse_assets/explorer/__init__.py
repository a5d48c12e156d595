"""The web interface: search, map, synapses, clusters and classes of the released results.

Pages are plain HTML that the server renders; the map is a Panel application on the same server. Queries run in
`query`; nothing here writes but `labelling`, where it is switched on, and nothing is fetched from anywhere else.
"""

from synapse_assets.explorer.server import create_app

__all__ = ["create_app"]
