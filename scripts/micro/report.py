"""docs/micro.md and docs/micro.json: of each small benchmark the last run that was published, and what is wanted of two."""

import json
import os
from statistics import geometric_mean

import build
import machine
from benches import BENCHES
from text import markdown_table, number, share, write
from trouble import Failure

DOCS = os.path.join(build.ROOT, "docs")
# Benchmark, how its blocks go, and the threads from which on throughput is to be at least the best peer's.
WANTED = [("medium", "own", 2), ("medium", "hand", 2), ("buffers", "", 1)]
HEADER = ["", "glibc, ns", "best peer", "its ns", "libzkalloc, ns", "x glibc", "x best peer"]


def published(directory: str = DOCS) -> dict:
    """Benchmark to the result that was published last."""
    path = os.path.join(directory, "micro.json")
    if not os.path.exists(path):
        return {}
    with open(path) as file:
        try:
            every = json.load(file)
            markdown(every)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise Failure(f"{path}: not what this script has written ({error!r}): take it back, or remove it") from error
    return every


def publish(results: dict, directory: str = DOCS) -> str:
    """Benchmark to its result, of all that are to be shown. The path of the page."""
    every = {bench.name: results[bench.name] for bench in BENCHES if bench.name in results}
    text, page = markdown(every), os.path.join(directory, "micro.md")
    write(os.path.join(directory, "micro.json"), json.dumps(every, indent=1) + "\n")
    write(page, text)
    return page


def markdown(every: dict) -> str:
    parts = [
        "# Small benchmarks, in figures\n\nMade by `scripts/bench micro --docs`, or by one of them with `--docs`: do not edit. "
        "Nanoseconds of whatever a benchmark repeats; medians over processes, all allocators forth and back. The best peer is "
        "the one with the least time in this very line. Times below 1.00 x mean more throughput. They decide no test.",
        markdown_table(["wanted: throughput at least the best peer's", "runs", "mean, x best peer", "worst", "met by"],
                       wanted(every)),
    ]
    for bench in BENCHES:
        if bench.name in every:
            parts.append(section(bench.name, bench.what, every[bench.name]))
    return "\n\n".join(parts) + "\n"


def wanted(every: dict) -> list:
    rows = []
    for name, way, threads in WANTED:
        runs = every.get(name, {"runs": {}})["runs"]
        chosen = [run for run in runs if int(run.split()[0]) >= threads and run.split()[1:] == way.split()]
        ratios = [runs[run]["libzkalloc"]["to_best_peer"] for run in chosen]
        if ratios:
            what = f"{name} {way}".strip() + f", from {threads} threads on"
            met = sum(ratio <= 1 for ratio in ratios)
            rows.append([what, str(len(ratios)), share(geometric_mean(ratios)), share(max(ratios)), f"{met} of them"])
    return rows


def section(name: str, what: str, result: dict) -> str:
    rows = [line(run, arms) for run, arms in result["runs"].items()]
    extra = [
        [f"{run}, {arm}", number(figure["ns"]), share(figure["to_glibc"]), share(figure["to_best_peer"])]
        for run, arms in result["runs"].items() for arm, figure in arms.items() if arm.startswith("libzkalloc-")
    ]
    versions = "; ".join(f"{arm}: `{version}`" for arm, version in result["versions"].items())
    return "\n\n".join([
        f"## {name}\n\n{what[0].upper()}{what[1:]}. `scripts/bench {name}`, {result['rounds']} processes for each figure; "
        f"{machine.in_words(result['machine'])}. Library: SHA-256 {result['library_sha256'][:16]}.",
        markdown_table(HEADER, rows),
        *([markdown_table(["", "ns", "x glibc", "x best peer"], extra)] if extra else []),
        f"Versions: {versions}." + "".join(f" Left out: {arm}: {why}." for arm, why in result["left_out"].items()),
    ])


def line(run: str, arms: dict) -> list:
    ours = arms["libzkalloc"]
    best = min((arm for arm in arms if not arm.startswith("libzkalloc")), key=lambda arm: arms[arm]["ns"])
    return [run or "-", number(arms["glibc"]["ns"]), best, number(arms[best]["ns"]), number(ours["ns"]),
            share(ours["to_glibc"]), share(ours["to_best_peer"])]
