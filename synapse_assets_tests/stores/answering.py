"""People who answer from processes of their own, and are killed."""

import multiprocessing
import os
import random
import signal
import statistics
import time
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path

from synapse_assets.stores.annotation_log import AnnotationLog, Answer

# One process imports, and each that answers comes from it within milliseconds.
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload([__name__])


def answer(who: str, number: int) -> Answer:
    return Answer(
        f"{who}-{number}", who, "round-1", f"s{number}", ("gaba", "glutamate")[number % 2], seconds=number / 7
    )


def answer_until_killed(path: str, who: str, told: Connection) -> None:
    """Answers one synapse after the other, and tells of each when the log has acknowledged it."""
    told.send(-1)
    number = 0
    while True:
        AnnotationLog(Path(path)).append([answer(who, number)])
        told.send(number)
        number += 1


def answer_at_once(path: str, who: str, count: int, start: Barrier) -> None:
    """Answers `count` synapses while others do."""
    start.wait(30)
    for number in range(count):
        AnnotationLog(Path(path)).append([answer(who, number)])


def kill_while_answering(path: Path, who: str, answers: int, then_s: float) -> list[Answer]:
    """Kills a process that answers, `then_s` after so many answers; gives the answers that were acknowledged to it."""
    here, there = SERVER.Pipe(duplex=False)
    process = SERVER.Process(target=answer_until_killed, args=(str(path), who, there))
    process.start()
    there.close()
    heard = [here.recv() for _ in range(1 + answers)]
    time.sleep(then_s)
    assert process.is_alive(), "it failed; its error stands in the captured output"
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    while True:
        try:
            heard.append(here.recv())
        except EOFError:
            return [answer(who, number) for number in heard[1:]]


def losses(path: Path, kills: int, seed: int) -> tuple[int, int, int]:
    """Kills that many processes one after the other, within the time of some three answers. Counts (acknowledged answers, those that were
    lost, those that stand there twice after each killed one has sent again all that it sent, heard of or not)."""
    draw, log = random.Random(seed), AnnotationLog(path)
    pace_s = statistics.median(seconds_of_an_answer(path.with_name("pace.sqlite"), 9))
    acknowledged: list[Answer] = []
    lost = 0
    for number in range(kills):
        heard = kill_while_answering(path, f"p{number}", draw.randrange(4), draw.uniform(0, 3 * pace_s))
        stored = set(log.rows().column("answer_id").to_pylist())
        acknowledged += heard
        lost += sum(one.answer_id not in stored for one in acknowledged)
        log.append([*heard, answer(f"p{number}", len(heard))])
    ids = log.rows().column("answer_id").to_pylist()
    wanted = len(acknowledged) + kills
    assert len(set(ids)) == wanted
    return len(acknowledged), lost, len(ids) - wanted


def seconds_of_an_answer(path: Path, count: int) -> list[float]:
    """How long each of `count` answers took to be on the disk."""
    log, seconds = AnnotationLog(path), []
    for number in range(count):
        began = time.perf_counter()
        log.append([answer("timed", number)])
        seconds.append(time.perf_counter() - began)
    return seconds
