"""All that a run imports, so that a process can start with it. Nothing is called: what starts threads must not be forked."""

import warnings

import duckdb
import hdbscan
import lance
import matplotlib.pyplot
import pandas
import sklearn
import skops.io
import timm
import torch
import umap

import synapse_assets.definitions

# It says so at every fork; forkserver is what it asks for instead, and nothing of it has been used yet.
warnings.filterwarnings("ignore", message="lance is not fork-safe")

__all__ = ["duckdb", "hdbscan", "lance", "matplotlib", "pandas", "sklearn", "skops", "synapse_assets", "timm", "torch", "umap"]  # fmt: skip
