"""System calls about memory, counted by strace for each proof of a process."""

import re
import time
from dataclasses import dataclass

from trouble import Failure

MEMORY_CALLS = ("mmap", "munmap", "madvise", "mremap", "brk")
# A prover says every proof with one write: what lies between two of them belongs to the later one.
MARK = "write"
STARTS_A_CALL = re.compile(r"^\d+\s+(\w+)\(")
MARKS_A_PROOF = re.compile(r'write\(1, "\{\\"event\\":\\"proof\\"')
END_SECONDS = 10


@dataclass(frozen=True)
class Trace:
    path: str

    def around(self, argv: list, environment: dict) -> tuple:
        """What is measured keeps the process id that is started; strace itself gets no allocator preloaded."""
        settings = {name: value for name, value in environment.items() if name == "LD_PRELOAD"}
        options = ["-D", "-f", "-q", "--seccomp-bpf", "-s", "20", "-o", self.path]
        options += ["-e", f"trace={','.join([*MEMORY_CALLS, MARK])}"]
        options += [word for name, value in settings.items() for word in ("-E", f"{name}={value}")]
        kept = {name: value for name, value in environment.items() if name not in settings}
        return ["strace", *options, *argv], kept

    def calls_of_proofs(self, pid: int) -> list:
        """How many calls each proof made. To be asked when the process has ended."""
        return count_by_proof(self._whole(pid).splitlines())

    def _whole(self, pid: int) -> str:
        """strace runs on its own, and may still be writing."""
        end = re.compile(rf"^{pid}\s+\+\+\+ ", re.MULTILINE)
        until = time.monotonic() + END_SECONDS
        while time.monotonic() < until:
            with open(self.path) as file:
                text = file.read()
            if end.search(text):
                return text
            time.sleep(0.05)
        raise Failure(f"strace: its output does not say that process {pid} has ended")


def count_by_proof(lines: list) -> list:
    """Of each proof, in order. A call that another thread's call splits in two lines is counted once."""
    counts, calls = [], 0
    for line in lines:
        start = STARTS_A_CALL.match(line)
        if not start:
            continue
        if MARKS_A_PROOF.search(line):
            counts.append(calls)
            calls = 0
        elif start.group(1) in MEMORY_CALLS:
            calls += 1
    return counts
