#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The table of bench/run-sched --table rest, from the lines that run-sched.d/rest printed.

usage: rest.py [--json FILE] LINES

Each line is an object: machine, boot, scheduler, mode, test, and result, failure or note. A test has
figures (FIGURES below); a figure knows how to read its value from a result, how to make one value of
several boots, and the bar that scx_gamerd has to keep where it schedules. Status 1: a bar is missed,
or a test has no result.
"""
import argparse
import json
import sys
from dataclasses import dataclass
from typing import Callable

OURS = "scx_gamerd"
TITLES = {"eevdf": "EEVDF", "rr": "RR 20", "nice": "nice -11"}
MACHINES = {"1": "1 CPU", "2": "2 CPUs", "4": "4 CPUs", "2x2": "4 CPUs, two caches", "1+1": "2 CPUs, two caches",
            "8": "8 CPUs", "16": "16 CPUs", "2x2x2": "8 CPUs: two caches, two cores each, two threads each",
            "nohz": "2 CPUs, one of them nohz_full"}
CPUS = {"1": 1, "2": 2, "4": 4, "2x2": 4, "1+1": 2, "8": 8, "16": 16, "2x2x2": 8, "nohz": 2}


# --- bars: words for people, and whether a value keeps them (None: it can't be said) -------------------

@dataclass(frozen=True)
class AtMost:
    """At most `factor` of the base's value, and `plus` more."""
    factor: float
    base: str
    plus: float = 0

    def __str__(self):
        factor = f"{self.factor:g} {TITLES[self.base]}" if self.factor != 1 else TITLES[self.base]
        return f"<= {factor}" + (f" + {self.plus:g}" if self.plus else "")

    def holds(self, values):
        base = values.get(self.base)
        return None if base is None else values[OURS] <= self.factor * base + self.plus


@dataclass(frozen=True)
class Between:
    low: float
    high: float

    def __str__(self):
        if self.low == self.high:
            return f"{self.low:g}"
        return f"<= {self.high:g}" if self.low == 0 else f"{self.low:g} to {self.high:g}"

    def holds(self, values):
        return self.low <= values[OURS] <= self.high


@dataclass(frozen=True)
class Near:
    """Within `percent` of the base's value, or `points` of it where that is small."""
    percent: float
    base: str
    points: float = 0.5

    def __str__(self):
        return f"{TITLES[self.base]} +- {self.percent:g} %"

    def holds(self, values):
        base = values.get(self.base)
        if base is None:
            return None
        return abs(values[OURS] - base) <= max(self.percent / 100 * base, self.points)


# --- figures ------------------------------------------------------------------------------------------

def mean(values):
    return sum(values) / len(values)


@dataclass(frozen=True)
class Figure:
    title: str
    digits: int
    of: Callable  # (result, number of CPUs) -> value
    bar: object = None
    merge: Callable = max  # of the boots' values
    base: str = "eevdf"  # of the ratio in brackets; "": none
    is_latency: bool = False


def shares(loads):
    """Each hog's share of a CPU in %, of one load or a list of them."""
    loads = loads if isinstance(loads, list) else [loads]
    return [hog["cpu_ns"] / load["seconds"] / 1e7 for load in loads for hog in load["hogs"]]


def group_share(index):
    return lambda r, cpus: sum(shares(r[index]))


def unfairness(r, cpus):
    """How far from its share the hog is that is farthest, in % of the share."""
    each = shares(r)
    ideal = 100 * min(1, cpus / len(each))
    return max(abs(share / ideal - 1) * 100 for share in each)


def per_second(name):
    return lambda r, cpus: sum(hog[name] for hog in r["hogs"]) / r["seconds"]


