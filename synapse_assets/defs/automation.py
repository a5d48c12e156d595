"""When automation materialises what: one labelled condition for each kind of asset, readable in the UI's Automation tab.

What is made from given inputs follows them: region by region (or group by group), or for the whole dataset. What is fitted is
refitted when a model below it was replaced, when people labelled or `drift` advises it, and by the weekly schedule. What people are
asked is chosen once. Watching the sources, schedules and the jobs they start do not belong here.
"""

import functools
import operator
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg
from dagster import AutomationCondition as When

from synapse_assets.datasets import Chain, Role
from synapse_assets.defs.dagster_private import Staleness
from synapse_assets.pipeline.inputs import UNWATCHED
from synapse_assets.pipeline.labelling.rounds import round_number
from synapse_assets.settings import Settings

PARTITION_TAG = "dagster/partition"
UNFINISHED = [
    status
    for status in dg.DagsterRunStatus
    if status not in (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
]
"""The states of a run that is queued or at work."""


class OutOfDate(dg.AutomationCondition[dg.AssetKey]):
    """True where an asset was never made, or was made from other inputs or by another method than there are now.

    Checks what the UI shows as "out of date": data versions and code versions, not times. So it needs no memory of what
    happened since when, and comes to the same answer after a lost cursor. With `of`, only changes of these inputs count.
    """

    def __init__(self, label: str, of: Collection[dg.AssetKey] | None = None) -> None:
        self._label = label
        self._of = None if of is None else frozenset(of)

    @property
    def name(self) -> str:
        """Distinguishes this condition from others of the class."""
        return "out_of_date" if self._of is None else f"out_of_date({sorted(key.to_user_string() for key in self._of)})"

    def get_label(self) -> str:
        """What the UI shows."""
        return self._label

    @property
    def requires_cursor(self) -> bool:
        """It keeps no state."""
        return False

    def evaluate(self, context: dg.AutomationContext) -> dg.AutomationResult:
        """The candidates that are out of date."""
        candidates, staleness = context.candidate_subset, _look(context).staleness
        if candidates.is_empty:
            subset = candidates
        elif context.partitions_def is None:
            subset = candidates if self._is_out_of_date(staleness, context.key, None) else context.get_empty_subset()
        else:
            keys = candidates.expensively_compute_partition_keys()
            staleness.read(context.key, keys)
            subset = candidates.compute_intersection_with_partition_keys(
                {key for key in keys if self._is_out_of_date(staleness, context.key, key)}
            )
        return dg.AutomationResult(context, subset)

    def _is_out_of_date(self, staleness: Staleness, key: dg.AssetKey, partition: str | None) -> bool:
        if self._of is None:
            return staleness.is_stale(key, partition)
        return not self._of.isdisjoint(staleness.causes(key, partition))


class RequestedNow(dg.AutomationCondition[dg.AssetKey]):
    """True where this very tick has requested it already, in whatever run; `will_be_requested` means the same run only."""

    @property
    def name(self) -> str:
        """Its name in the UI."""
        return "requested_now"

    @property
    def requires_cursor(self) -> bool:
        """It keeps no state."""
        return False

    def evaluate(self, context: dg.AutomationContext) -> dg.AutomationResult:
        """The candidates that have just been requested."""
        requested = context.request_subsets_by_key.get(context.key) or context.get_empty_subset()
        return dg.AutomationResult(context, context.candidate_subset.compute_intersection(requested))


class InUnfinishedRun(dg.AutomationCondition[dg.AssetKey]):
    """True where a run that is queued or at work is to make it, until that run ends.

    `in_progress` reads the events of what a run plans. Where two processes write to Postgres at once it can miss some of them for
    good, and what is being made would be requested a second time; the run itself is one row and always there.
    """

    @property
    def name(self) -> str:
        """Its name in the UI."""
        return "in_unfinished_run"

    @property
    def requires_cursor(self) -> bool:
        """It keeps no state."""
        return False

    def evaluate(self, context: dg.AutomationContext) -> dg.AutomationResult:
        """The candidates that such a run is to make."""
        parts = _look(context).unfinished.get(context.key, set())
        if not parts:
            subset = context.get_empty_subset()
        elif context.partitions_def is None:
            subset = context.candidate_subset
        else:
            keys = context.candidate_subset.expensively_compute_partition_keys()
            subset = context.candidate_subset.compute_intersection_with_partition_keys({*keys} & parts)
        return dg.AutomationResult(context, subset)


class IsRound(dg.AutomationCondition[dg.AssetKey]):
    """True for the rounds of labelling, and not for other batches that people answered: those ask nobody anything."""

    @property
    def name(self) -> str:
        """Its name in the UI."""
        return "is_round"

    @property
    def requires_cursor(self) -> bool:
        """It keeps no state."""
        return False

    def evaluate(self, context: dg.AutomationContext) -> dg.AutomationResult:
        """The candidates that are rounds."""
        keys = context.candidate_subset.expensively_compute_partition_keys()
        rounds = {key for key in keys if round_number(key) is not None}
        return dg.AutomationResult(context, context.candidate_subset.compute_intersection_with_partition_keys(rounds))


@dataclass(frozen=True)
class _Look:
    """What all conditions of one tick see: the same moment, and each record read once.

    view: that of the graph that the tick has. unfinished: the parts of every asset that unfinished runs are to make, None for all of it.
    Read before anything is judged to be out of date: a run that ends in between has then either made what it was to make, or still
    counts as unfinished.
    """

    view: Any
    unfinished: Mapping[dg.AssetKey, set[str | None]]
    staleness: Staleness


# Of the last tick alone: a look holds all that it has read.
_LAST_LOOK: list[_Look] = []


def _look(context: dg.AutomationContext) -> _Look:
    view = context.asset_graph_view
    if not _LAST_LOOK or _LAST_LOOK[0].view is not view:
        unfinished: dict[dg.AssetKey, set[str | None]] = {}
        for run in view.instance.get_runs(filters=dg.RunsFilter(statuses=UNFINISHED)):
            for key in run.asset_selection or ():
                unfinished.setdefault(key, set()).add(run.tags.get(PARTITION_TAG))
        _LAST_LOOK[:] = [_Look(view, unfinished, Staleness(view))]
    return _LAST_LOOK[0]


def automate(assets: Sequence[dg.AssetsDefinition], chain: Chain, settings: Settings) -> list[dg.AssetsDefinition]:
    """The assets of one dataset, each that is made here with the condition under which automation materialises it.

    By the roles in the chain's facts: models are kept until something advises a refit, what decides on refits runs after every
    fit. All others follow their inputs.
    """
    made = [spec for asset in assets if asset.is_materializable for spec in asset.specs]
    contents = {spec.key for asset in assets if not asset.is_materializable for spec in asset.specs}
    fitted = {spec.key for spec in made if _role(chain, spec.key) is Role.MODEL}
    # Nothing is made from these two kinds, so nothing waits for them.
    last = {spec.key for spec in made if _role(chain, spec.key) in (Role.COMPARE, Role.REPORT)}
    unpartitioned = {spec.key for spec in made if spec.partitions_def is None} - fitted - last
    by_part = {spec.key for spec in made if spec.partitions_def is not None}
    fitted_on_parts = {
        spec.key
        for spec in made
        if spec.key not in by_part
        and _role(chain, spec.key) is Role.FIT
        and by_part & {dep.asset_key for dep in spec.deps}
    }
    rounds = {
        spec.key for spec in made if chain.facts[spec.key.path[-1]].by_round and _role(chain, spec.key) is Role.READ
    }
    late = [spec.key for spec in made if chain.facts[spec.key.path[-1]].released_again]
    advice = next((spec.key for spec in made if _role(chain, spec.key) is Role.ADVISE), None)

    def with_condition(spec: dg.AssetSpec) -> dg.AssetSpec:
        if spec.key in fitted:
            people = chain.facts[spec.key.path[-1]].refitted_after
            said = {key for key in unpartitioned if key.path[-1] == people}
            condition = refitted(settings, fitted, advice, said)
        elif _role(chain, spec.key) is Role.ASK:
            condition = asked(settings, fitted)
        elif _role(chain, spec.key) is Role.DECIDE:
            condition = decided()
        elif _role(chain, spec.key) is Role.COMPARE:
            condition = compared(settings, fitted)
        elif _role(chain, spec.key) is Role.PUBLISH:
            condition = published(settings, fitted, late)
        elif spec.partitions_def is not None:
            condition = followed_by_part(settings, fitted, unpartitioned, contents)
            if fits := fitted_on_parts & {dep.asset_key for dep in spec.deps}:
                condition = (condition & ~_being_refitted(fits)).with_label(condition.get_label())
        else:
            condition = followed(settings, fitted, rounds & {dep.asset_key for dep in spec.deps})
        return spec.replace_attributes(automation_condition=condition)

    return [asset.map_asset_specs(with_condition) if asset.is_materializable else asset for asset in assets]


def _role(chain: Chain, key: dg.AssetKey) -> Role:
    return chain.facts[key.path[-1]].role


def automation_sensor(settings: Settings) -> dg.AutomationConditionSensorDefinition:
    """What evaluates the conditions of all assets and requests runs."""
    return dg.AutomationConditionSensorDefinition(
        "automation",
        target=dg.AssetSelection.all(),
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=settings.tick_seconds,
        # The conditions are our own classes; and one run a region is what pools and retries are for.
        use_user_code_server=True,
        emit_backfills=False,
        description="Decides what is made next. Stop it here to keep everything as it is.",
    )


def followed_by_part(
    settings: Settings,
    models: Collection[dg.AssetKey],
    whole: Collection[dg.AssetKey],
    contents: Collection[dg.AssetKey],
) -> dg.AutomationCondition:
    """For what is made region by region or group by group: a part is made again when its own inputs changed, and only then.

    A step and those that follow from it are requested together and run as one. `whole`: assets for the whole dataset, which
    are waited for; `models` are waited for only while they are to be fitted to another model. `contents` are observed part by part
    by a table that is still being made: until it is complete, what else follows from it, such as `alignment`, does not show as out of date.
    """
    # External data cannot be missing: nothing is recorded of a volume.
    missing_input = When.any_deps_match(When.missing() & ~When.will_be_requested()).ignore(_volumes())
    return (
        _cause(settings)
        & (_needed() | When.any_deps_match(When.will_be_requested()).with_label("an input is made in the same run"))
        & ~_being_made()
        & ~When.any_deps_match(_being_made()).with_label("an input is being made")
        & ~_any_of(contents, When.any_deps_match(_being_made()), "the table that holds it is being made")
        & ~missing_input.with_label("an input was never made")
        & ~_any_of(whole, OutOfDate("out of date"), "an input for the whole dataset is out of date")
        & ~_any_of(
            models,
            OutOfDate("fitted to another model than the one in use", models),
            "a model waits to be fitted to the one in use",
        )
        & When.all_deps_blocking_checks_passed().with_label("the blocking checks of its inputs passed")
    ).with_label("follows its inputs, part by part")


def _being_refitted(fits: Collection[dg.AssetKey]) -> dg.AutomationCondition:
    """Whether what is fitted on all parts, and in use at once, will be fitted again: an input of it is being made.

    A part that is made in one run with that input would meet the fit of before.
    """
    being_made = When.any_deps_match(_being_made() | RequestedNow())
    return _any_of(fits, being_made, "what an input is fitted on is being made")


def followed(
    settings: Settings, models: Collection[dg.AssetKey], rounds: Collection[dg.AssetKey] = ()
) -> dg.AutomationCondition:
    """For what is made for the whole dataset: made again when an input changed and all parts of its inputs are up to date.

    A region that failed is not waited for. Of `rounds`, what was answered in them counts whenever it was read.
    """
    needed = _needed()
    if rounds:
        read = _any_of(rounds, When.newly_updated(), "answers were read").since(When.newly_requested())
        needed |= read.with_label("answers were read since it was last requested")
    return (
        _cause(settings)
        & needed
        & ~_being_made()
        & _inputs_settled(models)
        & When.all_deps_blocking_checks_passed().with_label("the blocking checks of its inputs passed")
    ).with_label("follows its inputs")


def compared(settings: Settings, models: Collection[dg.AssetKey]) -> dg.AutomationCondition:
    """For what says how good fitted models are: as `followed`, and after a fit whose result is a candidate, which changes no input."""
    fitted = _any_of(models, When.newly_updated(), "a model was fitted").since(When.newly_requested())
    return (
        followed(settings, models)
        | (
            fitted.with_label("a model was fitted since it was last requested")
            & ~_being_made()
            & _inputs_settled(models)
            & When.all_deps_blocking_checks_passed().with_label("the blocking checks of its inputs passed")
        )
    ).with_label("follows its inputs, and after every fit")


def published(
    settings: Settings, models: Collection[dg.AssetKey], late: Sequence[dg.AssetKey]
) -> dg.AutomationCondition:
    """For the release: as `followed`, and once more after what it holds but does not wait for, `late`, when none of that is at work."""
    if not late:
        return followed(settings, models)
    made, at_work = (
        functools.reduce(operator.or_, [When.asset_matches(key, condition) for key in late])
        for condition in (When.newly_updated(), _being_made() | RequestedNow())
    )
    names = " or ".join(key.path[-1] for key in late)
    return (
        followed(settings, models)
        | (
            made.since(When.newly_requested()).with_label(f"{names} was made since it was last requested")
            & ~_being_made()
            & ~at_work.with_label(f"{names} is being made")
            & _inputs_settled(models)
            & When.all_deps_blocking_checks_passed().with_label("the blocking checks of its inputs passed")
        )
    ).with_label("follows its inputs, and what it does not wait for")


def asked(settings: Settings, models: Collection[dg.AssetKey]) -> dg.AutomationCondition:
    """For what people are asked: a round that is new is chosen once, from models that are up to date, and never again."""
    return (
        _cause(settings)
        & When.missing().with_label("it was never chosen")
        & IsRound()
        & ~_being_made()
        & _inputs_settled(models)
        & When.all_deps_blocking_checks_passed().with_label("the blocking checks of its inputs passed")
    ).with_label("chosen once")


def refitted(
    settings: Settings,
    models: Collection[dg.AssetKey],
    drift: dg.AssetKey | None,
    said: Collection[dg.AssetKey] = (),
) -> dg.AutomationCondition:
    """For what is fitted: the first time, when a model it is fitted on was replaced, when what people `said` changed, and when the
    checks of `drift` advise it.

    Weekly refits are the schedule's. A refit is a candidate until `promotions` puts it in use.
    """
    needed = When.missing().with_label("it was never fitted") | OutOfDate(
        "a model it is fitted on was replaced", models
    )
    if said:
        needed |= OutOfDate("people labelled otherwise", said)
    drift_causes = []
    if drift is not None:
        advised = When.asset_matches(drift, When.any_checks_match(When.check_failed()))
        needed |= advised.with_label(f"{drift.path[-1]} advises a refit")
        drift_causes = [When.asset_matches(drift, When.newly_updated()).with_label(f"{drift.path[-1]} looked again")]
    return (
        _cause(settings, *drift_causes)
        & needed
        & ~_being_made("it is being fitted")
        & _inputs_settled(models)
        & When.all_deps_blocking_checks_passed().with_label("the blocking checks of its inputs passed")
    ).with_label("refitted when needed")


def decided() -> dg.AutomationCondition:
    """For what decides on refits: after every fit, whether or not the model in use is another one since."""
    fitted = When.any_deps_match(When.newly_updated()).since(When.newly_requested())
    being_made = When.any_deps_match(_being_made() | RequestedNow())
    return (
        fitted.with_label("a model was fitted since it was last requested")
        & ~_being_made()
        & ~being_made.with_label("a model is being fitted")
    ).with_label("after every fit")


def _cause(settings: Settings, *other_causes: dg.AutomationCondition) -> dg.AutomationCondition:
    """Something happened since it was last requested. What failed is therefore not retried before the next cause."""
    changed = When.any_deps_match(When.data_version_changed() | When.will_be_requested()).with_label("an input changed")
    nightly = When.cron_tick_passed(settings.nightly_cron, settings.time_zone)
    happened = (
        changed
        | When.initial_evaluation().with_label("the first look")
        | When.missing().newly_true().with_label("it is new")
        | When.code_version_changed().with_label("its method or settings changed")
        | nightly.with_label("the nightly look")
    )
    for cause in other_causes:
        happened |= cause
    settled = (When.newly_requested() & ~changed).with_label("requested") | (
        When.newly_updated() & ~_out_of_date()
    ).with_label("made, and up to date")
    return happened.since(settled).with_label("something happened since it was last requested")


def _inputs_settled(models: Collection[dg.AssetKey]) -> dg.AutomationCondition:
    """No input is at work, and none is missing or behind, but for regions that failed.

    A model is behind only where it is fitted to another one than is in use: new synapses alone do not outdate it.
    """
    being_made = When.any_deps_match(_being_made() | RequestedNow())
    behind = When.any_deps_match((When.missing() | OutOfDate("out of date")) & ~When.execution_failed())
    unfitted = When.missing() | OutOfDate("fitted to another model than the one in use", models)
    return (
        ~being_made.with_label("an input is being made")
        & ~behind.ignore(dg.AssetSelection.assets(*sorted(models)) | _volumes()).with_label(
            "an input is missing or behind, and has not failed"
        )
        & ~_any_of(models, unfitted, "a model is not fitted yet, or to another model than the one in use")
    )


def _being_made(label: str = "it is being made") -> dg.AutomationCondition:
    return (When.in_progress() | InUnfinishedRun()).with_label(label)


def _needed() -> dg.AutomationCondition:
    # An asset that failed on input that was since reverted is up to date, and yet red: it is made once more.
    return _out_of_date() | When.execution_failed().with_label("it failed")


def _out_of_date() -> dg.AutomationCondition:
    return OutOfDate("out of date: never made, or made from other inputs or by another method")


def _volumes() -> dg.AssetSelection:
    return dg.AssetSelection.from_string(f'key:"*/{UNWATCHED}"')


def _any_of(keys: Collection[dg.AssetKey], condition: dg.AutomationCondition, label: str) -> dg.AutomationCondition:
    return When.any_deps_match(condition).allow(dg.AssetSelection.assets(*sorted(keys))).with_label(label)
