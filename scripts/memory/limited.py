"""e. A control group that allows 1.3 times what one large proof takes."""

from bench import Bench
from cgroup import Limited
from proofs import POSEIDON2, mib_for
from row import Row
from text import number
from trouble import Failure

HEADROOM = 1.3


def under_a_limit(bench: Bench):
    large, small, proofs = (14, 12, 10) if bench.quick else (16, 14, 50)
    alone_mib = bench.prove(bench.glibc, POSEIDON2, [large], 3, mib_for(POSEIDON2, large)).peak_mib()
    limit_mib = int(alone_mib * HEADROOM)
    alternating = [large, small] * (proofs // 2)
    peaks, kills, glibc_failed = {}, {}, ""
    for arm in (bench.glibc, bench.zkalloc):
        with Limited(limit_mib << 20) as group:
            bench.say(f"a limit of {limit_mib} MiB, control groups version {group.version}")
            try:
                bench.prove(arm, POSEIDON2, alternating, proofs, mib_for(POSEIDON2, large), cgroup=group)
            except Failure as failure:
                if arm is not bench.glibc:
                    raise
                glibc_failed = f"; glibc failed: {failure}"
            kills[arm.name], peaks[arm.name] = group.kills(), group.peak_bytes()
    what = f"{proofs} proofs, 2^{large} and 2^{small} rows in turn, limit {number(limit_mib)} MiB"
    yield Row(
        f"{what}: processes killed or failed",
        "processes",
        kills["glibc"] or float(bool(glibc_failed)),
        kills["libzkalloc"],
        kills["libzkalloc"],
        "",
        0,
        "none",
        f"the limit is {HEADROOM} x the {number(alone_mib)} MiB of one large proof under glibc" + glibc_failed,
    )
    if all(peaks.values()):
        mib = {name: peak / 2**20 for name, peak in peaks.items()}
        yield Row(
            "the same: most memory charged",
            "MiB",
            mib["glibc"],
            mib["libzkalloc"],
            mib["libzkalloc"] / limit_mib,
            "x limit",
            note="files in the page cache included",
        )
