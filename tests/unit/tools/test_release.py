#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""tools/release in a scratch repository where nothing is missing, and then one thing; and this tree's versions."""
import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
SUITES = ["static", "unit"]


class Release(unittest.TestCase):
    def setUp(self):
        self.tree = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.tree)
        self.git("init", "-q", "-b", "main")
        self.write("CMakeLists.txt", "project(scx_gamerd VERSION 1.2.3 LANGUAGES C)\n")
        self.write("CHANGELOG.md", "# Changelog\n\n## [1.2.3] - 2026-01-02\n\nx\n\n## [1.2.2] - unreleased\n")
        self.write("docs/scx_gamerd.8", '.TH SCX_GAMERD 8 "" "scx_gamerd 1.2.3" "x"\n')
        self.write("tools/test", "#!/bin/sh\necho " + "; echo ".join(SUITES) + "\n").chmod(0o755)
        self.write(".gitignore", "build\n")
        self.write("src/x.c", "int x;\n")
        (self.tree / "tools" / "release").write_text((ROOT / "tools" / "release").read_text())
        (self.tree / "tools" / "release").chmod(0o755)
        measured = self.commit()
        self.write("docs/performance.md", "Written by `bench/run-latency --markdown docs/performance.md` from one run.\n"
                   f"Machine: x, 2 CPUs. Commit {measured[:7]}.\n| x | at most 1 | 1 | met |\n")
        self.commit()
        self.passed()

    def git(self, *args):
        environment = dict(os.environ, GIT_CONFIG_GLOBAL="/dev/null", GIT_CONFIG_SYSTEM="/dev/null")
        for role in ("AUTHOR", "COMMITTER"):
            environment |= {f"GIT_{role}_NAME": "x", f"GIT_{role}_EMAIL": "x@example.org"}
        return subprocess.run(["git", *args], cwd=self.tree, check=True, capture_output=True, text=True,
                              env=environment).stdout.strip()

    def write(self, name, text):
        path = self.tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def replace(self, name, old, new):
        text = (self.tree / name).read_text()
        self.assertIn(old, text)
        self.write(name, text.replace(old, new, 1))

    def commit(self):
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "x")
        return self.git("rev-parse", "HEAD")

    def passed(self, how="required"):
        for suite in SUITES:
            self.write(f"build/test-passed/{suite}", f"{self.git('rev-parse', 'HEAD')} {how}\n")

    def release(self):
        done = subprocess.run(["tools/release"], cwd=self.tree, capture_output=True, text=True)
        self.assertEqual(done.stderr, "")
        return done

    def lacks(self, *sentences):
        """Each sentence in its place, as a regular expression, and nothing else."""
        done = self.release()
        self.assertEqual(done.returncode, 1, done.stdout)
        lines = done.stdout.splitlines()
        self.assertEqual(len(lines), len(sentences), done.stdout)
        for line, sentence in zip(lines, sentences):
            self.assertRegex(line, "^release: .*" + sentence)

    def test_nothing_is_missing(self):
        done = self.release()
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("git tag -a v1.2.3 -m 'scx_gamerd 1.2.3'", done.stdout)
        self.assertEqual(self.git("tag"), "")

    def test_branch(self):
        self.git("switch", "-q", "-c", "other")
        self.lacks("this is other")

    def test_changes(self):
        self.write("README.md", "x\n")
        self.lacks("not committed")

    def test_tagged_already(self):
        self.git("tag", "v1.2.3")
        self.lacks("v1.2.3 is tagged already")

    def test_versions_differ(self):
        self.replace("CMakeLists.txt", "1.2.3", "1.3.0")
        self.commit()
        self.passed()
        self.lacks("CHANGELOG.md begins with '1.2.3', and CMakeLists.txt has 1.3.0", "page of version '1.2.3'")

    def test_man_page_of_another_version(self):
        self.replace("docs/scx_gamerd.8", "1.2.3", "1.2.2")
        self.commit()
        self.passed()
        self.lacks("page of version '1.2.2', not of 1.2.3")

    def test_no_date(self):
        for heading, newest in (("## [1.2.3] - unreleased", "1.2.3 needs the date"), ("## [1.2.3]", "needs the date"),
                                ("## [Unreleased]\n\n## [1.2.3] - 2026-01-02", "begins with 'Unreleased'")):
            with self.subTest(heading=heading):
                self.write("CHANGELOG.md", f"# Changelog\n\n{heading}\n")
                self.commit()
                self.passed()
                done = self.release()
                self.assertEqual(done.returncode, 1)
                self.assertRegex(done.stdout, newest)

    def test_tests_of_an_earlier_commit(self):
        self.write("README.md", "x\n")
        self.commit()
        self.lacks("static has not passed on this commit", "unit has not passed on this commit")

    def test_tests_that_may_have_skipped(self):
        self.passed("with skips")
        self.lacks("in static parts may have been skipped", "in unit parts may")

    def test_figures_of_an_earlier_state(self):
        self.write("src/x.c", "long x;\n")
        self.commit()
        self.passed()
        self.lacks("docs/performance.md has the figures of [0-9a-f]{7}, and src, bench or cmake have changed since")

    def test_figures_of_no_commit(self):
        self.replace("docs/performance.md", "Commit ", "Commit 0000000")
        self.commit()
        self.passed()
        self.lacks("figures of no commit of this branch")

    def test_figures_of_a_short_run(self):
        self.replace("docs/performance.md", "--markdown", "--quick --markdown")
        self.replace("docs/performance.md", "| met |", "| missed |")
        self.commit()
        self.passed()
        self.lacks("is of a short run", "a bar that is missed")


class ThisTree(unittest.TestCase):
    def test_versions_agree(self):
        cmake = re.search(r"^project\(scx_gamerd VERSION (\S+) ", (ROOT / "CMakeLists.txt").read_text(), re.M)[1]
        changelog = re.search(r"^## \[(\S+)\]", (ROOT / "CHANGELOG.md").read_text(), re.M)[1]
        page = re.search(r'^\.TH .* "scx_gamerd (\S+)"', (ROOT / "docs" / "scx_gamerd.8").read_text(), re.M)[1]
        self.assertEqual([changelog, page], [cmake, cmake])


if __name__ == "__main__":
    unittest.main()
