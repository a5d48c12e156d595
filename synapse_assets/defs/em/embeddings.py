"""From pictures to vectors: the fitted `encoder` and the `embeddings` of each region."""

from pathlib import Path
from typing import Any

import dagster as dg

from synapse_assets.datasets import EmDataset
from synapse_assets.datasets.fingerprints import hashed_fields
from synapse_assets.defs.fitting import Fitted, fit_once, model_in_use
from synapse_assets.defs.metadata import Stopwatch, asset, check, picture, progress_logger
from synapse_assets.defs.partitions import brain_regions, every_partition
from synapse_assets.defs.resources import Installation
from synapse_assets.errors import BadInput
from synapse_assets.schema import embedding_table
from synapse_assets.stores.rows import content_key, usable_vectors, vector_rows

# Tiles decoded at a time; what is computed of them is staged together, well under a minute of work on two CPU cores.
READ_ROWS = 256


def embedding_assets(dataset: EmDataset) -> list[dg.AssetsDefinition]:
    """The assets of this stage for one dataset."""
    regions = brain_regions(dataset)
    tiles_key, encoder_key = dg.AssetKey([dataset.name, "tiles"]), dg.AssetKey([dataset.name, "encoder"])
    key = dg.AssetKey([dataset.name, "embeddings"])

    @asset(
        dataset,
        "4_embeddings",
        "encoder",
        None,
        {"pytorch"},
        deps=[dg.AssetDep(tiles_key, partition_mapping=every_partition())],
        pool="gpu",
    )
    def encoder(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """The network that turns a tile into a vector, fitted once for all regions.

        By default it trains itself on the dataset's own tiles, without labels; a published network or a local checkpoint can
        be named in the dataset's YAML. Its normalisation is stored with it and used everywhere.
        """
        from synapse_assets.analysis.tables import stratified_rows
        from synapse_assets.vision.building import build_encoder, checkpoint_hash, encoder_parameters

        store = installation.store(dataset.name)
        known = store.tiles.read(None, ["synapse_id", "brain_region", "tile_hash"])
        sample = stratified_rows(known, dataset.encoder.training_tiles, dataset.seed).select(
            ["synapse_id", "tile_hash"]
        )
        if dataset.encoder.origin == "self_supervised" and sample.num_rows < 2:
            raise BadInput(
                f"{dataset.name}: there are {sample.num_rows} tiles to train an encoder on; materialise tiles of at least one region"
            )

        inputs: dict[str, str] = {}
        if dataset.encoder.origin == "self_supervised":
            inputs["tiles"] = content_key(sample)
        elif dataset.encoder.origin == "checkpoint":
            inputs["checkpoint"] = checkpoint_hash(dataset.encoder)

        def fit(folder: Path) -> Fitted:
            from synapse_assets.analysis.figures import training_curve
            from synapse_assets.volumes.cropping import decode_tiles

            ids = sorted(sample.column("synapse_id").to_pylist()) if "tiles" in inputs else []
            pictures = decode_tiles(store.tiles.read_ids(ids, ["image"]).column("image"))
            built, history = build_encoder(
                dataset.encoder, dataset.tile, pictures, dataset.seed, installation.device, context.log.info
            )
            built.save(folder)
            scores = {"dimensions": float(built.dimensions), "training_tiles": float(len(pictures))}
            shown: dict[str, Any] = {}
            if history:
                scores |= {"final_loss": float(history[-1]["loss"]), "training_steps": float(history[-1]["step"])}
                shown["training_curve"] = picture(training_curve(history), "loss by training step")
            return Fitted(scores=scores, shown=shown)

        return fit_once(
            context,
            store.models("encoder"),
            inputs=inputs,
            parameters={
                **encoder_parameters(dataset.encoder, dataset.tile, dataset.seed),
                "tile": hashed_fields(dataset.tile),
            },
            seed=dataset.seed,
            fit=fit,
            fits_current_inputs=lambda provenance: provenance.parameters["tile"] == hashed_fields(dataset.tile),
        )

    @asset(
        dataset,
        "4_embeddings",
        "embeddings",
        embedding_table(None),
        {"pytorch", "lancedb"},
        deps=[tiles_key, encoder_key],
        partitions_def=regions,
        pool="gpu",
        check_specs=[
            dg.AssetCheckSpec(
                "one_vector_per_tile",
                asset=key,
                blocking=True,
                partitions_def=regions,
                description="Every tile of the region has exactly one vector, made from the picture that is stored now.",
            ),
            dg.AssetCheckSpec(
                "finite_and_of_one_model",
                asset=key,
                blocking=True,
                partitions_def=regions,
                description="All vectors are finite numbers, none is zero, and all come from the encoder in use.",
            ),
        ],
    )
    def embeddings(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """The vector of each tile of one brain region. A row is one synapse; similar pictures have similar vectors.

        Only tiles that are new or changed since the encoder in use last saw them are computed. A run that was killed goes on
        where it stopped.
        """
        from synapse_assets.vision.embedding import embed_batches
        from synapse_assets.vision.encoder import Encoder
        from synapse_assets.volumes.cropping import decode_tiles

        watch = Stopwatch()
        store = installation.store(dataset.name)
        region = context.partition_key
        models = store.models("encoder")
        model_id = model_in_use(models, "materialise the asset 'encoder' first")
        network = Encoder.load(models.path(model_id))
        table = embedding_table(network.dimensions)
        vectors = store.vectors(model_id, network.dimensions)
        wanted = store.tiles.read(region, ["synapse_id", "tile_hash"])
        changed, gone = vectors.changes(region, wanted, "tile_hash")
        staging = store.staging("embeddings", region, content_key(wanted, model_id))
        staged = staging.done_ids()
        todo = [synapse_id for synapse_id in changed if synapse_id not in staged]
        progress = progress_logger(context.log.info, f"{region}: embeddings", len(todo))
        hash_of = dict(zip(*(wanted.column(name).to_pylist() for name in ("synapse_id", "tile_hash")), strict=True))
        pictures = (
            (batch.column("synapse_id").to_pylist(), decode_tiles(batch.column("image")))
            for batch in store.tiles.batches_of(region, todo, ["synapse_id", "image"], READ_ROWS)
        )
        done = 0
        for ids, values in embed_batches(network, pictures, installation.device):
            staging.append(vector_rows(table, ids, region, [hash_of[i] for i in ids], model_id, values))
            done += len(ids)
            progress(done)
        vectors.replace_region(region, staging.reader() or table.empty(), gone)
        staging.clear()
        stored = vectors.read(region, table.names)
        count, finite = stored.num_rows, usable_vectors(stored)
        models_seen = set(stored.column("model_id").to_pylist())
        pairs = (
            stored.select(["synapse_id", "tile_hash"])
            .join(wanted, ["synapse_id", "tile_hash"], join_type="inner")
            .num_rows
        )
        return dg.MaterializeResult(
            metadata={
                **watch.numbers(count, len(todo)),
                "resumed_rows": len(changed) - len(todo),
                "removed_rows": len(gone),
                "dimensions": network.dimensions,
                "encoder": model_id,
                "lance_table": dg.MetadataValue.path(vectors.uri),
            },
            data_version=dg.DataVersion(content_key(stored.select(["synapse_id", "tile_hash"]), model_id)),
            check_results=[
                check(
                    "one_vector_per_tile",
                    pairs == count == wanted.num_rows,
                    f"{count:,} vectors for {wanted.num_rows:,} tiles, {pairs:,} of the picture stored now",
                    vectors=count,
                    tiles=wanted.num_rows,
                ),
                check(
                    "finite_and_of_one_model",
                    finite == count and models_seen <= {model_id},
                    f"{finite:,} of {count:,} vectors are finite and not zero; encoders {sorted(models_seen)}",
                    not_finite=count - finite,
                ),
            ],
        )

    return [encoder, embeddings]
