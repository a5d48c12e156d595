"""The map page of a dataset: all its synapses in the plane, to colour, filter, view, pick and surround.

Model, view and rendering are separate: `model` holds which synapses are shown and how, `rendering` turns them into pictures, `viewport`
is the part of them that a browser sees, `controls` are the widgets around it, `selection` and `search` what the user does with them,
`state` the content of the URL. `page` joins them, `sessions` serves them. Other pages belong to `explorer.server`.
"""

from synapse_assets.explorer.map.page import add_maps

__all__ = ["add_maps"]
