"""What every measurement is given: the programs, the arms, and a place to say what is going on."""

import json
import os
import signal
import sys
import time
from dataclasses import dataclass, field
from statistics import median

from arm import GLIBC, Arm, zkalloc
from child import Child, need_memory
from trouble import Failure

# A proof is warm from this one on.
WARM_FROM = 3


@dataclass
class Proofs:
    """What one prover process did. `proofs` are the prover's own records, with `at_seconds`: when each had ended."""

    child: Child
    proofs: list = field(default_factory=list)

    def warm(self, name: str) -> float:
        return median(proof[name] for proof in self.proofs[WARM_FROM - 1 :])

    def peak_mib(self) -> float:
        return max(self.child.peak_mib(), *(proof["peak_rss_mib"] for proof in self.proofs))


class Bench:
    def __init__(self, library: str, prover: str, micro: str, quick: bool):
        self.prover, self.micro, self.quick = prover, micro, quick
        self.glibc, self.zkalloc = GLIBC, zkalloc(library)
        self.digests = {}  # of each statement's proof: the same under every allocator
        self.forget()

    def forget(self):
        """Before the next measurement."""
        self.commands, self.loaded, self.stats = [], {}, []

    def say(self, what: str):
        print(f"bench-memory: {time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)

    def start(self, arm: Arm, program: str, *arguments, **options) -> Child:
        child = Child(arm, [program, *map(str, arguments)], **options)
        self.say(child.command if len(child.command) < 160 else child.command[:157] + "...")
        return child

    def close(self, child: Child):
        """At the end of every child: it must have ended well, and its allocator must have been the right one."""
        child.finish()
        self.loaded[child.arm.name] = " + ".join(child.allocators) or "glibc"
        if child.command not in self.commands:
            self.commands.append(child.command)
        if child.stats:
            self.stats.append({"command": child.command} | child.stats)

    def prove(self, arm: Arm, air: str, heights: list, proofs: int, mib: float, phase=False, sleep_ms=0, **options):
        """Runs the prover to its end. `mib`: about so much memory it takes."""
        arguments = prover_arguments(air, heights, proofs, phase, sleep_ms)
        need_memory(mib)
        with self.start(arm, self.prover, *arguments, **options) as child:
            run = Proofs(child)
            for _ in self.follow(run, air):
                pass
            self.close(child)
        if len(run.proofs) != proofs:
            raise Failure(f"{child.command}: {len(run.proofs)} of {proofs} proofs")
        return run

    def follow(self, run: Proofs, air: str):
        """Takes up the prover's records as they come, and yields each proof."""
        for line in run.child.lines():
            record = json.loads(line)
            if record["event"] != "proof":
                continue
            statement = (air, record["rows_log2"])
            if record["digest"] != self.digests.setdefault(statement, record["digest"]):
                raise Failure(f"{run.child.command}: proof {record['proof']} differs from that of another process")
            run.proofs.append(record | {"at_seconds": run.child.seconds()})
            yield run.proofs[-1]

    def program(self, name: str) -> str:
        return os.path.join(self.micro, name)


def prover_arguments(air: str, heights: list, proofs: int, phase=False, sleep_ms=0, idle_ms=0) -> list:
    arguments = ["--json", "--digest", "--air", air, "--rows-log2", ",".join(map(str, heights)), "--iterations", proofs]
    if phase:
        arguments.append("--phase")
    if sleep_ms:
        arguments += ["--sleep-ms", sleep_ms]
    if idle_ms:
        arguments += ["--idle-ms", idle_ms]
    return arguments


def end_now(child: Child):
    """For a process that has done what was to be seen; started with `ends_by_signal`."""
    child.send(signal.SIGTERM)
