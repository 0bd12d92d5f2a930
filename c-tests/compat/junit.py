"""Prints one line for each test of a JUnit file, sorted: its name and what became of it."""

import sys
import xml.etree.ElementTree as ElementTree

lines = []
for case in ElementTree.parse(sys.argv[1]).iter("testcase"):
    outcomes = [child.tag for child in case if child.tag in ("failure", "error", "skipped")]
    lines.append(f"{case.get('name')} {outcomes[0] if outcomes else case.get('status')}")
print("\n".join(sorted(lines)))
