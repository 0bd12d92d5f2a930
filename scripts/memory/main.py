"""What is wanted of memory: measured, compared with glibc in the same run, and put into one table."""

import argparse
import json
import os
import signal
import sys
import time

import build
import machine
import plot
import readme
import report as reports
from bench import Bench
from cli import Parser
from limited import under_a_limit
from loads import open_phase, survivors
from proofs import after_a_large_proof, cost_of_wiping, peak_and_faults, proofs_with_pauses
from row import Row
from text import write
from timeline import timeline
from trouble import Failure, NotPossible

EXPERIMENTS = {
    "a": ("Poseidon2 and Keccak: peak and faults", peak_and_faults),
    "b": ("Small proofs after a large one", after_a_large_proof),
    "c": ("Proofs with pauses, then idle", proofs_with_pauses),
    "d": ("A phase left open", open_phase),
    "e": ("A memory limit of 1.3 proofs", under_a_limit),
    "f": ("Survivors", survivors),
    "g": ("A minute of proving and idling", timeline),
    "h": ("What wiping costs", cost_of_wiping),
}
RESULTS = os.path.join(build.ROOT, "target", "bench-memory")
DOCS = os.path.join(build.ROOT, "docs")


def options(arguments=None) -> argparse.Namespace:
    names = "; ".join(f"{letter}: {title}" for letter, (title, _) in EXPERIMENTS.items())
    parser = Parser(
        prog="scripts/bench memory",
        description=f"Measures memory under glibc and libzkalloc: {names}. Takes about 20 minutes on 2 idle cores. "
        "ZKALLOC_LIB and ZKALLOC_PROVER name files to use instead of building them.",
    )
    parser.add_argument("--only", metavar="a,c", help="only these; the table has the others from earlier runs on the "
                        "same library and prover")
    parser.add_argument("--resume", action="store_true", help="leave out what was measured on these already")
    parser.add_argument("--quick", action="store_true", help="small sizes, three minutes on an idle machine: shows that "
                        "it works")
    parser.add_argument("--docs", action="store_true", help="write docs/memory.md, .json and .svg, and the README; with "
                        "--only, the others stay as they were published")
    chosen = parser.parse_args(arguments)
    chosen.letters = chosen.only.split(",") if chosen.only else list(EXPERIMENTS)
    unknown = [letter for letter in chosen.letters if letter not in EXPERIMENTS]
    if unknown:
        parser.error(f"--only: no measurement \"{unknown[0]}\": there are {', '.join(EXPERIMENTS)}")
    if chosen.quick and chosen.docs:
        parser.error("--docs: figures of --quick are too small to be shown")
    return chosen


def measure(bench: Bench, letter: str) -> dict:
    """One measurement. What fails or cannot be done is a row, and the others go on."""
    title, experiment = EXPERIMENTS[letter]
    bench.forget()
    began = time.monotonic()
    rows, series, failed = [], {}, False
    try:
        for row in experiment(bench, series) if experiment is timeline else experiment(bench):
            bench.say("  " + " | ".join(reports.cells("", row.as_json())))
            rows.append(row)
    except NotPossible as reason:
        rows.append(Row(title, "", None, None, why_not=f"not possible here: {reason}"))
    except (Failure, OSError, ValueError) as error:
        failed = True
        rows.append(Row(title, "", None, None, why_not=f"FAILED: {error}"))
    if rows and rows[-1].why_not:
        bench.say(f"  {rows[-1].why_not}")
    return {
        "title": title,
        "seconds": round(time.monotonic() - began, 1),
        "failed": failed,
        "rows": [row.as_json() for row in rows],
        "loaded": bench.loaded,
        "commands": bench.commands,
        "stats": bench.stats,
        "series": series,
    }


def run(chosen: argparse.Namespace) -> int:
    if chosen.docs:
        readme.around_marks("memory")  # before minutes are spent on what cannot be written
    build.packages(needed(with_plot="g" in chosen.letters or chosen.docs))
    library, prover = build.library(), build.prover()
    micro = build.programs("volume", "survivors", libraries=["trim_on_signal"])
    bench = Bench(library, prover, micro, chosen.quick)
    same = {"library_sha256": build.sha256(library), "prover_sha256": build.sha256(prover), "quick": chosen.quick}
    os.makedirs(RESULTS, exist_ok=True)
    on = machine.read()
    experiments = {}
    for letter in EXPERIMENTS:
        path = os.path.join(RESULTS, f"{letter}.json")
        earlier = stored(path, same)
        if letter in chosen.letters and not (chosen.resume and earlier and not earlier["failed"]):
            bench.say(f"{letter}. {EXPERIMENTS[letter][0]}")
            earlier = measure(bench, letter) | {"same": same}
            write(path, json.dumps(earlier))
        if earlier:
            experiments[letter] = {name: value for name, value in earlier.items() if name != "same"}
    if chosen.docs:
        experiments = with_published(experiments)
    return publish(chosen, {"machine": on} | same | {"experiments": experiments})


def needed(with_plot: bool) -> list:
    return [build.GCC, build.MATPLOTLIB, build.JEMALLOC] if with_plot else [build.GCC]


def stored(path: str, same: dict) -> dict | None:
    """A result of an earlier run, if it is of the same library and prover."""
    try:
        with open(path) as file:
            result = json.load(file)
    except (OSError, ValueError):
        return None
    return result if result.get("same") == same else None


def with_published(experiments: dict, directory=DOCS) -> dict:
    """What was not measured on this library stays as it was published, with the library that it was measured on."""
    try:
        with open(os.path.join(directory, "memory.json")) as file:
            published = json.load(file)
    except (OSError, ValueError):
        published = {"library_sha256": "", "experiments": {}}
    earlier = {
        letter: {"library_sha256": published["library_sha256"]} | experiment
        for letter, experiment in published["experiments"].items()
        if experiment["seconds"]
    }
    every = {letter: not_measured(title) for letter, (title, _) in EXPERIMENTS.items()} | earlier | experiments
    return {letter: every[letter] for letter in EXPERIMENTS}


def not_measured(title: str) -> dict:
    rows = [Row(title, "", None, None, why_not="not measured yet").as_json()]
    return {"title": title, "seconds": 0, "failed": False, "rows": rows, "loaded": {}, "commands": [], "stats": []}


def publish(chosen: argparse.Namespace, report: dict) -> int:
    series = report["experiments"].get("g", {}).get("series")
    for experiment in report["experiments"].values():
        experiment.pop("series", None)
    directory = DOCS if chosen.docs else RESULTS
    # A published part keeps its picture, not its curves.
    picture = "memory.svg" if series or os.path.exists(os.path.join(directory, "memory.svg")) else ""
    if series:
        plot.draw(series, os.path.join(directory, picture))
    write(os.path.join(directory, "memory.json"), reports.as_json(report))
    write(os.path.join(directory, "memory.md"), reports.markdown(report, picture))
    if chosen.docs:
        readme.replace("memory", reports.headlines(report, picture and f"docs/{picture}"))
    print(reports.table(reports.all_rows(report)))
    where = os.path.relpath(directory, build.ROOT)
    print(f"bench-memory: written to {where}/memory.md, .json{' and .svg' if series else ''}", file=sys.stderr)
    return 1 if any(experiment["failed"] for experiment in report["experiments"].values()) else 0


def main() -> int:
    # As an interrupt: the process that is just being measured ends too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return run(options())
    except (Failure, OSError, ValueError) as error:
        print(f"bench-memory: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench-memory: interrupted; --resume goes on", file=sys.stderr)
        return 130
