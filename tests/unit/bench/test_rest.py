#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""bench/report/rest.py: bars, the merge of boots, and what counts as a failure, on lines made here."""
import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "bench" / "report"))
sys.dont_write_bytecode = True
import rest  # noqa: E402


def line(scheduler, test, result, machine="1", boot=1, **more):
    mode = "sched" if scheduler == rest.OURS else "kernel"
    return {"machine": machine, "boot": boot, "scheduler": scheduler, "mode": mode, "test": test, "result": result,
            **more}


def probe(p50=7, p99=700, missed=0, worked=1):
    quantiles = {"count": 100, "p50_ns": p50 * 1e3, "p90_ns": p99 * 1e3, "p99_ns": p99 * 1e3, "max_ns": p99 * 1e3}
    return {"missed": missed, "asked_us": 1000, "worked_us": 1000 * worked, "wake": quantiles, "done": quantiles}


def hogs(*shares):
    return {"seconds": 10, "hogs": [{"cpu_ns": share * 1e8, "moves": 20, "switches": 30} for share in shares]}


def rows(*lines):
    return {row["title"]: row for part in rest.make_table(lines) for test in part["tests"] for row in test["rows"]}


class Bars(unittest.TestCase):
    def test_words(self):
        self.assertEqual(str(rest.AtMost(1.1, "eevdf", 50)), "<= 1.1 EEVDF + 50")
        self.assertEqual(str(rest.AtMost(1, "rr")), "<= RR 20")
        self.assertEqual(str(rest.Between(60, 72)), "60 to 72")
        self.assertEqual(str(rest.Between(0, 5)), "<= 5")
        self.assertEqual(str(rest.Between(0, 0)), "0")
        self.assertEqual(str(rest.Near(5, "eevdf")), "EEVDF +- 5 %")

    def test_without_a_base_nothing_can_be_said(self):
        self.assertIsNone(rest.AtMost(1, "eevdf").holds({rest.OURS: 1}))
        self.assertIsNone(rest.Near(5, "eevdf").holds({rest.OURS: 1}))

    def test_latency(self):
        found = rows(line("eevdf", "light", probe(7, 700)), line(rest.OURS, "light", probe(57, 821, missed=1)))
        self.assertTrue(found["wake p50 us"]["holds"])
        self.assertFalse(found["wake p99 us"]["holds"])
        self.assertFalse(found["missed periods"]["holds"])
        self.assertIsNone(found["wake p90 us"]["holds"])

    def test_share_asked_for(self):
        for worked, holds in ((0.97, False), (0.99, True)):
            found = rows(line(rest.OURS, "light_idle", probe(worked=worked)))
            self.assertIs(found["CPU it got of what it asked for, %"]["holds"], holds)

    def test_fairness(self):
        found = rows(line(rest.OURS, "fair", hogs(26, 25, 25, 24)))
        self.assertAlmostEqual(found["farthest from its share, %"]["values"][rest.OURS], 4)
        found = rows(line(rest.OURS, "fair_odd", hogs(44, 47, 108), machine="1+1"))
        self.assertFalse(found["least of a hog, CPU %"]["holds"])

    def test_small_share(self):
        self.assertTrue(rest.Near(5, "eevdf").holds({"eevdf": 1.0, rest.OURS: 1.4}))
        self.assertFalse(rest.Near(5, "eevdf").holds({"eevdf": 50, rest.OURS: 53}))


class Table(unittest.TestCase):
    def test_boots(self):
        found = rows(line("eevdf", "light", probe(7, missed=1)), line("eevdf", "light", probe(9, missed=2), boot=2))
        self.assertEqual(found["wake p50 us"]["values"]["eevdf"], 9)
        self.assertEqual(found["missed periods"]["values"]["eevdf"], 3)

    def test_no_bar_where_it_only_observes(self):
        ours = dict(line(rest.OURS, "light", probe(9999)), mode="observe")
        self.assertIsNone(rows(line("eevdf", "light", probe()), ours)["wake p50 us"]["holds"])

    def test_no_latencies_where_they_are_not_trusted(self):
        measured = [line("eevdf", "light", probe(), machine="8"), line("eevdf", "moves", hogs(50), machine="8")]
        for is_trusted in (False, True):
            trust = line("lab", "trust", {"is_trusted": is_trusted, "said": "x"}, machine="8")
            found = rows(trust, *measured)
            self.assertIs("wake p50 us" in found, is_trusted)
            self.assertIn("changes of CPU a second", found)
        self.assertNotIn("wake p50 us", rows(*measured))

    def run_program(self, *lines):
        with tempfile.TemporaryDirectory() as directory:
            path, table = Path(directory) / "lines", Path(directory) / "table.json"
            path.write_text("".join(json.dumps(each) + "\n" for each in lines))
            done = subprocess.run([ROOT / "bench/report/rest.py", "--json", table, path], capture_output=True,
                                  text=True, check=False)
            return done, json.loads(table.read_text())

    def test_program(self):
        done, table = self.run_program(line("eevdf", "pipe", 1.0), line(rest.OURS, "pipe", 1.05))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout, r"1\.050 +\(1\.05\) +<= 1\.1 EEVDF +ok")
        self.assertEqual(table["machines"][0]["tests"][0]["rows"][0]["values"], {"eevdf": 1.0, rest.OURS: 1.05})

    def test_status(self):
        self.assertEqual(self.run_program(line("eevdf", "pipe", 1.0), line(rest.OURS, "pipe", 1.2))[0].returncode, 1)
        failed = line(rest.OURS, "pipe", None, failure="it was thrown out")
        del failed["result"]
        done = self.run_program(failed)[0]
        self.assertEqual(done.returncode, 1)
        self.assertIn("it was thrown out", done.stdout)
        self.assertEqual(self.run_program()[0].returncode, 1)

    def test_every_test_of_a_machine_has_figures(self):
        script = '. bench/run-sched.d/machines; echo "${MACHINE_TESTS[@]}"; echo "${!MACHINE_TESTS[@]}"'
        tests, machines = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True,
                                         check=True).stdout.splitlines()
        guest = (ROOT / "bench/run-sched.d/rest").read_text() + (ROOT / "bench/run-sched.d/lib.sh").read_text()
        for test in tests.split():
            self.assertIn(test, rest.FIGURES)
            self.assertIn(f"\ntest_{test}() {{", guest)
        for machine in machines.split():
            self.assertIn(machine, rest.MACHINES)
            self.assertIn(machine, rest.CPUS)


if __name__ == "__main__":
    unittest.main()
