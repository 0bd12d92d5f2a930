"""The small benchmarks: one line of the table is one program, with the arguments of its runs. Each run prints nanoseconds
of whatever it repeats."""

import os
from dataclasses import dataclass

import build
from programs import PROGRAMS

SIZES = [4096 << shift for shift in (0, 4, 8, 12, 14, 16, 18)]  # 4 KiB to 1 GiB
THREADS = (1, 2, 4, 8, 16, 32, 64)


@dataclass(frozen=True)
class Bench:
    name: str
    what: str
    runs: tuple
    quick: tuple  # with --quick
    touch_mib: int = 0  # before each run: memory that it gets from the system
    protections: bool = False  # also with what ZK_ALLOC_WIPE and ZK_ALLOC_POISON do

    def command(self, run: str) -> list:
        if self.name == "programs":
            return [os.path.join(build.MICRO, self.name), *PROGRAMS[run].command()]
        if self.name != "rust":
            return [os.path.join(build.MICRO, self.name), *run.split()]
        fast = ["--warm-up-time", "0.3", "--measurement-time", "1", "--sample-size", "20"]
        return [build.rust_benches(), "--bench", "--exact", run, "--output-format", "bencher", "--noplot", *fast]


def each(*lists) -> tuple:
    """All combinations, as arguments."""
    combined = [""]
    for one in lists:
        combined = [f"{before} {word}".strip() for before in combined for word in one]
    return tuple(combined)


BENCHES = [
    Bench("small", "malloc and free of 64 bytes", ("",), ("",)),
    Bench("large", "malloc, a touch of each page and free", each(SIZES, ["hot", "cold"]),
          each(SIZES[::3], ["hot", "cold"]), touch_mib=1200),
    Bench("medium", "blocks of 4 KiB to 1 MiB, of threads' own or handed over",
          (*each(THREADS, ["own"]), *each(THREADS[1:], ["hand"])), each([2, 8], ["own", "hand"])),
    Bench("buffers", "64 MiB allocated, written and freed by threads", each(range(1, 9)), each([1, 2, 8]), touch_mib=640),
    Bench("grow", "realloc from 4 KiB to 1 GiB", ("alone", "beside"), ("alone", "beside"), touch_mib=2200),
    Bench("zero", "calloc, dense and sparse", each(SIZES[:-1], ["dense", "sparse"]),
          each(SIZES[:-1:3], ["dense", "sparse"])),
    Bench("columns", "arrays of equal size, gone through side by side",
          each([65536, 524288, 1 << 20, 4 << 20, 8 << 20], [8, 32, 64], ["sum", "update"]),
          each([4 << 20], [32], ["sum", "update"])),
    Bench("freed", "malloc, write all of it, free; also with others that are free",
          (*each([16384, 262144, 4194304, 67108864]), *each([65536, 1500000, 3000000], [64])), each([262144, 67108864]),
          protections=True),
    Bench("programs", "processor time of whole programs that have nothing to gain", tuple(PROGRAMS), ("sqlite", "python")),
    Bench("start", "a short process: ls, cat, sed", ("",), ("",)),
    Bench("rust", "vectors and channels (criterion)",
          ("vec-zeroed-16k", "vec-zeroed-64m", "vec-filled-256k", "vec-filled-16m", "vec-pushed-8m", "rows-512-of-32k",
           "rows-dropped-512-of-32k", "handed-over-256-of-128k"), ("vec-filled-256k", "handed-over-256-of-128k")),
]


def nanoseconds(output: str) -> float:
    """A number, or criterion's line in the form of libtest: "test name ... bench:  1,234 ns/iter (+/- 5)"."""
    last = output.strip().splitlines()[-1] if output.strip() else ""
    if "bench:" in last:
        last = last.split("bench:")[1].split("ns/iter")[0].replace(",", "")
    value = float(last)
    if value <= 0:
        raise ValueError(f"{value} ns")
    return value
