#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""bench/compare on made results: what must be found, what must not, and what can't be read."""
import itertools
import json
import math
import random
import subprocess
import sys
import tempfile
import unittest
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

COMPARE = Path(__file__).resolve().parents[3] / "bench" / "compare"
sys.dont_write_bytecode = True
SPEC = spec_from_loader("compare", SourceFileLoader("compare", str(COMPARE)))
compare = module_from_spec(SPEC)
SPEC.loader.exec_module(compare)

HOST = {"cpu": "a", "cpus": 2, "kernel": "6.18", "machine": "x86_64", "load": 0.3, "commit": "abc"}


def line(name, samples, unit="ns", **more):
    return {"bench": "b", "name": name, "title": name, "unit": unit, "samples": samples, "p50": samples[0]} | more


def result(*lines, **more):
    return {"host": HOST, "quick": False, "lines": list(lines)} | more


def noisy(generator, value, spread, count):
    """Samples of a machine that other work disturbs: mostly close, now and then far above."""
    return [
        value * generator.lognormvariate(0, spread) * (generator.uniform(1.5, 4) if generator.random() < 0.1 else 1)
        for _ in range(count)
    ]


class Compare(unittest.TestCase):
    def run_compare(self, base, new, *options):
        """Status, output and complaint of the program; results may be text, to be broken."""
        with tempfile.TemporaryDirectory() as directory:
            paths = []
            for name, side in (("base", base), ("new", new)):
                files = []
                for number, part in enumerate(side if isinstance(side, list) else [side]):
                    path = Path(directory) / f"{name}{number}.json"
                    path.write_text(part if isinstance(part, str) else json.dumps(part))
                    files.append(str(path))
                paths.append(",".join(files))
            report = Path(directory) / "report"
            done = subprocess.run(
                [sys.executable, COMPARE, "--regressions", report, *options, *paths],
                capture_output=True, text=True, check=False,
            )
            self.report = report.read_text() if report.exists() else None
            return done.returncode, done.stdout, done.stderr

    def verdict(self, old, new, **more):
        return compare.judge(*(line("x", samples, **more) | {"lower_is_better": more.get("lower_is_better", True)}
                               for samples in (old, new)))[3]

    # --- what must be found ---

    def test_a_regression_is_found_and_named(self):
        generator = random.Random(1)
        base = result(line("fast", noisy(generator, 100, 0.05, 10)), line("slow", noisy(generator, 50, 0.02, 10)))
        new = result(line("fast", noisy(generator, 100, 0.05, 10)), line("slow", [x * 1.5 for x in noisy(generator, 50, 0.02, 10)]))
        status, out, _ = self.run_compare(base, new)
        self.assertEqual(status, 1)
        self.assertRegex(out, r"b/slow .* REGRESSION")
        self.assertRegex(out, r"b/fast .* same")
        self.assertEqual(self.report, "b\n")

    def test_a_rate_that_falls_is_worse_and_one_that_rises_is_not(self):
        high, low = [100 + i for i in range(8)], [60 + i for i in range(8)]
        self.assertEqual(self.verdict(high, low, unit="1/s", lower_is_better=False), "REGRESSION")
        self.assertEqual(self.verdict(low, high, unit="1/s", lower_is_better=False), "better")
        self.assertEqual(self.verdict(high, low, unit="us"), "better")
        self.assertEqual(self.verdict(low, high, unit="us"), "REGRESSION")

    def test_what_was_nothing_and_is_something_is_a_regression(self):
        self.assertEqual(self.verdict([0] * 8, [1] * 8, unit="lookups"), "REGRESSION")
        self.assertEqual(self.verdict([0] * 8, [0] * 8, unit="lookups"), "same")
        self.assertEqual(self.verdict([1] * 8, [0] * 8, unit="lookups"), "better")

    def test_seven_repeats_are_enough_and_six_are_not(self):
        self.assertEqual(self.verdict(list(range(100, 107)), list(range(200, 207))), "REGRESSION")
        self.assertEqual(self.verdict(list(range(100, 106)), list(range(200, 206))), "too few repeats")

    # --- what must not ---

    def test_twenty_of_twenty_without_a_change_show_none(self):
        generator = random.Random(2)
        for _ in range(20):
            sides = [
                result(*(line(str(i), noisy(generator, 10.0**i, 0.02 * i, 10)) for i in range(1, 8) for _ in range(8)))
                for _ in range(2)
            ]
            for side in sides:
                for number, row in enumerate(side["lines"]):
                    row["name"] += f".{number}"
            self.assertEqual(self.run_compare(*sides)[0], 0)

    def test_a_change_below_the_limit_is_told_and_passes(self):
        self.assertEqual(self.verdict([100 + i / 10 for i in range(8)], [120 + i / 10 for i in range(8)]), "worse, within limits")

    def test_a_big_change_within_the_noise_passes(self):
        self.assertEqual(self.verdict([10, 20, 30, 40, 50, 60, 70, 80], [20, 35, 45, 55, 60, 90, 100, 120]), "same")

    def test_one_wild_sample_is_no_regression(self):
        self.assertEqual(self.verdict([100 + i for i in range(8)], [100.5 + i for i in range(7)] + [5000]), "same")

    def test_half_a_nanosecond_is_layout(self):
        self.assertEqual(self.verdict([1.0] * 8, [1.4] * 8), "worse, within limits")
        self.assertEqual(self.verdict([1.0] * 8, [1.6] * 8), "REGRESSION")
        self.assertEqual(self.verdict([1.0] * 8, [1.4] * 8, unit="us"), "REGRESSION")

    # --- the statistics themselves ---

    def test_the_interval_is_the_one_that_the_test_does_not_reject(self):
        """Against a count of all orders of seven and eight samples."""
        for n, m in ((7, 7), (7, 8)):
            tail = {}
            for places in itertools.combinations(range(n + m), n):
                u = sum(place - index for index, place in enumerate(places))
                tail[u] = tail.get(u, 0) + 1
            limit, total, expected = (1 - compare.LEVEL) / 2 * math.comb(n + m, n), 0, None
            for u in sorted(tail):
                total += tail[u]
                if total > limit:
                    break
                expected = u
            self.assertEqual(compare.trim(n, m), expected)

    def test_the_estimate_is_the_median_of_all_ratios(self):
        estimate, low, high = compare.interval([2, 2, 2, 2, 2, 2, 4], [2, 4, 4, 4, 4, 4, 4])
        self.assertEqual((estimate, low, high), (2, 0.5, 2))

    # --- what is not like the other ---

    def test_several_results_of_a_side_are_one_with_more_repeats(self):
        parts = [result(line("x", [100 + i])) for i in range(7)], [result(line("x", [200 + i])) for i in range(7)]
        status, out, _ = self.run_compare(list(parts[0]), list(parts[1]))
        self.assertEqual(status, 1)
        self.assertIn("7 repeats against 7", out)

    def test_lines_that_only_one_has_are_told(self):
        same = line("both", [1.0] * 8)
        status, out, _ = self.run_compare(result(same, line("old", [1] * 8)), result(same, line("new", [1] * 8)))
        self.assertEqual(status, 0)
        self.assertRegex(out, r"b/old +only in base")
        self.assertRegex(out, r"b/new +only in new")

    def test_a_line_whose_unit_changed_is_told(self):
        status, out, _ = self.run_compare(result(line("x", [1] * 8)), result(line("x", [1000] * 8, unit="us")))
        self.assertEqual(status, 0)
        self.assertIn("its unit was ns and is us", out)

    def test_what_cannot_be_compared_is_refused_in_one_sentence(self):
        good = result(line("x", [1] * 8))
        other_host = result(line("x", [1] * 8), host=HOST | {"kernel": "7.3"})
        for base, words in (
            ("{", "can't be read"),
            ("", "can't be read"),
            ("[]", "it has no lines"),
            ('{"lines": 3}', "it has no lines"),
            ('{"lines": [{"bench": "b"}]}', "lacks 'name'"),
            ('{"lines": [7]}', "has a line that lacks"),
            (result({"bench": "b", "name": "x", "unit": "ns", "samples": []}), "no numbers"),
            (result(line("x", [1, None])), "no numbers"),
            (result(line("x", [1, -1])), "no numbers"),
            (result(line("x", [1, True])), "no numbers"),
            (result(line("x", ["1"])), "no numbers"),
            (other_host, "kernel is 7.3 and 6.18"),
            (result(line("x", [1] * 8), quick=True), "quick is True and False"),
            (result(line("y", [1] * 8)), "no line in common"),
            (result(), "no line in common"),
        ):
            status, _, complaint = self.run_compare(base, good)
            self.assertEqual(status, 2, complaint)
            self.assertIn(words, complaint)
            self.assertEqual(complaint.count("\n"), 1, complaint)

    def test_a_missing_file_and_a_wrong_call_are_refused(self):
        for arguments in (["/nonexistent", "/nonexistent"], [], ["one"], ["--regressions"]):
            done = subprocess.run([sys.executable, COMPARE, *arguments], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 2)
            self.assertNotIn("Traceback", done.stderr)


if __name__ == "__main__":
    unittest.main()
