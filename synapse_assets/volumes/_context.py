"""What tensorstore may use while it reads a volume: memory for decoded chunks, requests at once, tries of each."""

from dataclasses import dataclass

import tensorstore as ts

CACHE_BYTES = 256 * 2**20
# tensorstore's own 32 leave a connection idle most of the time: each waits for the other side, not for bytes.
REQUESTS_AT_ONCE = 128


@dataclass(frozen=True)
class Retries:
    """A request that fails for a passing reason (HTTP 429 or 5xx, a dropped connection) is tried `times` times again.

    Before each try it waits: `first_delay_s`, then twice as long each time up to `longest_delay_s`, and a random part
    of `first_delay_s` (at most of 1 s) on top, so that processes that failed together do not return together.
    """

    times: int = 6
    first_delay_s: float = 0.5
    longest_delay_s: float = 16.0


def reading_context(retries: Retries) -> ts.Context:
    """The context in which one volume is opened and read."""
    again = {
        "max_retries": retries.times,
        "initial_delay": f"{retries.first_delay_s}s",
        "max_delay": f"{retries.longest_delay_s}s",
    }
    remote = ("http", "gcs", "s3")
    return ts.Context(
        {
            "cache_pool": {"total_bytes_limit": CACHE_BYTES},
            **{f"{kind}_request_retries": again for kind in remote},
            **{f"{kind}_request_concurrency": {"limit": REQUESTS_AT_ONCE} for kind in remote},
        }
    )
