#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""dist/completions in the shells themselves: a command line is typed, and TAB. GAMERD is the program."""
import os
import pty
import re
import select
import shutil
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
COMPLETIONS = ROOT / "dist" / "completions"
GAMERD = Path(os.environ.get("GAMERD", ROOT / "build" / "release" / "scx_gamerd")).resolve()
PATIENCE_S = 60  # for a machine that is busy with something else


def need(shell):
    if shutil.which(shell):
        return
    print(f"skipped: {shell} is not installed", flush=True)
    if os.environ.get("GAMERD_TEST_REQUIRE") == "1":
        raise AssertionError(f"{shell} is not installed")
    raise unittest.SkipTest(f"{shell} is not installed")


def options():
    """What --help lists: each long option and what it takes."""
    text = subprocess.run([GAMERD, "--help"], capture_output=True, text=True, check=True).stdout
    return dict(re.findall(r"^  (?:-\w, )?(--[a-z-]+)(?: ([A-Z]+))?  ", text, re.M))


class Terminal:
    """A shell at a terminal."""

    def __init__(self, argv, directory, environment):
        self.pid, self.fd = pty.fork()
        if not self.pid:
            os.chdir(directory)
            os.execvpe(argv[0], argv, environment)

    def type(self, text):
        os.write(self.fd, text.encode())

    def read_until(self, pattern):
        text, end = "", time.monotonic() + PATIENCE_S
        while not re.search(pattern, text):
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                raise AssertionError(f"no {pattern!r} in {text!r}")
            text += os.read(self.fd, 4096).decode(errors="replace")
        return text

    def close(self):
        os.close(self.fd)
        os.waitpid(self.pid, 0)


class Shell(unittest.TestCase):
    """A shell in a directory with one file, where GAMERD is in PATH."""

    def setUp(self):
        need(type(self).__name__.lower())
        self.directory = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.directory)
        (self.directory / "settings of mine.json").write_text("{}")
        self.environment = dict(os.environ, PATH=f"{GAMERD.parent}:{os.environ['PATH']}", TERM="dumb",
                                HOME=str(self.directory), EDITOR="emacs", VISUAL="emacs")  # zsh's keys

    def start(self, argv, setup):
        terminal = Terminal(argv, self.directory, self.environment)
        self.addCleanup(terminal.close)
        terminal.type(setup + " && echo re''ady\n")
        terminal.read_until("ready")
        return terminal

    def run_script(self, *argv):
        done = subprocess.run(argv, capture_output=True, text=True, check=True, env=self.environment,
                              cwd=self.directory)
        self.assertEqual(done.stderr, "")
        return done.stdout

    def complete(self, terminal, line):
        """The words of the line after TAB: it becomes the arguments of a printf (Ctrl-A: to its begin)."""
        terminal.type(f"{line}\t\x01printf '<%s>' \x05 en''d\n")
        printed = terminal.read_until("<end>")
        return re.findall("<([^<>%]*)>", printed)[1:-1]

    def check(self, terminal):
        cases = [
            ("scx_gamerd --obs", ["--observe"]),
            ("scx_gamerd --help-c", ["--help-config"]),
            ("scx_gamerd --verb", ["--verbose"]),
            ("scx_gamerd --config sett", ["--config", "settings of mine.json"]),
            ("scx_gamerd --stats 2 --deb", ["--stats", "2", "--debug-api"]),
            ("scx_gamerd --stats sett", ["--stats", "sett"]),
            ("scx_gamerd sett", ["sett"]),
        ]
        for line, expected in cases:
            with self.subTest(line=line):
                self.assertEqual(self.complete(terminal, line), expected)


class Bash(Shell):
    def offered(self, *words):
        """What is offered for the last of the words, as bash splits them."""
        script = f""". '{COMPLETIONS}/scx_gamerd'
            COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
            _scx_gamerd scx_gamerd
            printf '%s\\n' "${{COMPREPLY[@]}}" """
        return self.run_script("bash", "-c", script, "bash", *words).splitlines()

    def test_typed(self):
        self.check(self.start(["bash", "--norc", "--noprofile", "-i"],
                              f"bind 'set bell-style none'; . '{COMPLETIONS}/scx_gamerd'"))

    def test_all_options_are_offered(self):
        self.assertEqual(set(self.offered("scx_gamerd", "--")), set(options()))

    def test_file_after_equals_sign(self):
        self.assertEqual(self.offered("scx_gamerd", "--config", "=", "sett"), ["settings of mine.json"])
        self.assertEqual(self.offered("scx_gamerd", "--config", "="), ["settings of mine.json"])


class Zsh(Shell):
    def start_zsh(self):
        return self.start(["zsh", "-f", "-i"],
                          f"unsetopt beep; fpath=('{COMPLETIONS}' $fpath); autoload -Uz compinit; compinit -u -D")

    def test_typed(self):
        self.check(self.start_zsh())

    def test_all_options_are_offered(self):
        terminal = self.start_zsh()
        terminal.type("scx_gamerd --\t")
        printed, wanted = "", set(options())
        while not wanted <= set(re.findall("--[a-z-]+", printed)):
            printed += terminal.read_until("--[a-z-]+ ")


class Fish(Shell):
    def offered(self, line):
        script = f"source '{COMPLETIONS}/scx_gamerd.fish'; complete -C '{line}'"
        return [entry.split("\t")[0] for entry in self.run_script("fish", "--no-config", "-c", script).splitlines()]

    def test_all_options_are_offered(self):
        self.assertEqual(set(self.offered("scx_gamerd --")), set(options()))

    def test_values(self):
        self.assertEqual(self.offered("scx_gamerd --config sett"), ["settings of mine.json"])
        self.assertEqual(self.offered("scx_gamerd --stats sett"), [])
        self.assertEqual(self.offered("scx_gamerd --stats 2 --deb"), ["--debug-api"])
        self.assertEqual(self.offered("scx_gamerd sett"), [])


if __name__ == "__main__":
    unittest.main()
