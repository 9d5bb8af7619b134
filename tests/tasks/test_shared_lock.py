"""Many share the lock, or one has it alone, who is not kept waiting by those who come later."""

from __future__ import annotations

import threading
import time

from tasks.gpu_lock import SharedLock


class Thread(threading.Thread):
    """Enters, says so, and stays inside until it may leave."""

    def __init__(self, lock: SharedLock, *, alone: bool) -> None:
        super().__init__(daemon=True)
        self.lock, self.alone = lock, alone
        self.inside, self.leave = threading.Event(), threading.Event()
        self.start()

    def run(self) -> None:
        with self.lock.hold(alone=self.alone):
            self.inside.set()
            self.leave.wait(5)


def test_who_wants_it_alone_goes_before_those_who_come_later() -> None:
    lock = SharedLock()
    first, second = Thread(lock, alone=False), Thread(lock, alone=False)
    assert first.inside.wait(5) and second.inside.wait(5)
    alone = Thread(lock, alone=True)
    while not lock._waiting:
        time.sleep(0.01)
    late = Thread(lock, alone=False)
    first.leave.set()
    first.join(5)
    assert not alone.inside.wait(0.05)
    second.leave.set()
    assert alone.inside.wait(5) and not late.inside.wait(0.05)
    alone.leave.set()
    assert late.inside.wait(5)
    late.leave.set()


def test_who_is_inside_may_enter_again_and_an_error_frees_it() -> None:
    lock = SharedLock()
    try:
        with lock.hold(alone=True), lock.hold(alone=False), lock.hold(alone=True):
            raise KeyError
    except KeyError:
        pass
    other = Thread(lock, alone=True)
    assert other.inside.wait(5)
    other.leave.set()
