"""The allocators that are compared, and the environment that chooses each."""

import os
from dataclasses import dataclass, field

from trouble import NotPossible

NEVER_TRIM_BYTES = 1 << 40


@dataclass(frozen=True)
class Arm:
    name: str
    library: str = ""  # a path to preload
    settings: dict = field(default_factory=dict)

    def environment(self, also_preload: str = "") -> dict:
        """This process's own, without what a user's shell says about allocators: that counts for no side."""
        environment = {name: value for name, value in os.environ.items() if not sets_an_allocator(name)}
        preload = " ".join(path for path in (self.library, also_preload) if path)
        if preload:
            environment["LD_PRELOAD"] = preload
        return environment | self.settings

    def variant(self, name: str, **settings: str) -> "Arm":
        return Arm(name, self.library, self.settings | settings)

    def as_typed(self) -> str:
        """What stands before a command, without the paths of this machine."""
        preload = {"LD_PRELOAD": os.path.basename(self.library)} if self.library else {}
        return "".join(f"{name}={value} " for name, value in (preload | self.settings).items())

    def is_loaded(self, mapped: list) -> bool:
        """`mapped`: file names of allocators in the process's maps."""
        return mapped == ([os.path.basename(os.path.realpath(self.library))] if self.library else [])


def sets_an_allocator(name: str) -> bool:
    return name in ("LD_PRELOAD", "GLIBC_TUNABLES") or name.startswith(("MALLOC_", "ZK_ALLOC_"))


GLIBC = Arm("glibc")
TUNED_GLIBC = Arm(
    "tuned glibc",
    settings={
        "GLIBC_TUNABLES": f"glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold={NEVER_TRIM_BYTES}"
        ":glibc.malloc.top_pad=67108864"
    },
)


def zkalloc(library: str) -> Arm:
    return Arm("libzkalloc", library)


def tuned_jemalloc() -> Arm:
    for directory in ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"):
        path = f"{directory}/libjemalloc.so.2"
        if os.path.exists(path):
            conf = "retain:true,metadata_thp:always,thp:always,dirty_decay_ms:-1,muzzy_decay_ms:-1"
            return Arm("tuned jemalloc", path, {"MALLOC_CONF": conf})
    raise NotPossible("libjemalloc.so.2 is missing: apt-get install libjemalloc2")
