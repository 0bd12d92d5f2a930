"""Measurements on the programs of scripts/micro, which do nothing but allocate: d, f."""

import os

from bench import Bench
from child import need_memory
from row import Row
from trouble import Failure

LIVE_MIB = 1024


def open_phase(bench: Bench):
    """d. A phase left open: much is allocated and freed, little is live. A byte of every page is written."""
    gib = 16 if bench.quick else 1024
    # Under glibc each block above 32 MiB is faulted in anew: less of it shows the same.
    peaks = {}
    for arm, volume_gib in ((bench.glibc, max(gib // 32, 8)), (bench.zkalloc, gib)):
        need_memory(LIVE_MIB * 2)
        with bench.start(arm, bench.program("volume"), volume_gib, LIVE_MIB, os.cpu_count()) as child:
            done = list(child.lines())[-1].split()
            bench.close(child)
        if done[0] != "done" or int(done[1]) < volume_gib << 30:
            raise Failure(f"{child.command}: it ended early")
        peaks[arm.name] = child.peak_mib()
    glibc, zkalloc = peaks["glibc"], peaks["libzkalloc"]
    yield Row(
        f"a phase left open, {gib:,} GiB allocated and freed, 1 GiB live: most RSS",
        "MiB",
        glibc,
        zkalloc,
        zkalloc / 1024,
        "GiB",
        1.3,
        "at most 1.3 GiB",
        f"glibc: {max(gib // 32, 8)} GiB; a byte of every page is written",
    )


def survivors(bench: Bench):
    """f. A thousand phases, each leaving one of 128 blocks alive for ten phases."""
    phases, between = (100, 20) if bench.quick else (1000, 50)
    worst = {}
    for arm in (bench.glibc, bench.zkalloc):
        need_memory(1024)
        with bench.start(arm, bench.program("survivors"), phases, between) as child:
            stops = []
            for line in child.lines():
                stops.append((child.rss_mib(), int(line.split()[1]) / 2**20))
                child.tell("")
            bench.close(child)
        if len(stops) != phases // between:
            raise Failure(f"{child.command}: it ended early")
        worst[arm.name] = max(stops, key=lambda stop: stop[0] / (1.5 * stop[1] + 64))
    rss_mib, live_mib = worst["libzkalloc"]
    yield Row(
        f"{phases:,} phases, 1 of 128 blocks alive for 10: RSS after a trim",
        "MiB",
        worst["glibc"][0],
        rss_mib,
        rss_mib / (1.5 * live_mib + 64),
        "x (1.5 x live + 64 MiB)",
        1.0,
        "at most 1.5 x live + 64 MiB",
        f"{live_mib:.0f} MiB live; the worst of {phases // between} trims; glibc after malloc_trim(0)",
    )
