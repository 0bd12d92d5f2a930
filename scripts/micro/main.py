"""The small benchmarks, each allocator in turn and in reverse (ABBA): medians, and ratios to glibc and to the best peer."""

import argparse
import json
import os
import signal
import subprocess
import sys
from statistics import geometric_mean, median

import build
import machine
import report
from allocators import CONTENDERS, matching, ready, served_by
from benches import BENCHES, Bench, nanoseconds
from cli import Parser
from programs import PROGRAMS
from text import write
from trouble import Failure

RESULTS = os.path.join(build.ROOT, "target", "bench")
NAMES = [bench.name for bench in BENCHES]
# No phases are marked here.
ALLOCATORS = [contender for contender in CONTENDERS if not contender.phase]


def options(arguments: list) -> argparse.Namespace:
    what = arguments.pop(0) if arguments and arguments[0] in NAMES else "micro"
    chosen_benches = [bench for bench in BENCHES if what in ("micro", bench.name)]
    parser = Parser(
        prog=f"scripts/bench {what}",
        description="Nanoseconds of " + "; ".join(f"{bench.name}: {bench.what}" for bench in chosen_benches) + ". Under "
        + ", ".join(contender.name for contender in ALLOCATORS) + ". Written to target/bench too.",
    )
    parser.add_argument("--only", metavar="ALLOCATOR,...", help="those that these patterns fit (* and ?), beside glibc")
    parser.add_argument("--rounds", type=int, metavar="N", default=os.environ.get("ROUNDS", 4),
                        help="processes of each run and allocator [default: $ROUNDS, or 4]")
    parser.add_argument("--docs", action="store_true", help="write docs/micro.md and docs/micro.json: what was not measured "
                        "stays as it was published")
    parser.add_argument("--quick", action="store_true", help="fewer runs, two rounds at most: shows that it works")
    chosen = parser.parse_args(arguments)
    if chosen.rounds < 1:
        parser.error(f"--rounds: {chosen.rounds}: at least 1")
    if chosen.docs and (chosen.quick or chosen.only):
        parser.error("--docs: not with --quick or --only, whose figures are not all that is to be shown")
    if chosen.quick:
        chosen.rounds = min(chosen.rounds, 2)
    names = [contender.name for contender in ALLOCATORS]
    patterns = chosen.only.split(",") if chosen.only else []
    found = matching(names, patterns)
    if not found:
        parser.error(f"--only: nothing fits \"{chosen.only}\": there are {', '.join(names)}")
    chosen.contenders = [contender for contender in ALLOCATORS if contender.name in ["glibc", *found]]
    chosen.benches = chosen_benches
    return chosen


def prepared(chosen: argparse.Namespace) -> tuple:
    """The arms, each of them seen to serve, and what they are; what cannot be had is said and left out."""
    arms, left_out = ready(chosen.contenders)
    serving, versions = [], {}
    for arm in arms:
        try:
            versions[arm.name] = f"{arm.as_typed()}{served_by(arm)}"
            serving.append(arm)
        except Failure as failure:
            left_out[arm.name] = str(failure)
    for name, why in left_out.items():
        print(f"bench: left out: {name}: {why}", file=sys.stderr)
    if any(bench.name == "programs" for bench in chosen.benches):
        build.packages([program.needed for program in PROGRAMS.values()])
    build.programs("touch", *(bench.name for bench in chosen.benches if bench.name != "rust"))
    missing = [name for name in ("glibc", "libzkalloc") if chosen.docs and name not in versions]
    if missing:
        raise Failure(f"--docs: without {missing[0]} there is nothing to show: {left_out[missing[0]]}")
    sums = {arm.name: build.sha256(arm.library) for arm in serving if arm.side == "ours"}
    return serving, {"versions": versions, "left_out": left_out, "library_sha256": sums.get("libzkalloc", "")}


