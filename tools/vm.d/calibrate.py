# SPDX-License-Identifier: GPL-2.0-only
"""In a guest: how late a SCHED_RR thread wakes up beside two hogs for each CPU, and by how much the CPU
that executes the least falls behind the one that executes the most. Prints p50, p99 and the maximum in
us, and percent, rounded up. Nothing of that is the scheduler's doing, so it is what the guest itself
adds."""
import gc
import os
import signal
import time

PERIOD_NS = 2664890  # 128 frames at 48032 Hz: it meets the guest's ticks at all distances
WARM_UP, COUNT = 100, 500
START_NS, WORK_NS = 1_000_000_000, 200_000_000


def hog():
    while True:
        pass


def work(cpu, start_ns):
    """The loops that this process gets done on `cpu` in a span that all have in common."""
    os.sched_setaffinity(0, {cpu})
    time.sleep((start_ns - WORK_NS - time.monotonic_ns()) / 1e9)
    loops = 0
    while (now := time.monotonic_ns()) < start_ns + WORK_NS:
        loops += now >= start_ns
    return loops


def measure_inequality():
    """In percent, rounded up."""
    start_ns = time.monotonic_ns() + START_NS
    pipes = []
    for cpu in range(os.cpu_count()):
        pipe = os.pipe()
        if not os.fork():
            os.write(pipe[1], str(work(cpu, start_ns)).encode())
            os._exit(0)
        pipes.append(pipe[0])
    loops = [int(os.read(pipe, 32)) for pipe in pipes]
    return -(-100 * (max(loops) - min(loops)) // max(loops))


def main():
    less = measure_inequality()
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
    print(*(late_ns[int(rank * (COUNT - 1))] // 1000 for rank in (0.5, 0.99, 1)), less)


main()
