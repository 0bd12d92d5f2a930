"""Figures for people, and files that are whole at every moment."""

import os
import tempfile


def number(value: float | None) -> str:
    """For people: 352264 as "352,264", 1.3 as "1.3"."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.1f}"


def share(value: float | None) -> str:
    """Two figures after the point, or as many as a small one needs."""
    if value is None:
        return "-"
    return f"{value:.4f}" if 0 < value < 0.1 else f"{value:.2f}"


def markdown_table(header: list, rows: list, left: int = 1) -> str:
    """The first `left` columns are words, the others figures."""
    rule = ["---" if index < left else "---:" for index in range(len(header))]
    return "\n".join("| " + " | ".join(line) + " |" for line in [header, rule, *rows])


def write(path: str, text: str):
    """The file holds either the old text or the new one at every moment."""
    with tempfile.NamedTemporaryFile("w", dir=os.path.dirname(path), delete=False) as file:
        file.write(text)
    os.chmod(file.name, os.stat(path).st_mode if os.path.exists(path) else 0o644)
    os.replace(file.name, path)
