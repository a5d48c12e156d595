"""The lineage graph: assets and their checks, one module a stage. Wiring only.

An asset body reads from stores, calls the rooms below (`sources`, `volumes`, `vision`, `analysis`), writes to a store and
returns numbers and a picture. A loop or a formula belongs in one of those rooms. Heavy packages (torch, umap, lancedb) are
imported inside the bodies, because every Dagster step imports this package anew.
"""
