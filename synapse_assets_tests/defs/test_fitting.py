"""Fit once, apply by region: no fit on unchanged content, a refit is a candidate, promotion, and refusal of what does not fit."""

import pandas as pd

from synapse_assets.stores.rows import vectors_in_use
from synapse_assets_tests.conftest import REGIONS, Lab, failure_reason, tiny_dataset

FITTED = ("encoder", "umap_model", "cluster_model", "synapse_classifier")


def fitted_now(result) -> dict[str, bool]:  # type: ignore[no-untyped-def]
    events = [e.step_materialization_data.materialization for e in result.get_asset_materialization_events()]
    return {e.asset_key.path[-1]: e.metadata["fitted_now"].value for e in events if "fitted_now" in e.metadata}


def test_fit_candidate_and_promotion(whole_lab: Lab) -> None:
    lab, store = whole_lab, whole_lab.store
    in_use = {name: store.models(name).current for name in FITTED}
    assert all(in_use.values())

    # Unchanged content: nothing is fitted, nothing moves.
    result = lab.materialize("splits", *FITTED)
    assert fitted_now(result) == dict.fromkeys(FITTED, False)
    assert {name: store.models(name).current for name in FITTED} == in_use

    # Four new synapses: the map is fitted again, as a candidate; the regions keep theirs.
    points = pd.read_csv(lab.points)
    new = points.head(4).assign(id=["n0", "n1", "n2", "n3"], x=points["x"].head(4) + 3)
    lab.write(pd.concat([points, new]))
    lab.materialize("synapse_table", "alignment")
    lab.everywhere("synapses", "tiles", "embeddings")
    lab.materialize("umap_model")
    maps = store.models("umap_model")
    assert maps.current == in_use["umap_model"]
    assert maps.candidate not in (None, maps.current)
    lab.materialize("umap_coordinates", region=REGIONS[0])
    assert set(_column(lab, "umap_model")) == {in_use["umap_model"]}

    # Promoted: regions take it up when they are materialised again.
    candidate = maps.candidate
    promoted = lab.definitions.resolve_job_def("tiny_promote").execute_in_process(
        run_config={"ops": {"tiny_promote_model": {"config": {"model": "umap_model"}}}}, instance=lab.instance
    )
    assert promoted.success
    assert maps.current == candidate
    assert maps.candidate is None
    lab.materialize("umap_coordinates", region=REGIONS[0])

    # The clustering was fitted on the map before: applying it is refused, and both are named.
    text = failure_reason(lab.materialize("clusters", region=REGIONS[0], raises=False))
    assert str(in_use["umap_model"]) in text
    assert str(candidate) in text
    lab.materialize("cluster_model")
    assert lab.materialize("clusters", region=REGIONS[0]).success

    # Some regions with one map and some with another are not published.
    before = store.release()
    text = failure_reason(lab.materialize("warehouse", raises=False))
    assert (
        f"umap_coordinates of ['{REGIONS[1]}', '{REGIONS[2]}'] was made with umap_model {in_use['umap_model']}" in text
    )
    assert store.release() == before
    lab.everywhere("umap_coordinates", "clusters")
    assert set(_column(lab, "umap_model")) == {candidate}
    assert lab.materialize("warehouse").success
    assert store.release()["models"]["umap_model"] == candidate


def _column(lab: Lab, name: str) -> list[str]:
    from synapse_assets.schema import UMAP_COORDINATES

    return lab.store.results(UMAP_COORDINATES).read().column(name).to_pylist()


def test_another_encoder_gets_a_table_of_its_own(whole_lab: Lab, tiny_inputs) -> None:  # type: ignore[no-untyped-def]
    lab, store = whole_lab, whole_lab.store
    first = store.models("encoder").current
    choice = {**lab.dataset.encoder.model_dump(), "crop_px": 16}
    lab.use(tiny_dataset(tiny_inputs, lab.points, encoder=choice))
    lab.materialize("encoder")
    second = store.models("encoder").candidate
    assert store.models("encoder").current == first
    store.models("encoder").promote(str(second))
    lab.materialize("embeddings", region=REGIONS[0])
    assert vectors_in_use(store).regions() == {REGIONS[0]: 24}
    dimensions = int(store.models("encoder").provenance(str(first)).scores["dimensions"])
    assert store.vectors(str(first), dimensions).count() == 72
    # The old map does not fit the new vectors.
    text = failure_reason(lab.materialize("umap_coordinates", region=REGIONS[0], raises=False))
    assert str(first) in text
    assert str(second) in text
    # The released results are still those of the first encoder.
    assert store.release()["models"]["encoder"] == first


def test_only_changed_tiles_are_embedded(whole_lab: Lab) -> None:
    points = pd.read_csv(whole_lab.points)
    points.loc[points["id"] == "s000", "y"] += 7
    whole_lab.write(points)
    whole_lab.materialize("synapse_table", "alignment")
    result = whole_lab.materialize("synapses", "tiles", "embeddings", region=REGIONS[0])
    events = {
        e.asset_key.path[-1]: e.step_materialization_data.materialization
        for e in result.get_asset_materialization_events()
    }
    assert events["tiles"].metadata["computed_rows"].value == 1
    assert events["embeddings"].metadata["computed_rows"].value == 1
