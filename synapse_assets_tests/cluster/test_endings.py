"""What a person reads of a job that died, from what Ray says of it."""

import pytest

from synapse_assets.cluster.endings import MARK, why_it_ended
from synapse_assets.cluster.job_interface import FAILED, STOPPED, Job

LOG = "Job entrypoint command failed with exit code 1, last available logs (truncated to 20,000 chars):\n"
# As Ray 2.60 words them.
LOST = (
    "Job supervisor actor died: The actor died unexpectedly before finishing this task.\n\tclass_name: JobSupervisor\n\tactor_id: 5e1e\n"
    "The actor died because its node has died. Node Id: 9f2e\n\tthe actor's node was terminated unexpectedly: health check failed"
)
MEMORY = (
    "Job supervisor actor died: The actor died unexpectedly before finishing this task.\n1 worker(s) were killed due to the node running "
    "low on memory. Memory on the node (IP: 10.0.0.2, ID: 9f2e) was 61.2GB used / 62.0GB limit (0.98)"
)


@pytest.mark.parametrize(
    ("state", "kind", "message", "code", "expected"),
    [
        (FAILED, "JOB_SUPERVISOR_ACTOR_DIED", LOST, None, "the node that worked on this run was lost on 10.0.0.2: "),
        (FAILED, "JOB_SUPERVISOR_ACTOR_DIED", MEMORY, None, "killed on 10.0.0.2, as it is for want of memory: lower SYNAPSE_RAY_RUNS"),
        (FAILED, "JOB_SUPERVISOR_ACTOR_DIED", LOST.partition("\t")[0], None, "that looked after this run died on 10.0.0.2"),
        (FAILED, "JOB_ENTRYPOINT_COMMAND_ERROR", LOG, -9, "killed on 10.0.0.2, as it is for want of memory"),
        (FAILED, "JOB_ENTRYPOINT_COMMAND_ERROR", LOG, 143, "was ended on 10.0.0.2 from outside, as by a shutdown"),
        (FAILED, "JOB_ENTRYPOINT_COMMAND_ERROR", LOG + "libc.so.6(+0x1098ec)", -11, "run crashed on 10.0.0.2 (SIGSEGV), as a library"),
        (FAILED, "JOB_ENTRYPOINT_COMMAND_ERROR", LOG + "libc.so.6(+0x1098ec)", 134, "run crashed on 10.0.0.2 (SIGABRT), as a library"),
        (
            FAILED,
            "JOB_ENTRYPOINT_COMMAND_ERROR",
            LOG + "/opt/ray/_raylet.so(+0xc63e70) [0x7feba9663e70] thread_proxy\n/lib/libc.so.6(+0x1098ec) [0x7feca65278ec]\n\n",
            1,
            "run crashed on 10.0.0.2, as a library does that is not written in Python",
        ),
        (STOPPED, "", "Job was intentionally stopped.", None, "was stopped on 10.0.0.2 from outside, not from here"),
        (
            FAILED,
            "JOB_ENTRYPOINT_COMMAND_ERROR",
            LOG + "/opt/venv/bin/python: Error while finding module specification for 'synapse_assets.cluster.run' (ModuleNotFoundError: "
            "No module named 'synapse_assets')",
            1,
            "Python on 10.0.0.2 does not find synapse_assets: install synapse-assets[ray,postgres] there",
        ),
        (FAILED, "JOB_ENTRYPOINT_COMMAND_ERROR", LOG + "/bin/sh: 1: exec: python: not found", 127, "no Python on the path of the node"),
        (FAILED, "JOB_ENTRYPOINT_COMMAND_ERROR", LOG + "OSError: [Errno 28] No space left on device", 1, "a disk is full on 10.0.0.2"),
        (FAILED, "JOB_ENTRYPOINT_COMMAND_ERROR", LOG + "a\nValueError: odd\n", 1, "of this run failed on 10.0.0.2: ValueError: odd"),
        (FAILED, "JOB_SUPERVISOR_ACTOR_START_TIMEOUT", "Job supervisor actor failed to start", None, "add a node, lower SYNAPSE_RAY_RUNS"),
        (FAILED, "RUNTIME_ENV_SETUP_FAILURE", "runtime_env setup failed: x\nno pip", None, "could not be set up on 10.0.0.2: no pip"),
    ],
)  # fmt: skip
def test_every_end_is_one_sentence(state: str, kind: str, message: str, code: int | None, expected: str) -> None:
    told = why_it_ended(Job("job", state, message, kind, "10.0.0.2", code), "http://head:8265")
    assert expected in told
    assert "\n" not in told
    assert "{" not in told


def test_what_the_job_said_itself_comes_first() -> None:
    said = f"{LOG}noise\n{MARK} on the node b: SYNAPSE_POSTGRES_URL is not set there\nmore: No module named x\n"
    assert (
        why_it_ended(Job("job", FAILED, said, exit_code=1), "")
        == "on the node b: SYNAPSE_POSTGRES_URL is not set there"
    )


def test_a_job_that_the_cluster_does_not_know_was_ended_with_its_head() -> None:
    assert "http://head:8265 does not know this run's job: its head was started anew" in why_it_ended(
        None, "http://head:8265"
    )
