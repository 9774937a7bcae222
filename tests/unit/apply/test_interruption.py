"""Ctrl-C once and twice, and the threads of effects."""

import os
import signal
import threading

from vmstack.apply.crew import Crew
from vmstack.apply.interruption import Interruption, obey_signals


def test_the_first_signal_asks_and_the_second_ends():
    interruption = Interruption()
    heard: list[str] = []
    interruption.subscribe(lambda: heard.append("stop"))
    deaths: list[str] = []
    before = signal.getsignal(signal.SIGINT)
    with obey_signals(interruption, die=lambda: deaths.append("dead")):
        os.kill(os.getpid(), signal.SIGTERM)
        assert interruption.reason == "SIGTERM"
        assert (heard, deaths) == (["stop"], [])
        os.kill(os.getpid(), signal.SIGINT)
        assert deaths == ["dead"]
    assert signal.getsignal(signal.SIGINT) is before


def test_the_first_reason_counts():
    interruption = Interruption()
    interruption.request("the lock was lost")
    interruption.request("SIGINT")
    assert interruption.reason == "the lock was lost"


def test_outside_the_main_thread_signals_stay_as_they_are():
    seen: list[object] = []

    def run() -> None:
        with obey_signals(Interruption()):
            seen.append(signal.getsignal(signal.SIGINT))

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [before]


def test_a_crew_runs_jobs_at_once_and_uses_idle_threads_again():
    crew = Crew("test")
    barrier = threading.Barrier(5)
    for _ in range(4):
        crew.run(barrier.wait)
    barrier.wait(timeout=1.5)  # only passes when all four run at the same time
    names: set[str] = set()
    for _ in range(20):
        done = threading.Event()

        def job(done: threading.Event = done) -> None:
            names.add(threading.current_thread().name)
            done.set()

        crew.run(job)
        assert done.wait(1.5)
    crew.dismiss()
    assert len(names) <= 5
