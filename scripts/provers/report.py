"""The tables, as Markdown and as JSON."""

import json

import machine
from figures import FIGURES, SYSTEM_SHARE, WARM_FROM, has_something_to_gain, means, ratios
from text import markdown_table, number, share
from wanted import wishes

# What has a mean over all provers.
MEANS = ("cold_wall_ms", "cold_cpu_ms", "warm_wall_ms", "warm_cpu_ms", "warm_user_ms", "peak_rss_mib", "idle_rss_mib")
# For a terminal: what is read first.
SHORT = ("cold_cpu_ms", "warm_cpu_ms", "warm_system_ms", "warm_faults", "warm_calls", "peak_rss_mib", "idle_rss_mib")


def as_json(report: dict) -> str:
    """With every ratio, and the means."""
    peers = report["peers"]
    with_ratios = {
        prover: {"figures": figures, "ratios": ratios(figures, peers), "counts_for_means": has_something_to_gain(figures)}
        for prover, figures in report["figures"].items()
    }
    whole = {name: value for name, value in report.items() if name != "figures"}
    return json.dumps(whole | {"provers": with_ratios, "means": means(report["figures"], peers)}, indent=1) + "\n"


def for_terminal(report: dict) -> str:
    parts = [f"{prover}\n{prover_table(figures, report['peers'], SHORT)}" for prover, figures in report["figures"].items()]
    parts.append(means_section(report))
    if report["quick"]:
        parts.append("--quick: statements this small show that it works, and no more.")
    else:
        parts.append(wanted_table(report))
    parts += [f"left out: {line}" for line in report["left_out"]]
    return "\n\n".join(parts)


def markdown(report: dict, picture: str) -> str:
    """The whole of docs/bench.md."""
    first, last = report["loads"]
    parts = [
        "# Provers under every allocator, in figures\n\nMade by `scripts/bench provers --docs`: do not edit. They decide no "
        "test.",
        f"Machine: {machine.in_words(report['machine'])}; load before single processes {first:.1f} to {last:.1f}. "
        f"{report['processes']} processes of {report['proofs']} proofs for each row, all allocators forth and back; "
        f"{report['threads']} threads. Cold: the first proof of a process. Warm: from proof {WARM_FROM} on. Medians. Processes "
        f"of one row differ by {report['spread']:.0%} in warm CPU time (median of all rows).",
        "In brackets: times glibc, and times the peer that is best in this very figure. Memory calls: mmap, munmap, madvise, "
        "mremap and brk, counted by strace in a process of its own, from the end of one proof to the end of the next, its "
        f"verification included. Idle RSS: {report['idle_seconds']:g} s after the last proof of that process.",
        f"## What is wanted\n\n{wanted_table(report)}",
        f"## Means\n\n{means_section(report)}",
    ]
    if picture:
        parts.append(f"![Warm CPU time and peak memory of every allocator]({picture})")
    for prover, figures in report["figures"].items():
        keys = [figure.key for figure in FIGURES]
        command = report["commands"].get(prover, "")
        parts.append(f"## {prover}\n\n`{command}`\n\n{prover_table(figures, report['peers'], keys)}")
    parts.append(f"## Allocators\n\n{arms_table(report)}")
    parts.append("The ancestor's design (scripts/micro/reset_slab.c) is a reference implementation for this comparison: it "
                 "overwrites, by design, what outlives a phase.")
    if report["left_out"]:
        parts.append("## Left out\n\n" + "\n".join(f"* {line}" for line in report["left_out"]))
    return "\n\n".join(parts) + "\n"


def headlines(report: dict, picture: str) -> str:
    """For the README: what is wanted, and each allocator's means."""
    counted = ", ".join(gaining(report)) or "none"
    table = means_table(report, ("cold_cpu_ms", "warm_cpu_ms", "warm_wall_ms", "peak_rss_mib", "idle_rss_mib"))
    return (
        f"{wanted_table(report)}\n\n![Warm CPU time and peak memory of every allocator]({picture})\n\n"
        f"Geometric means over {counted}; times glibc, and times the peer that is best in the figure:\n\n{table}\n\n"
        f"{report['processes']} processes of {report['proofs']} proofs for each row. {machine.in_words(report['machine'])}. "
        "Every prover, and the settings: [docs/bench.md](docs/bench.md)."
    )


def prover_table(figures: dict, peers: list, keys: list) -> str:
    shown = [figure for figure in FIGURES if figure.key in keys]
    compared = ratios(figures, peers)
    rows = []
    for name, values in figures.items():
        cells = [cell(values.get(figure.key), compared[name][figure.key]) for figure in shown]
        rows.append([name, *cells])
    return markdown_table(["", *(figure.title for figure in shown)], rows)


def cell(value: float | None, compared: dict) -> str:
    if value is None:
        return "-"
    return f"{number(value)} ({share(compared['to_glibc'])}, {share(compared['to_best_peer'])})"


def means_table(report: dict, keys=MEANS) -> str:
    shown = [figure for figure in FIGURES if figure.key in keys]
    rows = []
    for name, mean in means(report["figures"], report["peers"]).items():
        pairs = [mean[figure.key] for figure in shown]
        rows.append([name, *(f"{share(pair['to_glibc'])}, {share(pair['to_best_peer'])}" for pair in pairs)])
    return markdown_table(["", *(figure.title.split(",")[0] for figure in shown)], rows)


def means_section(report: dict) -> str:
    return (
        f"Geometric means, times glibc and times each figure's best peer, over the provers with more than "
        f"{SYSTEM_SHARE:.0%} of system time under glibc: {', '.join(gaining(report)) or 'none'}.\n\n{means_table(report)}"
    )


def gaining(report: dict) -> list:
    return [prover for prover, figures in report["figures"].items() if has_something_to_gain(figures)]


def wanted_table(report: dict) -> str:
    huge_pages = report["machine"]["thp"] in ("always", "madvise")
    rows = [wish.cells() for wish in wishes(report["figures"], report["peers"], huge_pages)]
    return markdown_table(["libzkalloc", "measured", "wanted", "met"], rows)


def arms_table(report: dict) -> str:
    rows = [
        [arm["name"], arm["version"], arm["loaded"], arm["library_sha256"] or "-", arm["prefix"] or "-"]
        for arm in report["arms"]
    ]
    return markdown_table(["", "version", "found in the processes' maps", "SHA-256", "environment"], rows, left=5)
