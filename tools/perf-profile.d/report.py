#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Makes the folder of tools/perf-profile out of what was recorded.

usage: report.py RECORDED FOLDER [EARLIER FOLDER]

RECORDED has meta.json, threads.before, threads.after, memory, bpf.json, timehist and samples; of a
load that asks the daemon, counters.before and counters.after, too. The folder gets flame.svg,
stacks.txt, functions.txt, threads.txt, runqueue.txt, bpf.txt, memory.txt, summary.txt, with an
earlier folder compare.txt, and profile.json with every figure.
"""
import json
import re
import sys
from collections import defaultdict
from pathlib import Path

import flame
import samples

TIMEHIST = re.compile(r"^\s*\d+\.\d+ \[\d+\]\s+(.*?)\[(\d+)(?:/(\d+))?\]\s+[\d.]+\s+([\d.]+)\s+[\d.]+")
FUNCTIONS_SHOWN = 15
CHANGE_SHOWN = 0.10  # of a figure
SHARE_SHOWN = 1  # % of the samples, below which a function is no figure


class Profile:
    """What was recorded, as tables."""

    def __init__(self, raw):
        self.meta = json.loads((raw / "meta.json").read_text())
        self.bpf = json.loads((raw / "bpf.json").read_text())
        self.memory = {name: int(kib) for name, kib in map(str.split, (raw / "memory").read_text().splitlines())}
        self.threads = self.read_threads(raw)
        self.requests = self.read_requests(raw)
        self.waits = self.read_waits(raw)
        names = {program["name"] for program in self.bpf["programs"]}
        with open(raw / "samples", encoding="utf-8", errors="replace") as lines:
            self.stacks, self.seen = samples.read(lines, self.meta["pid"], names)
        self.functions = samples.functions(self.stacks)
        self.kept = sum(self.stacks.values())

    @staticmethod
    def read_threads(raw):
        """Of each name: how many threads, CPU in % of a core, wake-ups and preemptions per second."""
        times, rows = [], []
        for name in ("threads.before", "threads.after"):
            stamp, *lines = (raw / name).read_text().splitlines()
            times.append(int(stamp))
            rows.append({fields[0]: fields[1:] for fields in (line.split("\t") for line in lines)})
        seconds = (times[1] - times[0]) / 1e6
        table = defaultdict(lambda: [0, 0.0, 0.0, 0.0])
        for tid, (name, *after) in rows[1].items():
            before = rows[0].get(tid, [name, 0, 0, 0])[1:]
            cpu_ns, woken, preempted = (int(new) - int(old) for new, old in zip(after, before))
            row = table[name]
            row[0] += 1
            row[1] += cpu_ns / seconds / 1e7
            row[2] += woken / seconds
            row[3] += preempted / seconds
        return dict(sorted(table.items(), key=lambda item: (-item[1][1], item[0])))

    @staticmethod
    def read_requests(raw):
        """Requests per second and us of CPU for each, from two snapshots; None if the load makes none."""
        if not (raw / "counters.after").exists():
            return None
        then, now = (json.loads((raw / f"counters.{when}").read_text()) for when in ("before", "after"))
        made_ns = [snapshot["uptime_ns"] - snapshot["age_ns"] for snapshot in (then, now)]
        count = now["http"]["requests_total"] - then["http"]["requests_total"]
        cpu_ns = now["self"]["cpu_ns_total"] - then["self"]["cpu_ns_total"]
        return [count * 1e9 / (made_ns[1] - made_ns[0]), cpu_ns / count / 1e3] if count else None

    def read_waits(self, raw):
        """Of each thread, the daemon's by name, all others under "others": waits after wake-ups, in us."""
        waits = defaultdict(list)
        for line in (raw / "timehist").read_text(errors="replace").splitlines():
            match = TIMEHIST.match(line)
            if not match or float(match[4]) == 0:  # it was not woken, but preempted
                continue
            ours = int(match[3] or match[2]) == self.meta["pid"]
            waits[match[1].strip() if ours else "others"].append(float(match[4]) * 1000)
        return {name: sorted(list_) for name, list_ in waits.items()}


