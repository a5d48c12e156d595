"""The lineage graph: assets with their dependencies and checks, a folder a chain, a module a stage. Wiring only.

The body of an asset calls its step in `pipeline` and hands its report to Dagster; the work belongs there. Heavy packages (torch,
umap, lancedb) are not imported by loading this package, because every Dagster step does that anew.
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
