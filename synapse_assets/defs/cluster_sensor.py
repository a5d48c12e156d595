"""The sensor of an installation on a cluster: ends runs whose job is over before they began, or after they were cancelled.

Dagster's own monitoring looks at runs that go on; one whose job died earlier would stay "starting" and hold its place.
"""

import dagster as dg

from synapse_assets.settings import Settings

_LOOKED_AT = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.CANCELING]
_MOST_SECONDS = 30


def cluster_sensor(settings: Settings) -> dg.SensorDefinition:
    """Looks after the runs that were sent to the cluster, at least every half minute."""

    @dg.sensor(
        name="cluster_runs",
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=min(_MOST_SECONDS, settings.tick_seconds),
        description="Ends runs whose job on the cluster is over although they are about to start, or to be cancelled, and says why.",
    )
    def cluster_runs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        # Only an installation on a cluster has what this imports.
        from synapse_assets.defs.cluster_launcher import ClusterRunLauncher

        launcher = context.instance.run_launcher
        if not isinstance(launcher, ClusterRunLauncher):
            return dg.SkipReason("runs are not sent to a cluster: start this with `synapse-assets`")
        ended = launcher.look_after(context.instance.get_run_records(dg.RunsFilter(statuses=_LOOKED_AT)))
        for sentence in ended:
            context.log.error(sentence)
        return dg.SkipReason("; ".join(ended) or "every job of a run that starts is alive")

    return cluster_runs
