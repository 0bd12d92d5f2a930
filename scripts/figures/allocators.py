"""Every allocator that is compared: the peers at their strongest known settings, ours without any, and the ancestor's
design. One line of the table is one arm."""

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import build
import peers
from arm import JEMALLOC_KEEP, JEMALLOC_THP, TUNED_GLIBC, Arm, installed
from trouble import Failure

GLIBC_HUGE = {"GLIBC_TUNABLES": TUNED_GLIBC.settings["GLIBC_TUNABLES"] + ":glibc.malloc.hugetlb=1"}
# The names of mimalloc 2.1 and later; Debian's 2.0.9 knows none of them, and has these instead.
MIMALLOC_2_0_TUNED = {"MIMALLOC_ALLOW_DECOMMIT": "0", "MIMALLOC_LARGE_OS_PAGES": "1"}
MIMALLOC_TUNED = {
    "MIMALLOC_PURGE_DELAY": "-1",
    "MIMALLOC_ALLOW_LARGE_OS_PAGES": "1",
    "MIMALLOC_ARENA_EAGER_COMMIT": "1",
}


@dataclass(frozen=True)
class Contender:
    name: str
    library: Callable[[], str] = str  # str() is no library at all
    settings: dict = field(default_factory=dict)
    needs: tuple = ()  # Debian packages
    phase: bool = False
    side: str = "peer"


def debian(file: str) -> Callable[[], str]:
    def path():
        found = installed(file)
        if not found:
            raise Failure(f"{file} is missing")
        return found

    return path


def reset_slab() -> str:
    # The compiled file gets the name that is looked for in a process's maps.
    path = os.path.join(build.programs(libraries=["reset_slab"]), "reset_slab.so")
    named = os.path.join(build.MICRO, "libresetslab.so")
    os.replace(path, named)
    return named


DEBIAN_JEMALLOC, DEBIAN_MIMALLOC = debian("libjemalloc.so.2"), debian("libmimalloc.so.2")
DEBIAN_TCMALLOC = debian("libtcmalloc_minimal.so.4")

CONTENDERS = [
    Contender("glibc"),
    Contender("glibc-tuned", settings=TUNED_GLIBC.settings),
    Contender("glibc-tuned-huge", settings=GLIBC_HUGE),
    Contender("jemalloc", DEBIAN_JEMALLOC, {}, (build.JEMALLOC,)),
    Contender("jemalloc-thp", DEBIAN_JEMALLOC, JEMALLOC_THP, (build.JEMALLOC,)),
    Contender("jemalloc-keep", DEBIAN_JEMALLOC, JEMALLOC_KEEP, (build.JEMALLOC,)),
    Contender("jemalloc-new-thp", peers.jemalloc, JEMALLOC_THP, (build.MAKE,)),
    Contender("jemalloc-new-keep", peers.jemalloc, JEMALLOC_KEEP, (build.MAKE,)),
    Contender("mimalloc", DEBIAN_MIMALLOC, {}, (build.MIMALLOC,)),
    Contender("mimalloc-tuned", DEBIAN_MIMALLOC, MIMALLOC_2_0_TUNED | MIMALLOC_TUNED, (build.MIMALLOC,)),
    Contender("mimalloc-new", peers.mimalloc),
    Contender("mimalloc-new-tuned", peers.mimalloc, MIMALLOC_TUNED),
    Contender("tcmalloc", DEBIAN_TCMALLOC, {}, (build.TCMALLOC,)),
    Contender("tcmalloc-keep", DEBIAN_TCMALLOC, {"TCMALLOC_RELEASE_RATE": "0"}, (build.TCMALLOC,)),
    Contender("snmalloc-new", peers.snmalloc, {}, (build.GXX,)),
    Contender("libzkalloc", build.library, side="ours"),
    Contender("libzkalloc-phase", build.library, phase=True, side="ours"),
    Contender("ancestor-phase", reset_slab, phase=True, side="ancestor"),
    Contender("ancestor-phase-huge", reset_slab, {"RESET_SLAB_THP": "1"}, phase=True, side="ancestor"),
]


def matching(names: list, patterns: list) -> list:
    """Those of the names that a pattern (*, ?) fits; all of them where there is no pattern."""
    return [name for name in names if not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)]


def ready(contenders: list) -> tuple:
    """Installs and builds: the arms, and why others were left out."""
    build.packages([build.GCC, *{need for contender in contenders for need in contender.needs}])
    arms, left_out, paths = [], {}, {}
    for contender in contenders:
        try:
            if contender.library not in paths:
                path = contender.library()
                paths[contender.library] = os.path.realpath(path) if path else ""
            arm = Arm(contender.name, paths[contender.library], contender.settings, contender.phase, contender.side)
            arms.append(arm)
        except Failure as failure:
            if contender.side == "ours":
                raise
            left_out[contender.name] = str(failure)
    return arms, left_out


# The allocator's functions that programs use most.
SERVED = ("malloc", "calloc", "realloc", "free", "posix_memalign", "aligned_alloc", "malloc_usable_size")


def served_by(arm: Arm) -> str:
    """Asks a process under this arm where these functions are, and the version: raises `Failure` if it is elsewhere."""
    program = os.path.join(build.programs("serves"), "serves")
    done = subprocess.run([program, *SERVED], env=arm.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True)
    if done.returncode != 0:
        raise Failure(f"{arm.name}: {done.stderr.strip() or 'a small program ends'} (status {done.returncode})")
    *functions, version = [line.split(maxsplit=1)[1] for line in done.stdout.splitlines()]
    return checked(arm, functions, version, complaint=done.stderr.strip())


def checked(arm: Arm, files: list, version: str, complaint: str = "") -> str:
    wanted = os.path.basename(arm.library) or "libc.so.6"
    for function, file in zip(SERVED, files, strict=True):
        if file != wanted:
            raise Failure(f"{arm.name}: {function} is in {file}, not in {wanted}")
    if complaint:
        raise Failure(f"{arm.name}: it says: {complaint.splitlines()[0]}")
    return version
