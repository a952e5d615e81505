# SPDX-License-Identifier: GPL-2.0-only
"""In a guest: how late a SCHED_RR thread wakes up beside two hogs for each CPU. Prints p50, p99 and the
maximum in us. Nothing of that is the scheduler's doing, so it is what the guest itself adds."""
import gc
import os
import signal
import time

PERIOD_NS = 2664890  # 128 frames at 48032 Hz: it meets the guest's ticks at all distances
WARM_UP, COUNT = 100, 500


def hog():
    while True:
        pass


def main():
    hogs = []
    for _ in range(2 * os.cpu_count()):
        pid = os.fork()
        if not pid:
            hog()
        hogs.append(pid)
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(20))
    gc.disable()
    late_ns = []
    due_ns = time.monotonic_ns() + 100 * PERIOD_NS
    for _ in range(WARM_UP + COUNT):
        due_ns += PERIOD_NS
        time.sleep(max(0, due_ns - time.monotonic_ns()) / 1e9)
        late_ns.append(time.monotonic_ns() - due_ns)
    for pid in hogs:
        os.kill(pid, signal.SIGKILL)
    late_ns = sorted(late_ns[WARM_UP:])
    print(*(late_ns[int(rank * (COUNT - 1))] // 1000 for rank in (0.5, 0.99, 1)))


main()
