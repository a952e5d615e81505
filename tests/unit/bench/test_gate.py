#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""bench/gate in a scratch repository, whose bench takes as long as the file src/speed says."""
import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

BENCH = Path(__file__).resolve().parents[3] / "bench"

# Takes the options of the real one. With src/stumbles it fails as often as that says; with src/hiccup
# the first so many runs on the new side take three times as long; in the directory $SLOW all take twice.
RUN_LATENCY = r"""#!/bin/bash
cd "$(dirname "$0")/.." || exit
if [[ $1 == --list ]]; then
	printf '%s\n' "clone      x" "render     y"
	exit
fi
echo "$PWD $*" >>"$CALLS"
if [[ -s src/stumbles ]] && ((STUMBLES > $(wc -l <"$CALLS"))); then
	echo "run-latency: clone: it stumbled" >&2
	exit 1
fi
ms=$(<src/speed)
[[ ! -e src/hiccup ]] || (($(grep -c "^$PWD " "$CALLS") > $(<src/hiccup))) || ms=$((ms * 3))
[[ $PWD != "${SLOW:-}" ]] || ms=$((ms * 2))
while [[ $1 != --json ]]; do shift; done
printf '{ "host": {"cpu": "x"}, "quick": true, "lines": [
	{ "bench": "clone", "name": "a", "unit": "us", "samples": [%d] } ] }\n' "$ms" >"$2"
"""


class Gate(unittest.TestCase):
    def setUp(self):
        self.directory = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.directory)
        self.tree = self.directory / "tree"
        self.calls = self.directory / "calls"
        for name in ("bench", "src", "tools"):
            (self.tree / name).mkdir(parents=True)
        for name in ("gate", "compare"):
            shutil.copy(BENCH / name, self.tree / "bench" / name)
        self.script("tools/build", "#!/bin/bash\n[[ ! -e src/broken ]]\n")
        self.git("init", "--quiet", "--initial-branch", "main")

    def script(self, path, text):
        (self.tree / path).write_text(text)
        (self.tree / path).chmod(0o755)

    def git(self, *arguments):
        identity = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *identity, *arguments], cwd=self.tree, check=True, capture_output=True)

    def commit(self, **files):
        """A commit with these files in src/; None takes one away."""
        for name, text in files.items():
            path = self.tree / "src" / name
            path.unlink() if text is None else path.write_text(f"{text}\n")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", str(files))

    def with_bench(self, **files):
        self.script("bench/run-latency", RUN_LATENCY)
        self.commit(**files)

    def gate(self, *arguments, tree=None, **environment):
        self.calls.write_text("")
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "GAMERD_"))}
        done = subprocess.run(
            ["bench/gate", "--rounds", "7", *arguments], cwd=tree or self.tree, capture_output=True, text=True,
            check=False, env=clean | {"CALLS": str(self.calls)} | environment,
        )
        return done.returncode, done.stdout + done.stderr

    def check(self, expected, words, *arguments, **options):
        status, out = self.gate(*arguments, **options)
        self.assertEqual(status, expected, out)
        self.assertIn(words, out)
        return out

    def test_without_anything_to_compare_with_it_says_why(self):
        self.commit(speed=100)
        self.check(77, "no commit before its own")
        self.commit(speed=101)
        self.check(77, "has no bench/run-latency")
        self.with_bench(speed=100)
        self.check(77, "there is no commit 'nonexistent'", "--base", "nonexistent")
        self.check(77, "there is no commit 'gone'", GAMERD_GATE_BASE="gone")
        shutil.rmtree(self.tree / ".git")
        self.check(77, "no git checkout", GIT_CEILING_DIRECTORIES=str(self.directory))

    def test_a_shallow_clone_has_no_commit_before(self):
        self.with_bench(speed=100)
        self.commit(speed=300)
        clone = self.directory / "clone"
        self.git("clone", "--quiet", "--depth", "1", f"file://{self.tree}", str(clone))
        self.check(77, "no commit before its own", tree=clone)

    def test_a_base_that_does_not_build_is_none(self):
        self.with_bench(speed=100, broken="x")
        self.commit(speed=100, broken=None)
        self.check(77, "does not build here")

    def test_nothing_measured_has_changed(self):
        self.with_bench(speed=100)
        (self.tree / "README.md").write_text("words\n")
        self.commit()
        self.check(0, "nothing that is measured differs")
        self.assertEqual(self.calls.read_text(), "")

    def test_the_same_speed_passes_and_both_sides_take_turns(self):
        self.with_bench(speed=100)
        self.commit(speed=100, other="x")
        self.check(0, "0 regressions")
        sides = [line.split()[0] == str(self.tree) for line in self.calls.read_text().splitlines()]
        self.assertEqual(sides, [False, True, True, False] * 3 + [False, True])

    def test_a_regression_is_measured_again_and_fails(self):
        self.with_bench(speed=100)
        self.commit(speed=150)
        out = self.check(1, "again, to be sure: clone")
        self.assertEqual(out.count("REGRESSION"), 2)
        self.assertEqual(len(self.calls.read_text().splitlines()), 28)
        self.assertNotIn("--only render", self.calls.read_text().splitlines()[-1])

    def test_a_hiccup_is_not_confirmed(self):
        self.with_bench(speed=100)
        self.commit(speed=100, hiccup=7)
        self.assertEqual(self.check(0, "again, to be sure: clone").count("REGRESSION"), 1)

    def test_uncommitted_changes_are_compared_with_the_last_commit(self):
        self.with_bench(speed=100)
        self.commit(speed=300)
        (self.tree / "src/speed").write_text("100\n")
        self.check(0, "'speed': 300")

    def test_a_branch_is_compared_with_where_it_left_main(self):
        self.with_bench(speed=100)
        self.git("checkout", "--quiet", "-b", "work")
        self.commit(speed=200)
        self.commit(speed=200, other="x")
        self.check(1, "'speed': 100")

    def test_a_tree_compared_with_itself(self):
        self.with_bench(speed=100)
        (self.tree / "src/speed").write_text("200\n")
        out = self.check(0, "a regression in 0 of 2 comparisons", "--self", "2")
        self.assertEqual(out.count("0 regressions"), 2)
        self.check(1, "a regression in 2 of 2 comparisons", "--self", "2", SLOW=str(self.tree))
        self.check(2, "exclude each other", "--self", "2", "--base", "HEAD")
        self.check(2, "a number from 1 to 99, not 'x'", "--self", "x")
        self.check(2, "a number from 1 to 99, not '0'", "--self", "0")

    def test_main_is_compared_with_the_last_figures_that_were_published(self):
        self.with_bench(speed=300)
        (self.tree / "docs").mkdir()
        for speed in (100, 120, 140):
            if speed == 100:
                (self.tree / "docs/performance.md").write_text("100\n")
            self.commit(speed=speed)
        self.check(1, "'speed': 100")
        (self.tree / "docs/performance.md").write_text("140\n")
        self.commit()
        self.check(0, "nothing that is measured differs")

    def test_a_bench_that_stumbles_is_tried_again_and_not_for_ever(self):
        self.with_bench(speed=100, stumbles="x")
        self.commit(speed=101)
        self.check(0, "clone: it stumbled", STUMBLES="3")
        self.check(2, "failed three times", STUMBLES="99")


if __name__ == "__main__":
    unittest.main()
