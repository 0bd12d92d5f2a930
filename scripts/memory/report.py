"""The table: as Markdown, as JSON, and its most important lines for the README."""

import json

import machine
from text import number, share

HEADER = ["", "glibc", "libzkalloc", "measured", "wanted", "met"]


def markdown(report: dict, plot: str) -> str:
    """The whole of docs/memory.md."""
    parts = [
        "# Memory, in figures\n\nMade by `scripts/bench memory --docs`: do not edit. RSS is sampled by another process "
        "every 20 ms. Figures are MiB, or what the line says. They decide no test.",
        f"Machine: {machine.in_words(report['machine'])}. Prover: Plonky3, scripts/demo's build. "
        f"Library: SHA-256 {report['library_sha256'][:16]}.",
        table(all_rows(report)),
    ]
    if plot:
        parts.append(f"![Resident memory over a minute of proving and idling]({plot})")
    for letter, experiment in report["experiments"].items():
        loaded = ", ".join(f"{arm}: {files}" for arm, files in experiment["loaded"].items())
        commands = "\n".join(experiment["commands"]) or "(none was run)"
        parts.append(
            f"## {letter}. {experiment['title']}\n\n{on_earlier_build(report, experiment)}{experiment['seconds']:.0f} s. "
            f"Allocators found in the processes' maps: {loaded or 'none'}.\n\n```sh\n{commands}\n```"
        )
    return "\n\n".join(parts) + "\n"


def on_earlier_build(report: dict, experiment: dict) -> str:
    """Said of what was published before and not measured since."""
    library = experiment.get("library_sha256", report["library_sha256"])
    return "" if library == report["library_sha256"] else f"On an earlier build of the library, SHA-256 {library[:16]}. "


def all_rows(report: dict) -> list:
    rows = []
    for letter, experiment in report["experiments"].items():
        rows += [cells(f"{letter}. ", row) for row in experiment["rows"]]
    return rows


def cells(prefix: str, row: dict) -> list:
    note = f" ({row['note']})" if row.get("note") else ""
    measured = number(row.get("measured"))
    if "measured" in row and "measured_as" in row:
        measured = f"{share(row['measured'])} {row['measured_as']}"
    return [
        f"{prefix}{row['what']}{note}",
        number(row.get("glibc")),
        number(row.get("libzkalloc")),
        measured,
        row.get("wanted", "-"),
        row["verdict"],
    ]


def table(rows: list) -> str:
    lines = [HEADER, ["---", "---:", "---:", "---:", "---", "---"], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def headlines(report: dict, plot: str) -> str:
    """For the README: of the sizes of proofs the worst ones, of the rest what something was wanted of."""
    rows = []
    for letter, experiment in report["experiments"].items():
        compared = [row for row in experiment["rows"] if "at_most" in row]
        if letter == "a" and compared:
            compared = [worst(compared, unit) for unit in ("MiB", "faults")]
        compared += [row for row in experiment["rows"] if "why_not" in row]
        rows += [cells(f"{letter}. ", {**row, "note": ""}) for row in compared]
    picture = f"![Resident memory over a minute of proving and idling]({plot})\n\n" if plot else ""
    earlier = [letter for letter, experiment in report["experiments"].items() if on_earlier_build(report, experiment)]
    parts = f"Of an earlier build of the library: {', '.join(earlier)}. " if earlier else ""
    return (
        f"{picture}{table(rows)}\n\nMiB, or what the line says; of the proofs of 2^15 to 2^18 rows the worst. {parts}"
        f"{machine.in_words(report['machine'])}. All lines, and the commands: [docs/memory.md](docs/memory.md)."
    )


def worst(rows: list, unit: str) -> dict:
    row = max((row for row in rows if row["unit"] == unit), key=lambda row: row["measured"])
    return {**row, "what": f"worst of {sum(other['unit'] == unit for other in rows)}: {row['what']}"}


def as_json(report: dict) -> str:
    return json.dumps(report, indent=1) + "\n"
