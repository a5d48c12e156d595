"""What the user says of the sources for one run, and the observation that follows; all else of inputs belongs to `pipeline`."""

import dagster as dg
from pydantic import Field

from synapse_assets.pipeline.inputs import Input, content_of


class Reading(dg.Config):
    """What a person says of the sources, for one run of the asset that reads them.

    gone: names of sources whose files are gone and are meant to be.
    """

    gone: list[str] = Field(default_factory=list)


def observe_gone(context: dg.AssetExecutionContext, dataset_name: str, source_input: Input) -> None:
    """Records that the files of an asset's input are what they are now, so that the sensor accepts it too."""
    key = dg.AssetKey([dataset_name, source_input.asset])
    version, _ = content_of(source_input)
    context.log_event(dg.AssetObservation(key, tags={"dagster/data_version": version}))
    # This run has read what was observed just now, not what there was when it began.
    context.get_step_execution_context().wipe_input_asset_version_info(key)