def quantile(ordered, q):
    """The sample of rank ceil(q * count)."""
    return ordered[max(0, -int(-q * len(ordered) // 1) - 1)]


def figures(profile):
    """Every figure under a name that stays the same from run to run: {name: [value, unit]}."""
    out = {}
    for name, (_, cpu, woken, preempted) in profile.threads.items():
        out[f"thread {name} cpu"] = [cpu, "% of a core"]
        out[f"thread {name} wake-ups"] = [woken, "/s"]
        out[f"thread {name} preemptions"] = [preempted, "/s"]
    out["daemon cpu"] = [sum(row[1] for row in profile.threads.values()), "% of a core"]
    out["daemon wake-ups"] = [sum(row[2] for row in profile.threads.values()), "/s"]
    if profile.requests:
        out["requests rate"] = [profile.requests[0], "/s"]
        out["requests cpu"] = [profile.requests[1], "us each"]
    for program in profile.bpf["programs"]:
        name = f"bpf {program['name']}"
        out[f"{name} cost"] = [program["ns_per_run"], "ns/run"]
        out[f"{name} runs"] = [program["runs_per_s"], "/s"]
    out["bpf cpu"] = [sum(map(bpf_cpu, profile.bpf["programs"])), "% of a core"]
    for name, waits in profile.waits.items():
        out[f"wait {name} p50"] = [quantile(waits, 0.5), "us"]
        out[f"wait {name} p99"] = [quantile(waits, 0.99), "us"]
    for name, kib in profile.memory.items():
        out[f"memory {name}"] = [kib, "KiB"]
    for thread, list_ in profile.functions.items():
        for own, _, _, name in list_:
            if 100 * own >= SHARE_SHOWN * profile.kept:
                out[f"samples {thread} {name}"] = [100 * own / profile.kept, "% of samples"]
    return out


def bpf_cpu(program):
    return program["runs_per_s"] * program["ns_per_run"] / 1e7


# --- the parts of the folder ------------------------------------------------------------------------


def functions_text(profile):
    lines = []
    for thread, list_ in sorted(profile.functions.items(), key=lambda item: -sum(row[0] for row in item[1])):
        lines.append(f"{thread}: {sum(row[0] for row in list_)} samples")
        lines.append("    self %  total %  function")
        for own, total, kind, name in list_[:FUNCTIONS_SHOWN]:
            where = {"k": " (kernel)", "b": " (BPF)"}.get(kind, "")
            lines.append(f"  {100 * own / profile.kept:8.1f} {100 * total / profile.kept:8.1f}  {name}{where}")
        lines.append("")
    return lines or ["no samples: neither the daemon nor its BPF programs were met"]


def threads_text(profile):
    lines = [f"{'thread':<18}{'count':>6}{'% of a core':>13}{'wake-ups/s':>12}{'preempted/s':>13}"]
    for name, (count, cpu, woken, preempted) in profile.threads.items():
        lines.append(f"{name:<18}{count:>6}{cpu:>13.4f}{woken:>12.2f}{preempted:>13.2f}")
    return lines


def runqueue_text(profile):
    lines = [f"{'thread':<18}{'wake-ups':>9}{'p50 us':>10}{'p99 us':>10}{'max us':>10}"]
    for name, waits in sorted(profile.waits.items()):
        lines.append(
            f"{name:<18}{len(waits):>9}{quantile(waits, 0.5):>10.0f}{quantile(waits, 0.99):>10.0f}{waits[-1]:>10.0f}"
        )
    return lines


def bpf_text(profile):
    lines = [f"{'program':<26}{'runs/s':>12}{'ns/run':>10}{'% of a core':>13}"]
    for program in profile.bpf["programs"]:
        lines.append(
            f"{program['name']:<26}{program['runs_per_s']:>12.1f}{program['ns_per_run']:>10.1f}{bpf_cpu(program):>13.4f}"
        )
    return lines + [f"taken off: {profile.bpf['empty_ns']:.1f} ns a run, which bpf_stats say of an empty program"]


def hottest(profile):
    """The functions with the most samples of their own, over all threads."""
    rows = [(own, thread, name) for thread, list_ in profile.functions.items() for own, _, _, name in list_ if own]
    return sorted(rows, reverse=True)


def wait_words(waits):
    if not waits:
        return "no wake-up"
    p50, p99 = quantile(waits, 0.5), quantile(waits, 0.99)
    return f"p50 {p50:.0f}, p99 {p99:.0f}, max {waits[-1]:.0f} us of {len(waits)}"


def summary_text(profile):
    """The ten lines that matter, and what can't be seen on this machine."""
    meta, figure = profile.meta, figures(profile)
    requests = "; {:.1f} requests/s, {:.1f} us of CPU each".format(*profile.requests) if profile.requests else ""
    busiest = [f"{name} {row[1]:.3f} %" for name, row in list(profile.threads.items())[:3]]
    lines = [
        f"load {meta['load']}, {meta['mode']} mode, Linux {meta['kernel']}, {meta['cpus']} CPUs, {meta['seconds']} s each part",
        f"daemon    {figure['daemon cpu'][0]:.4f} % of a core, {figure['daemon wake-ups'][0]:.2f} wake-ups/s{requests}",
        f"threads   {', '.join(busiest)}",
    ]
    ranks = hottest(profile)[:3]
    for own, thread, name in ranks:
        lines.append(f"function  {100 * own / profile.kept:.1f} % of {profile.kept} samples: {name} ({thread})")
    lines += ["function  (no more samples)"] * (3 - len(ranks))
    programs = profile.bpf["programs"]
    total = sum(program["runs_per_s"] for program in programs)
    costliest = sorted(programs, key=bpf_cpu, reverse=True)[:2]
    words = [f"{p['name']} {p['ns_per_run']:.0f} ns x {p['runs_per_s']:.0f}/s" for p in costliest]
    ours = sorted(wait for name, waits in profile.waits.items() if name != "others" for wait in waits)
    memory = profile.memory
    return lines + [
        f"BPF       {figure['bpf cpu'][0]:.4f} % of a core in {total:.0f} runs/s",
        f"programs  {', '.join(words)}",
        f"run queue daemon {wait_words(ours)}; others {wait_words(profile.waits.get('others', []))}",
        f"memory    {memory['resident']} KiB resident, {memory['private']} of it private; BPF maps {memory['bpf_maps']} KiB",
    ]


def missing_text(profile):
    if profile.meta["event"] != "cpu-clock":
        return []
    return [
        "missing   hardware counters: sampled by a timer, which is an interrupt. What runs with interrupts off",
        "          (the scheduler, and the BPF programs on its tracepoints) gets no samples, or gives them to the",
        "          function that puts interrupts on again: its cost is in bpf.txt only. No cycles, no cache misses.",
    ]


def compare(before, after, meta_before, meta_after):
    """What differs from an earlier run: all figures that moved by more than a tenth."""
    lines = []
    for key in ("load", "mode", "kernel", "cpus", "event"):
        if meta_before[key] != meta_after[key]:
            lines.append(f"not the same {key}: {meta_before[key]} before, {meta_after[key]} now")
    lines.append(f"{'figure':<52}{'before':>12}{'now':>12}{'change':>9}  unit")
    same = 0
    for name in sorted(before.keys() | after.keys()):
        old, unit = before.get(name, [None, ""])
        new, unit = after.get(name, [None, unit])
        if old is not None and new is not None and abs(new - old) <= CHANGE_SHOWN * abs(old):
            same += 1
            continue
        change = f"{100 * (new - old) / old:+.0f} %" if old and new is not None else "-"
        columns = "".join(f"{'-' if value is None else f'{value:.3f}':>12}" for value in (old, new))
        lines.append(f"{name[:51]:<52}{columns}{change:>9}  {unit}")
    lines.append(f"{same} figures are the same within 10 %. One run each: this tells where to look, not what is true;")
    lines.append("bench/compare tells a change from noise.")
    return lines


def write(folder, name, lines):
    (folder / name).write_text("\n".join(lines) + "\n")


def main(raw, folder, earlier=None):
    profile, folder = Profile(Path(raw)), Path(folder)
    # Before anything is written: it may be the same folder.
    then = json.loads((Path(earlier) / "profile.json").read_text()) if earlier else None
    meta = profile.meta
    title = f"scx_gamerd, load {meta['load']}: {profile.kept} samples of its threads and BPF programs"
    note = f"of {profile.seen} in all, {meta['event']} at {meta['frequency']} Hz, {meta['seconds']} s"
    (folder / "flame.svg").write_text(flame.render(profile.stacks, title, note))
    stacks = sorted(profile.stacks.items())
    write(folder, "stacks.txt", [";".join(name for _, name in stack) + f" {count}" for stack, count in stacks])
    write(folder, "functions.txt", functions_text(profile))
    write(folder, "threads.txt", threads_text(profile))
    write(folder, "runqueue.txt", runqueue_text(profile))
    write(folder, "bpf.txt", bpf_text(profile))
    write(folder, "memory.txt", [f"{name:<16}{kib:>10} KiB" for name, kib in profile.memory.items()])
    now = figures(profile)
    (folder / "profile.json").write_text(json.dumps({"meta": meta, "figures": now}, indent=1) + "\n")
    summary = summary_text(profile)
    write(folder, "summary.txt", summary + missing_text(profile))
    print("\n".join(summary + missing_text(profile)))
    if then:
        lines = compare(then["figures"], now, then["meta"], meta)
        write(folder, "compare.txt", lines)
        print("\n".join(lines))


if __name__ == "__main__":
    main(*sys.argv[1:])
