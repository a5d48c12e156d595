"""When something fails: why, in one sentence the user can act on, and the sensor that reports it (log, webhook)."""

import errno
import http.client
import json
import os
import re
import socket
import ssl
from collections.abc import Iterable
from urllib.error import HTTPError

import dagster as dg

from synapse_assets.errors import BadInput, StorageError, Unreachable, UnreachableStorageError
from synapse_assets.settings import Settings
from synapse_assets.sources.web import Patience, host_and_port, opened

# For the whole request: it may hold up the sensor no longer.
WEBHOOK_DEADLINE_S = 10.0
# Errors whose message is written for the user.
_OURS = {kind.__name__ for kind in (BadInput, Unreachable, StorageError, UnreachableStorageError)}


def failure_reason(events: Iterable[dg.DagsterEvent]) -> str:
    """Why a run failed, by its events: `<asset>: <what our own code says is wrong, or else the first cause>`."""
    for event in events:
        if event.is_step_failure:
            # Bad input of any kind that an asset body refused.
            user_failure = event.step_failure_data.user_failure_data
            if user_failure is not None and user_failure.description:
                return f"{event.step_key}: {user_failure.description.strip()}"
            chain = [event.step_failure_data.error]
            while chain[-1] is not None and chain[-1].cause is not None:
                chain.append(chain[-1].cause)
            own_errors = [error for error in chain if error is not None and error.cls_name in _OURS]
            reason = own_errors[0] if own_errors else chain[-1]
            if reason is None:
                return event.step_key or ""
            return f"{event.step_key}: {re.sub(rf'^[A-Za-z0-9_.]*{reason.cls_name}: ', '', reason.message.strip())}"
    return "the run failed; see its log in the UI"


def failure_sensor(settings: Settings) -> dg.SensorDefinition:
    """Reports every run that failed: which asset, which region, what to do. In the log, and to `webhook_url` if there is one."""

    @dg.run_failure_sensor(
        name="failures",
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=settings.tick_seconds,
        description="Tells of every run that failed: asset, region, and what to do. In its log, and to SYNAPSE_WEBHOOK_URL if set.",
    )
    def failures(context: dg.RunFailureSensorContext) -> None:
        text = failure_message(context.dagster_run, context.get_step_failure_events(), context.failure_event.message)
        context.log.error(text)
        if settings.webhook_url is not None:
            post_failure(settings.webhook_url.get_secret_value(), text)

    return failures


def failure_message(run: dg.DagsterRun, failed_steps: Iterable[dg.DagsterEvent], message: str | None) -> str:
    """The message on a failed run. `message`: Dagster's own, for a run that failed outside of a step."""
    part = run.tags.get("dagster/partition")
    failed = list(failed_steps)
    names = sorted({event.asset_key.to_user_string() for event in failed if event.asset_key} or set(_asset_names(run)))
    assets = ", ".join(names) or run.job_name
    where = f", partition {part}" if part else ""
    reason = failure_reason(failed) if failed else message or "the run ended without an error message; see its log"
    return f"{assets}{where}: {reason} (run {run.run_id[:8]})"


def post_failure(url: str, text: str) -> None:
    """Posts {"text": ...} as JSON, as chat programs take it. Raises OSError if that fails, which the tick shows.

    The URL is a secret, and Dagster shows an error with its causes: so what is raised has no cause, and names only the host
    of the URL. Redirects are not followed.
    """
    try:
        host, _ = host_and_port(url)
    except ValueError:
        host = ""
    # Outside of `except`, where the raised error would carry the first as its context.
    if not host:
        raise BadInput(
            "SYNAPSE_WEBHOOK_URL is no http(s) address of the kind https://host/path, without user or password"
        )
    reason = ""
    try:
        patience = Patience(WEBHOOK_DEADLINE_S, WEBHOOK_DEADLINE_S)
        with opened(url, patience, "POST", json.dumps({"text": text}).encode(), "application/json"):
            pass
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = _kind_of_failure(error)
    if reason:
        # With another @ the host may be the beginning of a user and password.
        webhook = "SYNAPSE_WEBHOOK_URL" if "@" in url else f"SYNAPSE_WEBHOOK_URL ({host})"
        raise ConnectionError(f"the failure could not be posted to {webhook}: {reason}")


def _kind_of_failure(error: Exception) -> str:
    """What went wrong with the webhook, in our own words: those of the error may hold its URL."""
    if isinstance(error, HTTPError):
        if error.code in range(300, 400):
            return (
                f"it answers {error.code}, which leads elsewhere and is not followed: set the address that it leads to"
            )
        return f"it answers {error.code} {http.client.responses.get(error.code, '')}".rstrip()
    if isinstance(error, TimeoutError):
        return f"it does not answer within {WEBHOOK_DEADLINE_S:g} s"
    if isinstance(error, socket.gaierror):
        return "its name is not known"
    if isinstance(error, ssl.SSLError):
        return "its certificate is not accepted" if isinstance(error, ssl.SSLCertVerificationError) else "TLS fails"
    if isinstance(error, OSError) and error.errno in errno.errorcode:
        return os.strerror(error.errno or 0)
    return f"there is no answer that can be read ({type(error).__name__})"


def _asset_names(run: dg.DagsterRun) -> list[str]:
    return [key.to_user_string() for key in run.asset_selection or ()]