def with_protections(bench: Bench, arms: list) -> list:
    if not bench.protections:
        return arms
    ours = [arm for arm in arms if arm.side == "ours"]
    return arms + [arm.variant(f"{arm.name}-{name}", **{f"ZK_ALLOC_{name.upper()}": "1"})
                   for arm in ours for name in ("wipe", "poison")]


def measured(bench: Bench, run: str, arms: list, rounds: int) -> dict:
    """Arm to nanoseconds: medians over the rounds."""
    results = {arm.name: [] for arm in arms}
    for number in range(rounds):
        for arm in arms[::-1] if number % 2 else arms:
            if sys.stderr.isatty():
                print(f"\r\033[K{bench.name} {run}: round {number + 1}, {arm.name}", end="", file=sys.stderr, flush=True)
            results[arm.name].append(one(bench, run, arm))
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)
    return {name: median(values) for name, values in results.items()}


def one(bench: Bench, run: str, arm) -> float:
    if bench.touch_mib:
        subprocess.run([os.path.join(build.MICRO, "touch"), str(bench.touch_mib)], check=True)
    environment = arm.environment() | {"CRITERION_HOME": os.path.join(RESULTS, "criterion")}
    done = subprocess.run(bench.command(run), env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    what = f"{bench.name} {run} under {arm.name}"
    if done.returncode != 0:
        raise Failure(f"{what}: status {done.returncode}: {(done.stderr.strip().splitlines() or [''])[-1]}")
    try:
        return nanoseconds(done.stdout)
    except ValueError as error:
        raise Failure(f"{what}: it printed no figure ({error})") from error


def compared(figures: dict, peers: list) -> dict:
    """Arm to nanoseconds and the ratios."""
    least = min((value for name, value in figures.items() if name in peers), default=None)
    return {
        name: {
            "ns": value,
            "to_glibc": value / figures["glibc"],
            "to_best_peer": value / least if least else None,
        }
        for name, value in figures.items()
    }


def means(runs: dict) -> str:
    """A line for each arm: times glibc, over all runs of a benchmark whose runs are alike."""
    lines = []
    for name in next(iter(runs.values())):
        mean = geometric_mean(arms[name]["to_glibc"] for arms in runs.values())
        lines.append(f"{'geometric mean':24} {name:20} {'':14}     x{mean:.3f} glibc")
    return "\n".join(lines)


def run(chosen: argparse.Namespace) -> int:
    os.makedirs(RESULTS, exist_ok=True)
    published = report.published() if chosen.docs else {}
    arms, what = prepared(chosen)
    peers = [arm.name for arm in arms if arm.side == "peer"]
    print(machine.in_words(machine.read()))
    for bench in chosen.benches:
        on, runs = machine.read(), {}
        for arguments in bench.quick if chosen.quick else bench.runs:
            figures = measured(bench, arguments, with_protections(bench, arms), chosen.rounds)
            runs[arguments] = compared(figures, peers)
            for name, figure in runs[arguments].items():
                print(f"{bench.name + ' ' + arguments:24} {name:20} {figure['ns']:14,.2f} ns  "
                      f"x{figure['to_glibc']:.2f} glibc  x{figure['to_best_peer']:.2f} best peer", flush=True)
        if bench.name == "programs":
            print(means(runs), flush=True)
        result = {"machine": on, "rounds": chosen.rounds, "quick": chosen.quick} | what | {"runs": runs}
        name = f"{bench.name}-quick" if chosen.quick else bench.name
        write(os.path.join(RESULTS, f"{name}.json"), json.dumps(result, indent=1) + "\n")
        if chosen.docs:
            published[bench.name] = result
            page = report.publish(published)
            print(f"bench: written to {os.path.relpath(page, build.ROOT)} and .json", file=sys.stderr)
    return 0


def main() -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    arguments = sys.argv[1:]
    try:
        return run(options(arguments))
    except (Failure, OSError, ValueError, subprocess.CalledProcessError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench: interrupted", file=sys.stderr)
        return 130
