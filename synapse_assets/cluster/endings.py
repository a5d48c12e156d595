"""Why a job of the cluster ended before its run did, in one sentence with the remedy.

Ray tells it in pages: kinds of failure, stack traces, and the end of the job's log.
"""

import re
import signal

from synapse_assets.cluster.job_interface import STOPPED, Job

MARK = "synapse-assets:"
"""Begins the line in which a job says itself why it cannot go on."""
# Exit codes of a process that was killed, as Python and as a shell give them.
_KILLED, _ENDED = (-9, 137), (-15, 143)
# Signals of a process whose own native code failed.
_CRASHES = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE)
_CRASHED = {code: crash.name for crash in _CRASHES for code in (-crash, 128 + crash)}
_NO_MODULE = re.compile(r"(?:ModuleNotFoundError: )?No module named '?([\w.]+)'?")
_NOT_FOUND = re.compile(r"(?:^|[: ])(python|sh|bash)[^\n]*: (?:command )?not found", re.MULTILINE)
# A line of the stack of a process that ended itself, as Ray's own library does where the cluster did not answer it for long.
_OF_A_STACK = re.compile(r"\(.*\+0x[0-9a-f]+\) \[0x[0-9a-f]+\]")
_LONGEST = 300


def why_it_ended(job: Job | None, address: str) -> str:
    """One sentence for a job that is over, or that the cluster no longer knows (None), while its run is not."""
    if job is None:
        return (
            f"the cluster at {address} does not know this run's job: its head was started anew, which ends everything on it; what was "
            "finished stays, so start the run again"
        )
    on = f" on {job.node}" if job.node else ""
    text = job.message
    if said := [line for line in text.splitlines() if line.startswith(MARK)]:
        return f"{said[-1].removeprefix(MARK).strip()}"
    if job.state == STOPPED:
        return f"the job of this run was stopped{on} from outside, not from here: start the run again if that was not meant"
    return (
        _by_kind(job, on)
        or _by_log(text, on)
        or _by_code(job, on)
        or f"the job of this run failed{on}: {_last_line(text)}"
    )


def _by_kind(job: Job, on: str) -> str:
    match job.kind:
        case "JOB_SUPERVISOR_ACTOR_DIED" if _is_memory(job.message):
            return _memory(on)
        case "JOB_SUPERVISOR_ACTOR_DIED" if "node has died" not in job.message:
            return (
                f"the process of Ray that looked after this run died{on}, and the run with it; what was finished stays, and the run is "
                "started once more by itself"
            )
        case "JOB_SUPERVISOR_ACTOR_DIED":
            return (
                f"the node that worked on this run was lost{on}: it was switched off, killed or cut off; what was finished stays, and the "
                "run is started once more by itself"
            )
        case "JOB_SUPERVISOR_ACTOR_START_TIMEOUT":
            return (
                "no node had cores or graphics cards free for this run in the time that the cluster's head allows: add a node, lower "
                "SYNAPSE_RAY_RUNS, or start the head with `synapse-assets node --head`, which lets runs wait"
            )
        case "JOB_SUPERVISOR_ACTOR_UNSCHEDULABLE":
            return "the node that this run was to start on is gone: start the run again"
        case "RUNTIME_ENV_SETUP_FAILURE":
            return f"the environment of this run could not be set up{on}: {_last_line(job.message)}"
    return ""


def _by_log(text: str, on: str) -> str:
    lower = text.lower()
    if found := _NO_MODULE.search(text):
        return (
            f"Python{on} does not find {found[1]}: install synapse-assets[ray,postgres] there, in the version of this machine, and start "
            "the node with the `synapse-assets node` of that environment"
        )
    if _NOT_FOUND.search(text):
        return f"there is no Python on the path of the node{on}: start the node with `synapse-assets node`, from its environment"
    if "no space left on device" in lower:
        return f"a disk is full{on}: free some space there (Ray's own files lie in /tmp/ray), and start the run again"
    if _is_memory(text):
        return _memory(on)
    if "psycopg2.operationalerror" in lower or "could not connect to server" in lower:
        return f"the database of the run history does not let the node in{on}: check SYNAPSE_POSTGRES_URL there, and the firewall"
    return ""


def _by_code(job: Job, on: str) -> str:
    if job.exit_code in _KILLED:
        return _memory(on)
    if job.exit_code in _ENDED:
        return f"the process of this run was ended{on} from outside, as by a shutdown: start the run again"
    crash = _CRASHED.get(job.exit_code or 0, "")
    if crash or _OF_A_STACK.search(_last_line(job.message)):
        return (
            f"the process of this run crashed{on}{crash and f' ({crash})'}, as a library does that is not written in Python; what was "
            "finished stays, and the run is started once more by itself; where it crashed says the log of its job, in the dashboard of the "
            "cluster"
        )
    return ""


def _is_memory(text: str) -> bool:
    lower = text.lower()
    return any(words in lower for words in ("low on memory", "out of memory", "outofmemory"))


def _memory(on: str) -> str:
    return (
        f"the process of this run was killed{on}, as it is for want of memory: lower SYNAPSE_RAY_RUNS or SYNAPSE_RAY_PART_TILES, or raise "
        "SYNAPSE_RAY_CPUS so that fewer parts share a node; the run is started once more by itself"
    )


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:_LONGEST] if lines else "it says nothing; its log is in the dashboard of the cluster"
