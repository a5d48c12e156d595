"""One fitted map for all tests of this room: umap takes 20 s to start."""

import pytest

from synapse_assets.analysis.clustering.hdbscan_model import ClusterModel, fit_clusters
from synapse_assets.analysis.clustering.projection import Projection, fit_projection
from synapse_assets_tests.analysis.planted import blobs


@pytest.fixture(scope="session")
def projection() -> Projection:
    """A map of 300 rows of 5 kinds."""
    model = fit_projection(blobs(300, 5)[0], seed=3)
    assert isinstance(model, Projection)
    return model


@pytest.fixture(scope="session")
def clusters(projection: Projection) -> ClusterModel:
    """The clusters of that map."""
    return fit_clusters(projection, seed=3)
