"""Work that comes due though nobody calls."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Background:
    """Does `work` in a thread of its own: `delay` seconds after `wake`, and again after as many seconds as it returns; None: when
    it is woken again. Idle it does not run at all."""

    def __init__(self, work: Callable[[], float | None], delay: float) -> None:
        self._work = work
        self._delay = delay
        self._woken = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self.is_awake = False

    def wake(self) -> None:
        """To be called where something is due, unless it `is_awake`."""
        self.is_awake = True
        self._woken.set()
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="streamcli producer", daemon=True)
            thread.start()  # which fails where there can be no more threads
            self._thread = thread

    def stop(self) -> None:
        """Return once the thread is gone. Its work may be left undone."""
        self._stopping.set()
        self._woken.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while self._woken.wait() and not self._stopping.is_set():
            self._woken.clear()
            pause: float | None = self._delay
            while pause is not None and not self._stopping.wait(pause):
                pause = self._work()
                if pause is None:
                    self.is_awake = False
                    pause = self._work()  # what came before that was seen, and woke nobody
                    self.is_awake = pause is not None
