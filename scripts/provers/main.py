"""Every prover under every allocator: measured, compared, and put into tables."""

import argparse
import os
import signal
import sys

import build
import plot
import readme
import report as reports
from allocators import CONTENDERS, matching, ready, served_by
from campaign import Campaign
from cli import Parser
from measure import Runner, Size
from progress import Progress
from provers import PROVERS
from store import Store
from text import write
from trouble import Failure

RESULTS = os.path.join(build.ROOT, "target", "bench")
DOCS = os.path.join(build.ROOT, "docs")


def options(arguments=None) -> argparse.Namespace:
    parser = Parser(
        prog="scripts/bench provers",
        description=f"Runs provers ({', '.join(prover.name for prover in PROVERS)}) under allocators "
        f"({', '.join(contender.name for contender in CONTENDERS)}) in turn, forth and back, and compares. Installs and "
        "builds what it needs. Results are kept in target/bench: a run that was interrupted goes on with the prover it was "
        "at, from its beginning, for what is compared is timed in turn. ZKALLOC_LIB and ZKALLOC_PROVER "
        "name files to use instead of building them.",
    )
    parser.add_argument("--quick", action="store_true", help="small statements, one round: shows that it works, and not "
                        "how fast it is")
    parser.add_argument("--only", metavar="PROVER/ALLOCATOR,...", help="of the provers and allocators those that these "
                        "patterns fit (* and ?); a side that is left empty is all: /lib*, keccak/")
    parser.add_argument("--rounds", type=int, metavar="N", help="each round is two processes for each row [default: 2; "
                        "with --quick 1]")
    parser.add_argument("--proofs", type=int, metavar="N", help="of each process [default: 5; with --quick 4]")
    parser.add_argument("--threads", type=int, metavar="N", default=len(os.sched_getaffinity(0)),
                        help="of the provers [default: one per processor]")
    parser.add_argument("--fresh", action="store_true", help="forget what was measured of these provers and allocators before, or has failed")
    parser.add_argument("--docs", action="store_true", help="write docs/bench.md, .json and .svg, and the README")
    chosen = parser.parse_args(arguments)
    for name, least in (("rounds", 1), ("proofs", 3), ("threads", 1)):
        value = getattr(chosen, name)
        if value is not None and value < least:
            parser.error(f"--{name}: {value}: at least {least}")
    if chosen.quick and chosen.docs:
        parser.error("--docs: figures of --quick are too small to be shown")
    try:
        chosen.pairs = pairs(chosen.only)
    except ValueError as error:
        parser.error(f"--only: {error}")
    return chosen


def pairs(only: str | None) -> list:
    """Names of a prover and an allocator, in the tables' order."""
    provers, allocators = [prover.name for prover in PROVERS], [contender.name for contender in CONTENDERS]
    wanted = set()
    for pattern in (only or "/").split(","):
        left, slash, right = pattern.partition("/")
        if not slash:
            raise ValueError(f"\"{pattern}\" has no slash: PROVER/ALLOCATOR, PROVER/ or /ALLOCATOR")
        found = matching(provers, [left] if left else []), matching(allocators, [right] if right else [])
        for side, names, all_names in zip((left, right), found, (provers, allocators)):
            if not names:
                raise ValueError(f"nothing fits \"{side}\": there are {', '.join(all_names)}")
        wanted |= {(prover, allocator) for prover in found[0] for allocator in found[1]}
    return [(prover, allocator) for prover in provers for allocator in allocators if (prover, allocator) in wanted]


def size_of(chosen: argparse.Namespace) -> Size:
    if chosen.quick:
        return Size(True, chosen.rounds or 1, chosen.proofs or 4, chosen.threads, idle_seconds=2, counted_at_once=6)
    # Longer than ZK_ALLOC_DECAY_MS.
    return Size(False, chosen.rounds or 2, chosen.proofs or 5, chosen.threads, idle_seconds=13)


def run(chosen: argparse.Namespace) -> int:
    if chosen.docs:
        readme.around_marks("bench")  # before hours are spent on what cannot be written
    build.packages([build.TQDM, build.STRACE] + ([build.MATPLOTLIB] if chosen.docs else []))
    provers = [prover for prover in PROVERS if any(pair[0] == prover.name for pair in chosen.pairs)]
    names = {allocator for _, allocator in chosen.pairs}
    arms, left_out = ready([contender for contender in CONTENDERS if contender.name in names])
    versions = {}
    for arm in arms:
        try:
            versions[arm.name] = served_by(arm)
        except Failure as failure:
            left_out[arm.name] = str(failure)
    arms = [arm for arm in arms if arm.name in versions]
    # All of them, whatever was chosen: cargo builds a package otherwise when others are not built with it, and then no result
    # of another choice would stand.
    programs = build.provers(list(dict.fromkeys(prover.package for prover in PROVERS)))
    touch = os.path.join(build.programs("touch"), "touch")

    size = size_of(chosen)
    name = "provers-quick" if chosen.quick else "provers"
    store = Store(os.path.join(RESULTS, f"{name}.jsonl"))
    if chosen.fresh:
        store.discard(set(chosen.pairs))
    runner = Runner(size, programs, touch)
    campaign = Campaign(runner, store, set(chosen.pairs))
    progress = Progress(campaign.count(provers, arms))
    try:
        for prover in provers:
            campaign.measure(prover, arms, progress)
    finally:
        progress.close()
    report = campaign.report(provers, arms, versions) | {"machine": runner.on}
    report["left_out"] += [why if why.startswith(name) else f"{name}: {why}" for name, why in left_out.items()]
    return publish(chosen, report, arms, name)


def publish(chosen: argparse.Namespace, report: dict, arms: list, name: str) -> int:
    directory, name = (DOCS, "bench") if chosen.docs else (RESULTS, name)
    picture = ""
    if chosen.docs:
        picture = f"{name}.svg"
        plot.draw(report, {arm.name: arm.side for arm in arms}, os.path.join(directory, picture))
    write(os.path.join(directory, f"{name}.json"), reports.as_json(report))
    write(os.path.join(directory, f"{name}.md"), reports.markdown(report, picture))
    if chosen.docs:
        readme.replace("bench", reports.headlines(report, f"docs/{picture}"))
    print(reports.for_terminal(report))
    where = os.path.relpath(directory, build.ROOT)
    print(f"bench: written to {where}/{name}.md, .json{' and .svg' if picture else ''}", file=sys.stderr)
    return 1 if report["failed_ours"] else 0


def main() -> int:
    # As an interrupt: the process that is just being measured ends too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return run(options())
    except (Failure, OSError, ValueError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench: interrupted; the same command, without --fresh, goes on with this prover", file=sys.stderr)
        return 130
