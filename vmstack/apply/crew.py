"""The threads that run effects."""

import threading
from collections.abc import Callable
from queue import SimpleQueue


class Crew:
    """Threads that run jobs, made when a job finds none idle.

    How many there are is bounded by whoever hands out jobs. They are daemons: a job that never returns (a call into
    a hung host) must not keep the process from ending. Jobs handle their own exceptions.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._guard = threading.Lock()
        self._spare = 0
        self._threads: list[threading.Thread] = []

    def run(self, job: Callable[[], None]) -> None:
        """Run the job soon on a thread of its own."""
        with self._guard:
            if self._spare:
                self._spare -= 1
            else:
                thread = threading.Thread(target=self._work, name=f"{self._name}-{len(self._threads)}", daemon=True)
                self._threads.append(thread)
                thread.start()
        self._jobs.put(job)

    def dismiss(self) -> None:
        """Let every thread end after the job it has."""
        for _ in self._threads:
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
            with self._guard:
                self._spare += 1
