"""What is wanted of the library, beside what was measured. It decides no test."""

from dataclasses import dataclass

from figures import geometric_mean, has_something_to_gain, ratio, ratios
from text import number

OURS, OURS_PHASE, ANCESTOR = "libzkalloc", "libzkalloc-phase", ("ancestor-phase", "ancestor-phase-huge")


@dataclass(frozen=True)
class Wish:
    what: str
    at_most: float
    measured: float | None

    def cells(self) -> list:
        if self.measured is None:
            return [self.what, "-", f"at most {self.at_most:g}", "not measured"]
        met = "yes" if self.measured <= self.at_most else "no"
        shown = f"{self.measured:.4f}" if 0 < self.measured < 0.1 else f"{self.measured:.3g}"
        shown = number(self.measured) if self.measured >= 100 else shown
        return [self.what, shown, f"at most {self.at_most:g}", met]


def wishes(by_prover: dict, peers: list, huge_pages: bool = True) -> list:
    cold = 0.75 if huge_pages else 0.95
    gaining = {name: figures for name, figures in by_prover.items() if has_something_to_gain(figures)}

    def of(provers: dict, key: str, to: str) -> list:
        return [ratios(figures, peers).get(OURS, {}).get(key, {}).get(to) for figures in provers.values()]

    def worst(values: list) -> float | None:
        return max(values) if values and None not in values else None

    wanted = [
        Wish("warm CPU, x best peer, mean", 0.96, geometric_mean(of(gaining, "warm_cpu_ms", "to_best_peer"))),
        Wish("warm CPU, x best peer, worst prover", 1.01, worst(of(by_prover, "warm_cpu_ms", "to_best_peer"))),
        Wish("warm CPU, mean, x that of the peer whose mean is best", 0.96, to_best_in_mean(gaining, peers)),
        Wish("cold CPU, x glibc, mean", cold, geometric_mean(of(gaining, "cold_cpu_ms", "to_glibc"))),
        Wish("cold wall, x glibc, mean", cold, geometric_mean(of(gaining, "cold_wall_ms", "to_glibc"))),
        Wish("peak RSS, x glibc, worst prover", 1.05, worst(of(by_prover, "peak_rss_mib", "to_glibc"))),
        Wish("minor faults of a warm proof, x glibc, worst prover", 0.003, worst(of(gaining, "warm_faults", "to_glibc"))),
        Wish("memory calls of a warm proof, worst prover", 0, worst(values(by_prover, "warm_calls"))),
    ]
    for ancestor in ANCESTOR:
        for key, title, at_most in (("warm_cpu_ms", "warm CPU", 1.0), ("peak_rss_mib", "peak RSS", 0.65)):
            wanted.append(Wish(f"{title}, with phases, x {ancestor}, mean", at_most,
                               geometric_mean(against(gaining, ancestor, key))))
    return wanted


def to_best_in_mean(by_prover: dict, peers: list) -> float | None:
    """One peer for all provers, as an operator would choose it: the best of many that scatter in each figure is not as
    good as it looks."""
    compared = [
        geometric_mean([ratio(figures.get(OURS, {}).get("warm_cpu_ms"), figures.get(peer, {}).get("warm_cpu_ms"))
                        for figures in by_prover.values()])
        for peer in peers
    ]
    return max((mean for mean in compared if mean is not None), default=None)


def values(by_prover: dict, key: str) -> list:
    return [figures.get(OURS, {}).get(key) for figures in by_prover.values()]


def against(by_prover: dict, other: str, key: str) -> list:
    """Over the provers that the other one survives."""
    return [
        ratio(figures.get(OURS_PHASE, {}).get(key), figures[other][key])
        for figures in by_prover.values()
        if key in figures.get(other, {})
    ]
