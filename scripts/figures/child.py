"""One measured process. What it has resident is read from /proc by this one, which is never the measured one."""

import json
import os
import re
import signal
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass

import machine
from arm import Arm
from tracing import Trace
from trouble import Failure, NotPossible

SAMPLE_SECONDS = 0.02
ALLOCATOR = re.compile(r"^lib(zkalloc|jemalloc|mimalloc|tcmalloc|snmalloc|resetslab)")


@dataclass(frozen=True)
class Sample:
    seconds: float  # since the start
    rss_mib: float
    peak_mib: float  # VmHWM


class Child:
    """A running process, sampled until it ends. To be used in a `with`: whatever happens, it does not outlive that."""

    def __init__(
        self,
        arm: Arm,
        argv: list,
        also_preload: str = "",
        cgroup=None,
        ends_by_signal=False,
        trace: Trace | None = None,
        sample_seconds=SAMPLE_SECONDS,
    ):
        self.arm = arm
        self.sample_seconds = sample_seconds
        self.ends_by_signal = ends_by_signal
        self.samples = []
        self.allocators = None
        self.stats = None
        self._scratch = tempfile.TemporaryDirectory()
        self._stats_path = os.path.join(self._scratch.name, "stats.json")
        environment = arm.environment(also_preload)
        if arm.stats_variable():
            environment[arm.stats_variable()] = self._stats_path
        self.command = arm.as_typed() + " ".join([os.path.basename(argv[0]), *argv[1:]])
        if trace:
            argv, environment = trace.around(argv, environment)
        self._errors = tempfile.TemporaryFile()
        self.start = time.monotonic()
        self.process = subprocess.Popen(
            argv,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            preexec_fn=cgroup.enter if cgroup else None,
        )
        self._sampler = threading.Thread(target=self._sample, daemon=True)
        self._sampler.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self._sampler.join()
        for stream in (self.process.stdin, self.process.stdout, self._errors):
            stream.close()
        self._scratch.cleanup()

    def seconds(self) -> float:
        return time.monotonic() - self.start

    def lines(self):
        """What it prints, as it is printed. A process that prints has started, and its allocator can be seen."""
        for line in self.process.stdout:
            self._look_at_maps()
            yield line.rstrip("\n")

    def tell(self, line: str):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def send(self, number: signal.Signals):
        self.process.send_signal(number)

    def finish(self):
        """Waits for the end, and raises `Failure` if that is not a good one."""
        status = self.process.wait()
        self._sampler.join()
        self._errors.seek(0)
        errors = self._errors.read().decode(errors="replace").strip().splitlines()
        if status != (-signal.SIGTERM if self.ends_by_signal else 0):
            how = f"status {status}" if status >= 0 else f"signal {signal.Signals(-status).name}"
            raise Failure(f"{self.command}: {how}" + (f": {errors[-1]}" if errors else ""))
        if self.allocators is None:
            raise Failure(f"{self.command}: it printed nothing")
        if self.arm.stats_variable() and not self.ends_by_signal:
            self._read_stats()

    def peak_mib(self, after=0.0, until=float("inf")) -> float:
        """The most that was resident, as the kernel noted it, or seen between two moments."""
        if after == 0.0 and until == float("inf"):
            return max((sample.peak_mib for sample in self.samples), default=0.0)
        return max((sample.rss_mib for sample in self.samples if after <= sample.seconds <= until), default=0.0)

    def rss_mib(self) -> float:
        """Now, and exact: smaps_rollup counts the page tables."""
        return self._field("smaps_rollup", "Rss:") / 1024

    def minor_faults(self) -> int:
        with open(f"/proc/{self.process.pid}/stat") as stat:
            return int(stat.read().rsplit(")", 1)[1].split()[7])

    def _field(self, file: str, name: str) -> int:
        with open(f"/proc/{self.process.pid}/{file}") as lines:
            for line in lines:
                if line.startswith(name):
                    return int(line.split()[1])
        raise ProcessLookupError(name)

    def _sample(self):
        while self.process.poll() is None:
            try:
                rss, peak = self._field("status", "VmRSS:"), self._field("status", "VmHWM:")
                self.samples.append(Sample(self.seconds(), rss / 1024, peak / 1024))
            except (OSError, ProcessLookupError):
                pass  # it has just ended: a zombie has no such field
            time.sleep(self.sample_seconds)

    def _look_at_maps(self):
        if self.allocators is not None:
            return
        with open(f"/proc/{self.process.pid}/maps") as maps:
            files = {os.path.basename(line.split(maxsplit=5)[5].strip()) for line in maps if line.count("/")}
        self.allocators = sorted(file for file in files if ALLOCATOR.match(file))
        if not self.arm.is_loaded(self.allocators):
            found = " + ".join(self.allocators) or "glibc"
            raise Failure(f"{self.command}: the process has mapped {found}, not {self.arm.name}")

    def _read_stats(self):
        """That the library is mapped is not enough: it must have served memory."""
        try:
            with open(self._stats_path) as file:
                self.stats = json.load(file)["stats"]
        except (OSError, ValueError, KeyError) as error:
            raise Failure(f"{self.command}: the library wrote no statistics ({error})") from error
        if not self.stats["arena_allocs"]:
            raise Failure(f"{self.command}: the arena has served nothing")


def need_memory(mib: float):
    """Before a process is started that takes so much."""
    free_mib = machine.available_mib()
    # Some is left for the rest of the machine.
    if free_mib < mib * 1.25 + 512:
        raise NotPossible(f"needs {mib * 1.25 + 512:,.0f} MiB of free memory, {free_mib:,} are there")
