"""How an unavailable chunk is distinguished from a damaged one, whichever reader raised the error.

tensorstore says it in the first word of its errors; the readers of this package that stand beside it say it with the
same words, so that one question answers for all of them.
"""


def missing_chunk(what: str) -> ValueError:
    """The error of a reader for a chunk that is absent."""
    return ValueError(f"NOT_FOUND: {what}")


def unreachable(what: str) -> ValueError:
    """The error of a reader for a chunk that could not be fetched in time."""
    return ValueError(f"UNAVAILABLE: {what}")


def is_missing_chunk(error: Exception) -> bool:
    """Whether `error` was raised because a chunk is absent."""
    return str(error).startswith("NOT_FOUND")


def is_network_error(error: Exception) -> bool:
    """Whether `error` was raised because the other side could not be reached in time."""
    return str(error).startswith(("UNAVAILABLE", "DEADLINE_EXCEEDED", "ABORTED", "RESOURCE_EXHAUSTED"))


def is_refusal(error: Exception) -> bool:
    """Whether `error` was raised because the other side does not let this machine read."""
    return str(error).startswith(("PERMISSION_DENIED", "UNAUTHENTICATED"))
