"""One of the allocators that are compared, and the environment that chooses it."""

import os
from dataclasses import dataclass, field, replace

from trouble import NotPossible

NEVER_TRIM_BYTES = 1 << 40


@dataclass(frozen=True)
class Arm:
    name: str
    library: str = ""  # a path to preload
    settings: dict = field(default_factory=dict)
    phase: bool = False  # the program marks its proofs
    side: str = "peer"  # or "ours", or "ancestor": what ours is compared with

    def environment(self, also_preload: str = "") -> dict:
        """This process's own, without what a user's shell says about allocators: that counts for no side."""
        environment = {name: value for name, value in os.environ.items() if not sets_an_allocator(name)}
        preload = " ".join(path for path in (self.library, also_preload) if path)
        if preload:
            environment["LD_PRELOAD"] = preload
        return environment | self.settings

    def variant(self, name: str, **settings: str) -> "Arm":
        return replace(self, name=name, settings=self.settings | settings)

    def stats_variable(self) -> str:
        """Where to name a file for its statistics: of libraries that can say that they have served memory."""
        for part, variable in (("libzkalloc", "ZK_ALLOC_STATS"), ("libresetslab", "RESET_SLAB_STATS")):
            if part in os.path.basename(self.library):
                return variable
        return ""

    def as_typed(self) -> str:
        """What stands before a command, without the paths of this machine."""
        preload = {"LD_PRELOAD": os.path.basename(self.library)} if self.library else {}
        return "".join(f"{name}={value} " for name, value in (preload | self.settings).items())

    def is_loaded(self, mapped: list) -> bool:
        """`mapped`: file names of allocators in the process's maps."""
        return mapped == ([os.path.basename(os.path.realpath(self.library))] if self.library else [])


def sets_an_allocator(name: str) -> bool:
    prefixes = ("MALLOC_", "MIMALLOC_", "TCMALLOC_", "SNMALLOC_", "RESET_SLAB_", "ZK_ALLOC_")
    return name in ("LD_PRELOAD", "GLIBC_TUNABLES") or name.startswith(prefixes)


GLIBC = Arm("glibc")
TUNED_GLIBC = Arm(
    "tuned glibc",
    settings={
        "GLIBC_TUNABLES": f"glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold={NEVER_TRIM_BYTES}"
        ":glibc.malloc.top_pad=67108864"
    },
)


def zkalloc(library: str) -> Arm:
    return Arm("libzkalloc", library, side="ours")


# "keep": whatever was ever used stays. With the default decay jemalloc gives requests of 8 MiB and more back at once.
JEMALLOC_THP = {"MALLOC_CONF": "thp:always,metadata_thp:auto,retain:true"}
JEMALLOC_KEEP = {"MALLOC_CONF": "retain:true,metadata_thp:always,thp:always,dirty_decay_ms:-1,muzzy_decay_ms:-1"}
LIBRARY_DIRECTORIES = ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib")


def installed(file: str) -> str:
    """A library of the system, or an empty string."""
    paths = (f"{directory}/{file}" for directory in LIBRARY_DIRECTORIES)
    return next((path for path in paths if os.path.exists(path)), "")


def tuned_jemalloc() -> Arm:
    path = installed("libjemalloc.so.2")
    if not path:
        raise NotPossible("libjemalloc.so.2 is missing: apt-get install libjemalloc2")
    return Arm("tuned jemalloc", path, JEMALLOC_KEEP)
