"""The work of every asset as plain functions, a module a stage, a folder a chain: callable from a test, a script or a worker.

A step reads from stores, calls the rooms below (`sources`, `volumes`, `vision`, `analysis`), writes to a store and gives a
`Report`. Its arguments are all it needs: the store, the dataset, the partition, the device, a logger. What Dagster records
of the report belongs to `defs`; loops and formulas belong to the rooms below. Heavy packages (torch, umap, lancedb, matplotlib) are
imported inside the steps, because loading the definitions imports this room.
"""
