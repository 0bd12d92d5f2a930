"""One process of a prover under one allocator: undisturbed and timed, or with its system calls counted."""

import json
import os
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass

import build
import machine
from arm import Arm
from child import Child, need_memory
from provers import Prover
from tracing import Trace
from trouble import Failure, NotPossible

TIMED, COUNTED, TRIAL = "timed", "counted", "trial"
# Often enough for the maps to be seen early, seldom enough not to disturb: the peak is the kernel's own.
SAMPLE_SECONDS = 0.5
# How long a process may take, in terms of the trial, which makes two proofs under glibc.
TIME_LIMIT, LEAST_LIMIT_SECONDS = 20, 180
# What an allocator may take, in terms of glibc's peak. The ancestor frees nothing, and others keep what they got.
HEADROOM = {"ancestor": 4.0, "peer": 2.2, "ours": 1.3}


@dataclass(frozen=True)
class Size:
    """How much is done: `proofs` of a timed process, and rounds, each forth and back through all allocators."""

    quick: bool
    rounds: int
    proofs: int
    threads: int
    idle_seconds: float
    counted_proofs: int = 5
    counted_at_once: int = 3


class Runner:
    def __init__(self, size: Size, programs: dict, touch: str):
        self.size, self.programs, self.touch = size, programs, touch
        self.on = machine.read()
        self.digests = {}
        self.sums = {}

    def same(self, kind: str, prover: Prover, arm: Arm) -> dict:
        """What must not have changed for an earlier result to stand."""
        return {
            "program": self.sum(self.programs[prover.package]),
            "library": self.sum(arm.library) if arm.library else "",
            "settings": arm.settings,
            "arguments": self.arguments(kind, prover, arm),
            "thp": self.on["thp"],
            "kernel": self.on["kernel"],
            "cores": self.on["cores"],
        }

    def sum(self, path: str) -> str:
        """The beginning of a file's SHA-256."""
        if path not in self.sums:
            self.sums[path] = build.sha256(path)[:16]
        return self.sums[path]

    def arguments(self, kind: str, prover: Prover, arm: Arm) -> list:
        proofs = {TIMED: self.size.proofs, COUNTED: self.size.counted_proofs, TRIAL: 2}[kind]
        arguments = ["--json", "--digest", *prover.arguments(self.size.quick), "--iterations", str(proofs)]
        arguments += ["--threads", str(self.size.threads)]
        if arm.phase:
            arguments.append("--phase")
        if kind == COUNTED:
            arguments += ["--idle-ms", str(round((self.size.idle_seconds + 1) * 1000))]
        return arguments

    def run(self, kind: str, prover: Prover, arm: Arm, place: int, trial: dict | None = None) -> dict:
        """One record. What went wrong is in it as `failed`."""
        record = {
            "kind": kind,
            "prover": prover.name,
            "allocator": arm.name,
            "place": place,
            "same": self.same(kind, prover, arm),
            "at": time.strftime("%Y-%m-%d %H:%M:%S"),
            "machine": machine.read(),
        }
        needed_mib = trial["proofs"][-1]["peak_rss_mib"] * HEADROOM[arm.side] if trial else 0
        limit_seconds = max(TIME_LIMIT * trial["seconds"] if trial else 0, LEAST_LIMIT_SECONDS)
        try:
            need_memory(needed_mib)
            if kind == TIMED:
                self._touch(needed_mib)
            if kind == COUNTED:
                return record | self._counted(prover, arm, limit_seconds)
            return record | self._timed(kind, prover, arm, limit_seconds)
        except NotPossible as reason:
            return record | {"failed": f"not possible here: {reason}"}
        except (Failure, OSError, ValueError, KeyError) as error:
            return record | {"failed": str(error)}

    def _touch(self, mib: float):
        if subprocess.run([self.touch, str(max(int(mib), 64))]).returncode != 0:
            raise Failure("the helper that touches memory has failed")

    def _timed(self, kind: str, prover: Prover, arm: Arm, limit_seconds: float) -> dict:
        argv = [self.programs[prover.package], *self.arguments(kind, prover, arm)]
        with Child(arm, argv, sample_seconds=SAMPLE_SECONDS) as child, ended_after(child, limit_seconds):
            proofs = list(self._proofs(child, prover))
            child.finish()
        return self._result(child, prover, proofs)

    def _counted(self, prover: Prover, arm: Arm, limit_seconds: float) -> dict:
        argv = [self.programs[prover.package], *self.arguments(COUNTED, prover, arm)]
        with tempfile.TemporaryDirectory() as scratch:
            trace = Trace(os.path.join(scratch, "trace"))
            with (
                Child(arm, argv, trace=trace, sample_seconds=SAMPLE_SECONDS) as child,
                ended_after(child, limit_seconds + self.size.idle_seconds),
            ):
                proofs = []
                for proof in self._proofs(child, prover):
                    proofs.append(proof)
                    if len(proofs) == self.size.counted_proofs:
                        time.sleep(self.size.idle_seconds)
                        idle_mib = child.rss_mib()
                child.finish()
            calls = trace.calls_of_proofs(child.process.pid)
        if len(calls) != len(proofs):
            raise Failure(f"{child.command}: strace saw {len(calls)} of {len(proofs)} proofs")
        return self._result(child, prover, proofs) | {"calls": calls, "idle_rss_mib": idle_mib}

    def _proofs(self, child: Child, prover: Prover):
        """The prover's own records. A proof must be the same under every allocator."""
        ended = False
        for line in child.lines():
            record = json.loads(line)
            ended = record["event"] == "run"
            if record["event"] != "proof":
                continue
            digest = record.pop("digest", None)
            if digest and digest != self.digests.setdefault(prover.name, digest):
                raise Failure(f"{child.command}: proof {record['proof']} is not the one that the first process gave")
            yield record
        if not ended:
            child.finish()
            raise Failure(f"{child.command}: it ended without its last line")

    def _result(self, child: Child, prover: Prover, proofs: list) -> dict:
        """For a row: what was loaded is what /proc said of this very process."""
        return {
            "loaded": " + ".join(child.allocators) or "glibc",
            "command": child.command,
            "seconds": child.seconds(),
            "digest": self.digests.get(prover.name, ""),
            "proofs": proofs,
        }


@contextmanager
def ended_after(child: Child, seconds: float):
    """A process that hangs ends too, and is a failure."""
    timer = threading.Timer(seconds, child.process.kill)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
