"""What can go wrong and is told to a person in plain words. The ground floor: every room may raise these, and refine
BadInput where it has to tell one kind apart.

What a library raises, and faults of the program itself, do not belong here.
"""


class SynapseAssetsError(Exception):
    """An error whose message is written for a person: what is wrong, where, and what to do.

    What to do: read the message to its end. It is one of the errors below.
    """


class BadInput(SynapseAssetsError, ValueError):  # noqa: N818 -- it is the input that is bad
    """Input that a person has to fix: the message says what is wrong, where, and how to fix it.

    What to do: change what the message names (a file, a field of the dataset file, a setting, an argument) as it says, then start the
    same step again. Trying again without a change fails in the same way, so nothing retries it.
    """


class Unreachable(SynapseAssetsError, ConnectionError):  # noqa: N818 -- as BadInput
    """A server that does not answer, or not now: may pass by itself, so it is worth another attempt.

    What to do: nothing at first, as runs try again by themselves three times, after about 30, 60 and 120 seconds. If it stays, open the
    address of the message from the same machine: network, proxy, name and port have to be right. Then start the step again.
    """


class StorageError(SynapseAssetsError, OSError):
    """Storage that failed, with the remedy: a full disk, a folder that may not be written.

    What to do: make room, or give this user the right to write in the folder that the message names; or choose another data root
    (SYNAPSE_DATA_ROOT). Then start the step again: what was written before is whole.
    """


class UnreachableStorageError(StorageError, ConnectionError):
    """Object storage that does not answer: may pass by itself, so it is worth another attempt.

    What to do: nothing at first, as with a server. If it stays, check the address of the data root, AWS_ENDPOINT_URL where the storage is
    not Amazon's, and the credentials; then start the step again.
    """
