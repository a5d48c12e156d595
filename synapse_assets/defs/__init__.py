"""The lineage graph: assets and their checks, one module a stage. Wiring only.

An asset body reads from stores, calls the rooms below (`sources`, `volumes`, `vision`, `analysis`), writes to a store and
returns numbers and a picture. Loops and formulas belong in those rooms. Heavy packages (torch, umap, lancedb) are
imported inside the bodies, because every Dagster step imports this package anew.
"""

import os
import warnings

import dagster as dg

# Checks per region are a preview feature of Dagster 1.13; the versions are pinned and the tests hold them.
warnings.filterwarnings("ignore", category=dg.PreviewWarning)
# Observing several external assets, and conditions of our own, are beta.
warnings.filterwarnings("ignore", category=dg.BetaWarning)
# Lance logs every scan otherwise.
os.environ.setdefault("LANCE_LOG", "error")
