"""What can go wrong and is told to a person in plain words. The ground floor: every room may raise these, and refine
BadInput where it has to tell one kind apart.

What a library raises, and faults of the program itself, do not belong here.
"""


class SynapseAssetsError(Exception):
    """An error whose message is written for a person: what is wrong, where, and what to do."""


class BadInput(SynapseAssetsError, ValueError):  # noqa: N818 -- it is the input that is bad
    """Input that a person has to fix: the message says what is wrong, where, and how to fix it."""


class Unreachable(SynapseAssetsError, ConnectionError):  # noqa: N818 -- as BadInput
    """A server that does not answer, or not now: may pass by itself, so it is worth another attempt."""


class StorageError(SynapseAssetsError, OSError):
    """Storage that failed, with the remedy: a full disk, a folder that may not be written."""


class UnreachableStorageError(StorageError, ConnectionError):
    """Object storage that does not answer: may pass by itself, so it is worth another attempt."""