def own_cache(r, cpus):
    return sum(r["cpus"][:cpus // 2]) / sum(r["cpus"]) * 100


def times(stamp, bar, quantiles=("p50", "p90", "p99", "max"), base="eevdf"):
    """Quantiles in us of the lateness at a stamp, wake or done; those in `bar` have one."""
    return [Figure(f"  {stamp} {q} us", 1, lambda r, cpus, q=q: r[stamp][f"{q}_ns"] / 1e3, bar.get(q),
                   base=base, is_latency=True) for q in quantiles]


def missed(bar):
    return Figure("  missed periods", 0, lambda r, cpus: r["missed"], bar, merge=sum, base="", is_latency=True)


CLOSE = AtMost(1.1, "eevdf", 50)
NO_WORSE = AtMost(1, "eevdf")
GOT = Figure("  CPU it got of what it asked for, %", 1, lambda r, cpus: r["worked_us"] / r["asked_us"] * 100,
             merge=min, base="")
GOT_ALL = Figure(GOT.title, 1, GOT.of, Between(98, 102), merge=min, base="")
PERIODS = Figure("  of periods", 0, lambda r, cpus: r["wake"]["count"], merge=sum, base="")


def sleeper(title, stamp="wake", got=GOT):
    return title, times(stamp, {"p50": CLOSE, "p99": CLOSE}) + [missed(NO_WORSE), PERIODS, got]


def game(title):
    late = Figure("  late frames, %", 1, lambda r, cpus: r["missed"] / r["wake"]["count"] * 100,
                  AtMost(1, "eevdf", 1), base="", is_latency=True)
    return title, times("wake", {}, ("p50", "p99")) + [late, PERIODS, GOT]


def audio(title, missed_bar):
    return title, times("wake", {"p99": AtMost(1.5, "rr"), "max": AtMost(3, "rr")}, base="rr") + [missed(missed_bar)]


def seconds(title, factor):
    return title, [Figure("  s", 3, lambda r, cpus: r, AtMost(factor, "eevdf"), merge=min)]


def groups(title, *names):
    return title, [Figure(f"  {name}: CPU %", 1, group_share(i), Near(5, "eevdf"), merge=mean)
                   for i, name in enumerate(names)]


FAIR = Figure("  farthest from its share, %", 1, unfairness, Between(0, 5), base="")
SWITCHES = Figure("  context switches a second", 0, per_second("switches"))
MOVES = Figure("  changes of CPU a second", 1, per_second("moves"))
HOG_LEAST = Figure("  least of a hog, CPU %", 1, lambda r, cpus: min(shares(r)), Between(60, 72), merge=mean)
HOG_MOST = Figure("  most of a hog, CPU %", 1, lambda r, cpus: max(shares(r)), Between(60, 72), merge=mean)

FIGURES = {
    "light": sleeper("sleeper, 2.66 ms, 20 us"),
    "light100": sleeper("sleeper, 2.66 ms, 100 us"),
    "random": sleeper("two random sleepers, a tenth of a CPU each"),
    "frame": sleeper("frame, 16.67 ms, 3 ms (several CPUs: 6 ms)", "done"),
    "stages": sleeper("chain of 3 over pipes", "done"),
    "workers": sleeper("frame with 3 workers by futex", "done"),
    "light_19": sleeper("sleeper, 100 us, hogs at nice 19", got=GOT_ALL),
    "random_19": sleeper("random sleepers, hogs at nice 19"),
    "frame_19": sleeper("frame, hogs at nice 19", "done", got=GOT_ALL),
    "light_idle": sleeper("sleeper, 160 us, hogs of SCHED_IDLE", got=GOT_ALL),
    "random_idle": sleeper("random sleepers, hogs of SCHED_IDLE"),
    "frame_idle": sleeper("frame, hogs of SCHED_IDLE", "done", got=GOT_ALL),
    "light_nice5": sleeper("sleeper at nice -5"),
    "light_nice20": sleeper("sleeper at nice -20"),
    "requests": sleeper("16 requests with 4 workers each", "done"),
    "fair": ("equal hogs", [FAIR, MOVES, SWITCHES]),
    "fair_odd": ("three equal hogs for two CPUs", [HOG_LEAST, HOG_MOST, MOVES, SWITCHES]),
    "moves": ("four hogs more than CPUs", [
        Figure(MOVES.title, 1, MOVES.of, AtMost(2, "eevdf")), SWITCHES,
        Figure(FAIR.title, 1, FAIR.of, base="")]),
    "uneven": ("2 hogs begun in one cache, 8 in the other", [
        Figure(FAIR.title, 1, unfairness, AtMost(1, "eevdf", 5), base="")]),
    "weight": groups("cpu.weight 1000 and 10", "1000", "10"),
    "quota": groups("cpu.max 20000 100000", "limited"),
    "idle_group": groups("cpu.idle 1, and a busy group", "idle", "busy"),
    "nested": groups("groups in a group", "outer/a", "outer/b, two hogs", "other"),
    "crowd_group": ("16 hogs in one group, a game in another", [Figure("  the hogs' CPU %", 1, lambda r, cpus:
                    sum(shares(r)), Near(5, "eevdf"), merge=mean)]),
    "crowd_group_game": game("  the game, 4 ms a frame"),
    "game": game("session: 60 Hz, 8 ms; another: 8 hogs"),
    "game_workers": game("session: 60 Hz, 5.5 ms + workers; 4 hogs"),
    "sync": ("a server woken by a writer that goes on", [
        Figure("  waits behind it, of 60", 0, lambda r, cpus: r["behind"] * 60 / r["wakeups"], Between(0, 1), base="")]),
    "sibling": ("a light thread, its core and the next half busy", [
        Figure("  wake-ups in its cache, %", 1, own_cache, Near(5, "eevdf"), merge=min),
        Figure("  changes of CPU", 0, lambda r, cpus: r["moves"], AtMost(2, "eevdf", 5))]),
    "ticks": ("a thread alone on a nohz_full CPU", [
        Figure("  ticks a second", 1, lambda r, cpus: r["ticks"] / r["seconds"], AtMost(1, "eevdf", 2))]),
    "audio": audio("audio thread, 8 hogs", Between(0, 0)),
    "audio16": audio("audio thread, 16 hogs", Between(0, 0)),
    "eight": ("eight audio threads, messages, 8 hogs", times("wake", {}, ("p50", "p99", "max"), "rr") +
              [missed(AtMost(1, "rr"))]),
    "messaging": seconds("perf bench messaging", 1.05),
    "pipe": seconds("perf bench pipe", 1.1),
    "exec": seconds("150 fork+exec+2 ms", 1.05),
}


# --- the table ----------------------------------------------------------------------------------------

def in_order(items):
    return list(dict.fromkeys(items))


def row_of(figure, machine, lines):
    """One row: the value of each scheduler, and whether the bar holds."""
    results = {}
    for line in lines:
        if "result" in line:
            results.setdefault(line["scheduler"], []).append(figure.of(line["result"], CPUS[machine]))
    values = {name: figure.merge(each) for name, each in results.items()}
    ours = [line for line in lines if line["scheduler"] == OURS and "result" in line]
    is_judged = figure.bar and ours and all(line["mode"] == "sched" for line in ours)
    return {"title": figure.title.strip(), "bar": str(figure.bar or ""), "values": values,
            "holds": figure.bar.holds(values) if is_judged else None}


def make_table(lines):
    """[{machine, is_trusted, tests: [{test, title, rows}]}], figures beside their rows in `figure`.

    Of several CPUs latencies are shown only where `tools/vm --trust` said that they may be.
    """
    table = []
    for machine in in_order(line["machine"] for line in lines):
        here = [line for line in lines if line["machine"] == machine]
        trust = [line["result"] for line in here if line["test"] == "trust"]
        is_trusted = CPUS[machine] == 1 or any(each["is_trusted"] for each in trust)
        tests = []
        for test in in_order(line["test"] for line in here if line["test"] in FIGURES):
            title, figures = FIGURES[test]
            rows = [dict(row_of(figure, machine, [line for line in here if line["test"] == test]), figure=figure)
                    for figure in figures if is_trusted or not figure.is_latency]
            rows = [row for row in rows if row["values"]]
            if rows:
                tests.append({"test": test, "title": title, "rows": rows})
        table.append({"machine": machine, "is_trusted": is_trusted, "trust": [each["said"] for each in trust],
                      "tests": tests})
    return table


def cell(row, scheduler):
    figure, value = row["figure"], row["values"].get(scheduler)
    base = row["values"].get(figure.base)
    if value is None:
        return "-" + " " * 8
    ratio = value / base if base and scheduler != figure.base else None
    ratio = "" if ratio is None else f"({ratio:.0f})" if ratio >= 99.5 else f"({ratio:.2f})"
    return f"{value:.{figure.digits}f}{ratio:>9}"


def print_table(table, schedulers):
    for part in table:
        print(f"{MACHINES[part['machine']]:<46}" + "".join(f"{TITLES.get(name, name):>20}" for name in schedulers) +
              "  bar")
        for said in part["trust"]:
            print(f"({said})")
        for test in part["tests"]:
            print(test["title"])
            for row in test["rows"]:
                verdict = {True: "ok", False: "MISSED", None: ""}[row["holds"]]
                print((f"{row['figure'].title:<46}" + "".join(f"{cell(row, name):>20}" for name in schedulers) +
                       f"  {row['bar']:<20} {verdict}").rstrip())
        print()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json")
    parser.add_argument("lines")
    options = parser.parse_args()
    with open(options.lines, encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    table = make_table(lines)
    print_table(table, in_order(line["scheduler"] for line in lines if line["test"] != "trust"))
    failures = [line for line in lines if "failure" in line]
    for line in failures:
        print(f"{line['scheduler']}, {line['test']}, machine {line['machine']}, boot {line['boot']}: {line['failure']}")
    for note in in_order(f"{line['scheduler']}: {line['note']}" for line in lines if "note" in line):
        print(note)
    if options.json:
        for row in (row for part in table for test in part["tests"] for row in test["rows"]):
            del row["figure"]
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"machines": table, "failures": failures, "raw": lines}, file, indent=1)
    is_missed = any(row["holds"] is False for part in table for test in part["tests"] for row in test["rows"])
    return 1 if failures or is_missed or not lines else 0


if __name__ == "__main__":
    sys.exit(main())
