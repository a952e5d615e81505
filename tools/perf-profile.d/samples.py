# SPDX-License-Identifier: GPL-2.0-only
"""Reads what `perf script -F comm,pid,tid,ip,sym,dso` prints.

Of all samples of the system two kinds are kept: those of the daemon's threads, and those of any
thread that was inside one of the daemon's BPF programs, from that program on. The first frame of a
stack says whose it is: the name of the thread, or "BPF in NAME".
"""
import os
import re
from collections import Counter, defaultdict

HEADER = re.compile(r"^(.*?)\s+(\d+)/(\d+)\s*$")
FRAME = re.compile(r"^\s+[0-9a-f]+ (.+) \((.*)\)$")
PROGRAM = re.compile(r"^bpf_prog_[0-9a-f]+_(.+)$")


def read_frame(symbol, binary):
    """A frame as (kind, name): k for the kernel, b for BPF, u for user space."""
    program = PROGRAM.match(symbol)
    if program:
        return "b", program[1]
    if binary.startswith("[kernel") or binary.startswith("[guest.kernel"):
        return "k", symbol
    if symbol == "[unknown]":
        return "u", f"[{os.path.basename(binary).strip('[]')}]"
    return "u", symbol


def own_stack(comm, pid, frames, daemon, programs):
    """`frames` (innermost first) as a stack from the root on, or None if it is none of ours."""
    if pid == daemon:
        return (("t", comm), *reversed(frames))
    for outermost in range(len(frames) - 1, -1, -1):
        kind, name = frames[outermost]
        if kind == "b" and name in programs:
            return (("t", f"BPF in {comm}"), *reversed(frames[: outermost + 1]))
    return None


def read(lines, daemon, programs):
    """Stacks and how many samples each has; and how many samples there were of everything."""
    stacks, seen = Counter(), 0
    comm, pid, frames = "", 0, None
    for line in lines:
        if frames is None:
            header = HEADER.match(line)
            if header:
                comm, pid, frames = header[1].strip(), int(header[2]), []
            continue
        frame = FRAME.match(line)
        if frame:
            frames.append(read_frame(frame[1], frame[2]))
        elif not line.strip():
            seen += 1
            stack = own_stack(comm, pid, frames, daemon, programs)
            if stack:
                stacks[stack] += 1
            frames = None
    return stacks, seen


def functions(stacks):
    """For each thread its functions as (self, with callees, kind, name), the costliest first."""
    selves, totals = defaultdict(Counter), defaultdict(Counter)
    for stack, count in stacks.items():
        thread, frames = stack[0][1], stack[1:]
        if not frames:
            continue
        selves[thread][frames[-1]] += count
        for frame in set(frames):
            totals[thread][frame] += count
    return {
        thread: sorted(((selves[thread][f], totals[thread][f], *f) for f in totals[thread]), reverse=True)
        for thread in totals
    }
