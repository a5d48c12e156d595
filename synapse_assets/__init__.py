"""synapse_assets: from synapse locations and electron-microscopy volumes to maps, clusters and classifiers."""

__version__ = "0.1.0"
