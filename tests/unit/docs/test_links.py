#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Links in the documents that stay inside the tree: the file is there, and so is the heading; and so are the
files of the tree that docs/review.md names."""
import re
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])


def anchors(path):
    """The headings of a document, as a link names them."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


class Links(unittest.TestCase):
    def test_links(self):
        count = 0
        for document in DOCUMENTS:
            for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
                if "://" in target:
                    continue
                name, _, anchor = target.partition("#")
                path = document.parent / name if name else document
                with self.subTest(document=document.name, target=target):
                    count += 1
                    self.assertTrue(path.exists())
                    if anchor:
                        self.assertIn(anchor, anchors(path))
        self.assertGreater(count, 20)

    def test_tests_named_in_the_review(self):
        for name in re.findall(r"`((?:tests|bench)/[^`]+)`", (ROOT / "docs" / "review.md").read_text()):
            with self.subTest(name=name):
                self.assertTrue((ROOT / name).exists())


if __name__ == "__main__":
    unittest.main()
