"""The web site of a release, which datasets of all chains have if their file asks for it: `site`."""

import dagster as dg

from synapse_assets.datasets import Dataset, chain_of
from synapse_assets.datasets.fingerprints import hashed_fields
from synapse_assets.defs.asset import asset, materialized
from synapse_assets.defs.resources import Installation
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.report import Detail, Report, Stopwatch, StoredAt

_FOLDER = "site"


def site_assets(dataset: Dataset) -> list[dg.AssetsDefinition]:
    """The asset for one dataset; none for one whose file does not ask for it."""
    if not chain_of(dataset).facts[_FOLDER].exists(dataset) or dataset.publish is None:
        return []

    @asset(dataset, _FOLDER, hashed_fields(dataset.publish), deps=["warehouse"])
    def site(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult:
        """The release as a web site of plain files: pages that the visitor's browser works out, and the tables beside them.

        It lies in the folder of the dataset and takes the place of the one before when it is whole. What `publish` in the dataset file
        says stands on it, and columns that it leaves out are nowhere on it. `synapse-assets export-site` writes it elsewhere, and that of
        a frozen release.
        """
        from synapse_assets.site.export import export_site
        from synapse_assets.site.front import SERVE

        folder = installation.store(dataset.name).folder
        if not folder.is_local:
            raise BadInput(
                f"a site is written to a local folder, and {folder.root} is none: run `synapse-assets export-site {dataset.name} site` "
                "where there is one, and copy it to your host; publish.site: false in the dataset file turns this asset off"
            )
        watch = Stopwatch()
        written = export_site(dataset, installation.data_root, folder.path / _FOLDER, context.log)
        facts: dict[str, Detail] = {
            "folder": StoredAt(str(written.out)),
            "files": written.files,
            "bytes": written.bytes,
            "serve": SERVE.format(out=written.out),
            **({"told_elsewhere": "; ".join(written.told)} if written.told else {}),
        }
        return materialized(context, Report(facts, watch.seconds, rows=written.rows))

    return [site]
