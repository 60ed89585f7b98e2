"""A thread that asks to be urgent is scheduled as it was told."""

import os
import threading

from sipagent.net.priority import Urgency, make_urgent


def test_the_answer_is_what_the_kernel_does_and_concerns_one_thread() -> None:
    answers: list[tuple[Urgency, int]] = []

    def work() -> None:
        answers.append((make_urgent(), os.sched_getscheduler(threading.get_native_id())))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    ((urgency, policy),) = answers
    real_time = policy & ~os.SCHED_RESET_ON_FORK == os.SCHED_FIFO
    assert real_time == (urgency is Urgency.REAL_TIME)
    assert os.sched_getscheduler(0) == os.SCHED_OTHER
