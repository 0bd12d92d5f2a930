"""From what processes did to figures, and from figures to ratios. Nothing here measures."""

import math
from dataclasses import dataclass
from statistics import median

# A proof is warm from this one on.
WARM_FROM = 3
# Below this share of system time under glibc there is little for an allocator to gain.
SYSTEM_SHARE = 0.05


@dataclass(frozen=True)
class Figure:
    key: str
    title: str


FIGURES = [
    Figure("cold_wall_ms", "cold wall, ms"),
    Figure("cold_cpu_ms", "cold CPU, ms"),
    Figure("warm_wall_ms", "warm wall, ms"),
    Figure("warm_cpu_ms", "warm CPU, ms"),
    Figure("warm_user_ms", "user, ms"),
    Figure("warm_system_ms", "system, ms"),
    Figure("warm_faults", "minor faults"),
    Figure("warm_calls", "memory calls"),
    Figure("peak_rss_mib", "peak RSS, MiB"),
    Figure("idle_rss_mib", "idle RSS, MiB"),
]


def cpu_ms(proof: dict) -> float:
    return proof["user_ms"] + proof["system_ms"]


def of_runs(timed: list, counted: list) -> dict:
    """The figures of one prover under one allocator: medians over the proofs of all its processes. `timed`: records of
    processes that ran undisturbed; `counted`: of those whose system calls were counted and that idled at the end."""
    proofs = [proof for run in timed for proof in run["proofs"]]
    cold = [proof for proof in proofs if proof["proof"] == 1]
    warm = [proof for proof in proofs if proof["proof"] >= WARM_FROM]
    figures = {}
    if cold and warm:
        figures = {
            "cold_wall_ms": median(proof["wall_ms"] for proof in cold),
            "cold_cpu_ms": median(map(cpu_ms, cold)),
            "warm_wall_ms": median(proof["wall_ms"] for proof in warm),
            "warm_cpu_ms": median(map(cpu_ms, warm)),
            "warm_user_ms": median(proof["user_ms"] for proof in warm),
            "warm_system_ms": median(proof["system_ms"] for proof in warm),
            "warm_faults": median(proof["minor_faults"] for proof in warm),
            "peak_rss_mib": median(run["proofs"][-1]["peak_rss_mib"] for run in timed),
        }
    if counted:
        figures["warm_calls"] = median(calls for run in counted for calls in run["calls"][WARM_FROM - 1 :])
        figures["idle_rss_mib"] = median(run["idle_rss_mib"] for run in counted)
    return figures


def spread(timed: list) -> float | None:
    """By how much the processes of a row differ in the CPU time of a warm proof, as a share of their median."""
    warm = [[cpu_ms(proof) for proof in run["proofs"] if proof["proof"] >= WARM_FROM] for run in timed]
    each = [median(proofs) for proofs in warm if proofs]
    return (max(each) - min(each)) / median(each) if len(each) > 1 else None


def ratio(value: float | None, base: float | None) -> float | None:
    """None where there is nothing to compare, or nothing to divide by."""
    if value is None or not base:
        return None
    return value / base


def best(figures: dict, peers: list, key: str) -> float | None:
    """The lowest figure of all peers."""
    return min((figures[peer][key] for peer in peers if key in figures.get(peer, {})), default=None)


def ratios(figures: dict, peers: list) -> dict:
    """Of one prover's figures by allocator: each to glibc's, and to that of the peer that is best in this figure."""
    return {
        name: {
            figure.key: {
                "to_glibc": ratio(values.get(figure.key), figures.get("glibc", {}).get(figure.key)),
                "to_best_peer": ratio(values.get(figure.key), best(figures, peers, figure.key)),
            }
            for figure in FIGURES
        }
        for name, values in figures.items()
    }


def has_something_to_gain(figures: dict) -> bool:
    """Whether this prover counts for the means."""
    glibc = figures.get("glibc", {})
    return bool(glibc.get("warm_cpu_ms")) and glibc["warm_system_ms"] / glibc["warm_cpu_ms"] > SYSTEM_SHARE


def geometric_mean(values: list) -> float | None:
    """None of nothing, and where one value is missing or 0: a mean of the others would flatter or condemn."""
    if not values or not all(values):
        return None
    return math.exp(sum(map(math.log, values)) / len(values))


def means(by_prover: dict, peers: list) -> dict:
    """Allocator to figure to both ratios: over the provers that have something to gain."""
    counted = [figures for figures in by_prover.values() if has_something_to_gain(figures)]
    each = [ratios(figures, peers) for figures in counted]
    names = [name for name in dict.fromkeys(name for figures in counted for name in figures)]
    return {
        name: {
            figure.key: {
                to: geometric_mean([one.get(name, {}).get(figure.key, {}).get(to) for one in each])
                for to in ("to_glibc", "to_best_peer")
            }
            for figure in FIGURES
        }
        for name in names
    }
