"""g. RSS over the same minute of proving and idling, under four allocators."""

import threading

from arm import TUNED_GLIBC, tuned_jemalloc
from bench import Bench, Proofs, end_now, prover_arguments
from child import need_memory
from proofs import POSEIDON2, mib_for
from row import against_glibc
from text import number
from trouble import NotPossible

POINT_SECONDS = 0.1


def timeline(bench: Bench, series: dict):
    """Puts the curves into `series`: name to [seconds, MiB]."""
    seconds, heights, proofs, pause_ms = (12, [14, 13], 4, 500) if bench.quick else (60, [17, 16], 4, 3000)
    arms = [bench.glibc, TUNED_GLIBC, bench.zkalloc]
    missing = ""
    try:
        arms.insert(2, tuned_jemalloc())
    except NotPossible as reason:
        missing = f"; {reason}"
    arguments = prover_arguments(POSEIDON2, heights, proofs, sleep_ms=pause_ms, idle_ms=seconds * 1000)
    for arm in arms:
        need_memory(2 * mib_for(POSEIDON2, heights[0]))
        with bench.start(arm, bench.prover, *arguments, ends_by_signal=True) as child:
            end = threading.Timer(seconds - child.seconds(), end_now, [child])
            end.start()
            try:
                for _ in bench.follow(Proofs(child), POSEIDON2):
                    pass
            finally:
                end.cancel()
            bench.close(child)
        series[arm.name] = curve(child.samples, seconds)
    yield from figures(series, seconds, missing)


def curve(samples, seconds: float) -> list:
    """The most in every tenth of a second."""
    points = {}
    for sample in samples:
        if sample.seconds <= seconds:
            tenth = int(sample.seconds / POINT_SECONDS)
            points[tenth] = max(points.get(tenth, 0.0), sample.rss_mib)
    return [[round(tenth * POINT_SECONDS, 1), round(mib, 1)] for tenth, mib in sorted(points.items())]


def figures(series: dict, seconds: int, missing: str):
    measures = {
        "most RSS": lambda points: max(points),
        "mean RSS": lambda points: sum(points) / len(points),
        "RSS at the end": lambda points: points[-1],
    }
    for measure, of in measures.items():
        values = {name: of([mib for _, mib in points]) for name, points in series.items()}
        peers = [f"{name} {number(value)}" for name, value in values.items() if name.startswith("tuned")]
        yield against_glibc(
            f"{seconds} s of proving and idling: {measure}",
            "MiB",
            values["glibc"],
            values["libzkalloc"],
            note=", ".join(peers) + missing,
        )
