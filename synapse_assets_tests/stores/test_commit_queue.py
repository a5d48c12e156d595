"""Turns are taken in the order of the storage's clock, whoever waits is passed by none, and who died is waited for only so long."""

import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from synapse_assets.stores import DatasetStore, commit_queue, maintain
from synapse_assets.stores.commit_queue import turn
from synapse_assets.stores.files import Files
from synapse_assets.stores.row_search import Search
from synapse_assets_tests.stores.object_store import ObjectStore, object_store  # noqa: F401 -- a fixture
from synapse_assets_tests.stores.samples import vectors

# By the server's clock, which tells whole seconds.
DEAD_SECONDS = 4.0


@pytest.fixture
def store(object_store: ObjectStore, tmp_path: Path) -> DatasetStore:  # noqa: F811
    return object_store.store(tmp_path)


@pytest.fixture
def queue(store: DatasetStore, monkeypatch: pytest.MonkeyPatch) -> Files:
    monkeypatch.setattr(commit_queue, "_DEAD_SECONDS", DEAD_SECONDS)
    monkeypatch.setattr(commit_queue, "_RENEWED_SECONDS", 0.5)
    monkeypatch.setattr(commit_queue, "_LOOK_SECONDS", 0.05)
    return store.folder.child("vectors", "t.lance.queue")


def tickets(queue: Files) -> list[str]:
    return [name for name in queue.names() if not name.endswith(".alive")]


class Turns:
    """Threads that take a turn each, and how it went."""

    def __init__(self, queue: Files) -> None:
        self.queue = queue
        self.order: list[str] = []
        self.at_once: list[int] = []
        self._inside = 0
        self._threads: list[threading.Thread] = []

    def take(self, name: str) -> None:
        with turn(self.queue):
            self._inside += 1
            self.order.append(name)
            self.at_once.append(self._inside)
            time.sleep(0.02)
            self._inside -= 1

    def start(self, name: str) -> None:
        """Starts one that waits, and gives back when it has drawn its ticket."""
        before = len(tickets(self.queue))
        thread = threading.Thread(target=self.take, args=(name,))
        self._threads.append(thread)
        thread.start()
        while len(tickets(self.queue)) <= before:
            time.sleep(0.01)

    def join(self) -> None:
        for thread in self._threads:
            thread.join(60)


def test_one_after_the_other_in_the_order_of_arrival_also_behind_one_that_takes_long(queue: Files) -> None:
    turns = Turns(queue)
    with turn(queue):
        for number in range(5):
            turns.start(f"{number}")
        time.sleep(DEAD_SECONDS + 1.5)
        assert turns.order == []
    turns.join()
    assert turns.order == [f"{number}" for number in range(5)]
    assert turns.at_once == [1] * 5
    assert queue.names() == []


def test_the_storage_tells_who_was_first_whatever_the_clocks_of_the_machines_say(
    object_store: ObjectStore,  # noqa: F811
    queue: Files,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    turns = Turns(queue)
    fast, slow = time.time_ns() + 10**13, time.time_ns() - 10**13
    first = f"{fast:020d}-first"
    queue.touch(first)
    object_store.make_old(queue.address(first), 2)
    turns.start("in the middle")
    monkeypatch.setattr(time, "time_ns", lambda: slow)
    time.sleep(1)
    turns.start("of a slow clock")
    assert turns.order == []
    queue.remove(first)
    turns.join()
    assert turns.order == ["in the middle", "of a slow clock"]


def test_the_dead_are_waited_for_only_so_long_and_removed(object_store: ObjectStore, queue: Files) -> None:  # noqa: F811
    killed_long_ago = ["0-queued", "0-working", "0-working.alive", "0-renewed-once-more.alive"]
    for name in killed_long_ago:
        queue.touch(name)
        object_store.make_old(queue.address(name), 60)
    queue.touch("0-just-killed")
    began = time.monotonic()
    with turn(queue):
        waited = time.monotonic() - began
        assert [name for name in queue.names() if name.startswith("0-")] == []
    assert DEAD_SECONDS - 1 <= waited <= DEAD_SECONDS + 6


def test_one_that_was_taken_for_dead_takes_its_place_again(queue: Files) -> None:
    turns = Turns(queue)
    with turn(queue):
        (holder,) = tickets(queue)
        turns.start("slept")
        (ticket,) = set(tickets(queue)) - {holder}
        queue.remove(ticket)
        while ticket not in tickets(queue):
            time.sleep(0.01)
        assert turns.order == []
    turns.join()
    assert turns.order == ["slept"]


def test_looks_without_an_answer_are_repeated_and_a_ticket_that_cannot_be_drawn_is_told(
    object_store: ObjectStore,  # noqa: F811
    queue: Files,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks: list[str] = []

    def few_looks(method: str, path: str) -> bool:
        looks.append(method)
        return method == "GET" and looks.count("GET") <= 3

    with object_store.down(few_looks), turn(queue):
        pass
    assert looks.count("GET") > 3
    with object_store.down(lambda method, path: method == "PUT"), pytest.raises(OSError, match="run again"):
        Turns(queue).take("nobody")
    monkeypatch.setattr(commit_queue, "_PATIENCE_SECONDS", 0.0)
    with (
        object_store.down(lambda method, path: method == "GET"),
        pytest.raises(OSError, match="run again"),
    ):
        Turns(queue).take("nobody")
    assert queue.names() == []


def test_more_tickets_than_one_answer_lists_are_all_seen(object_store: ObjectStore, queue: Files) -> None:  # noqa: F811
    """S3 lists a thousand at a time."""
    crowd = [f"0-{number:04d}" for number in range(1001)]
    object_store.plant([queue.address(name) for name in crowd])
    ticket = commit_queue._Ticket(queue)
    ticket.draw()
    assert ticket.ahead() == len(crowd)


def test_a_commit_takes_its_turn_beside_the_table_and_tickets_are_no_data(
    object_store: ObjectStore,  # noqa: F811
    store: DatasetStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table = store.vectors("a/b c", 4)
    queue = "vectors/embeddings_a%2Fb%20c.lance.queue"
    look, seen = Search.look, []

    def spy(search: Search, dataset: Any) -> Any:
        seen.append([name for name in object_store.keys(store.folder.root) if name.startswith(queue + "/")])
        return look(search, dataset)

    monkeypatch.setattr(Search, "look", spy)
    table.replace_region("A", vectors("A", ["a"]), [])
    # Not while it searches beforehand.
    assert [len(found) for found in seen] == [0, 1]
    folder = store.folder.child(*queue.split("/"))
    assert folder.names() == []
    for name in ("0-left-long-ago", "0-just-now"):
        folder.touch(name)
    object_store.make_old(folder.address("0-left-long-ago"), 9 * 24 * 3600)
    assert list(store.lance_tables()) == ["embeddings_a%2Fb%20c.lance"]
    maintain(store)
    assert folder.names() == ["0-just-now"]
    # Vectors of an encoder that nobody uses go with their queue.
    assert maintain(store, timedelta(seconds=-5))["vector tables removed"] == 1
    assert [name for name in object_store.keys(store.folder.root) if "embeddings_" in name] == []
