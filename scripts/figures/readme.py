"""Figures in the README, between two lines that name the benchmark they come from."""

import os

import build
from text import write

README = os.path.join(build.ROOT, "README.md")


def around_marks(name: str, path: str = README) -> tuple:
    """The text up to the first mark, with it, and the text from the second one on."""
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    with open(path) as file:
        before, found_begin, rest = file.read().partition(f"{begin}\n")
    _, found_end, after = rest.partition(end)
    if not found_begin or not found_end:
        raise ValueError(f"{path}: no line {begin} with a line {end} behind it")
    return before + found_begin, found_end + after


def replace(name: str, text: str, path: str = README):
    """What is between the marks."""
    before, after = around_marks(name, path)
    write(path, f"{before}{text}\n{after}")
