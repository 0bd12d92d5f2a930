"""The order of events: for each prover one proof to see what it needs, then all allocators forth and back, then each
once more with its system calls counted."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from statistics import median

from arm import GLIBC
from figures import of_runs, spread
from measure import COUNTED, TIMED, TRIAL, Runner
from progress import Progress
from provers import Prover
from store import Store
from trouble import Failure


def order(arms: list, rounds: int) -> list:
    """Forth and back: a machine that slowly warms up or gets busier costs all the same. Place and arm of each process;
    an arm's places are 0, 1, 2..."""
    turns = [turn for _ in range(rounds) for turn in (arms, arms[::-1])]
    return [(place, arm) for place, turn in enumerate(turns) for arm in turn]


class Campaign:
    def __init__(self, runner: Runner, store: Store, pairs: set):
        self.runner, self.store, self.pairs = runner, store, pairs
        self.failures = {}  # prover and allocator: why
        self.sitting = f"{time.strftime('%Y-%m-%d %H:%M:%S')}, process {os.getpid()}"

    def chosen(self, prover: Prover, arms: list) -> list:
        return [arm for arm in arms if (prover.name, arm.name) in self.pairs]

    def count(self, provers: list, arms: list) -> int:
        each = 2 * self.runner.size.rounds + 1
        return sum(1 + each * len(self.chosen(prover, arms)) for prover in provers)

    def measure(self, prover: Prover, arms: list, progress: Progress):
        arms = self.chosen(prover, arms)
        trial = self._one(TRIAL, prover, GLIBC, 0, None, progress)
        if trial is None:
            raise Failure(f"{prover.name} fails under glibc: {self.failures[prover.name, GLIBC.name]}")
        if trial["digest"]:
            self.runner.digests.setdefault(prover.name, trial["digest"])
        if not self._is_of_one_sitting(prover, arms):
            self.store.forget(TIMED, prover.name)
        for place, arm in order(arms, self.runner.size.rounds):
            self._one(TIMED, prover, arm, place, trial, progress)
        # These are not timed, and most of their time they idle.
        with ThreadPoolExecutor(self.runner.size.counted_at_once) as pool:
            runs = [pool.submit(self._one, COUNTED, prover, arm, 0, trial, progress) for arm in arms]
            try:
                for run in runs:
                    run.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _is_of_one_sitting(self, prover: Prover, arms: list) -> bool:
        """Whether an earlier run has timed all of this prover's processes in turn. Times of different hours are not
        comparable: what a shared machine gives differs by a fifth from one to the next."""
        sittings = set()
        for arm in arms:
            same = self.runner.same(TIMED, prover, arm)
            for place in range(2 * self.runner.size.rounds):
                record = self.store.get(TIMED, prover.name, arm.name, place, same, failed_too=True)
                sittings.add(record.get("sitting") if record else None)
                if record and "failed" in record:
                    break  # it was not tried again
        return len(sittings) == 1 and None not in sittings

    def _one(self, kind: str, prover: Prover, arm, place: int, trial: dict | None, progress: Progress) -> dict | None:
        """From an earlier run, or run now. After a failure this prover is not tried under this allocator again."""
        if (prover.name, arm.name) in self.failures:
            progress.skip()
            return None
        same = self.runner.same(kind, prover, arm)
        record = self.store.get(kind, prover.name, arm.name, place, same, failed_too=kind == TIMED)
        if record:
            progress.skip()
        else:
            progress.doing(f"{prover.name} {arm.name} {kind}")
            record = self.runner.run(kind, prover, arm, place, trial) | {"sitting": self.sitting}
            self.store.add(record)
            progress.step()
        if "failed" in record:
            self.failures[prover.name, arm.name] = record["failed"]
            again = "" if record["sitting"] == self.sitting else " (in an earlier run; --fresh tries again)"
            progress.say(f"{prover.name} under {arm.name}: {record['failed']}{again}")
            return None
        return record

    def _records(self, kind: str, prover: Prover, arm) -> list:
        same = self.runner.same(kind, prover, arm)
        places = range(2 * self.runner.size.rounds) if kind == TIMED else [0]
        found = (self.store.get(kind, prover.name, arm.name, place, same) for place in places)
        return [record for record in found if record]

    def report(self, provers: list, arms: list, versions: dict) -> dict:
        figures, conditions, loaded, commands, loads, spreads = {}, {}, {}, {}, [], []
        for prover in provers:
            figures[prover.name] = {}
            for arm in self.chosen(prover, arms):
                if (prover.name, arm.name) in self.failures:
                    continue
                timed, counted = self._records(TIMED, prover, arm), self._records(COUNTED, prover, arm)
                figures[prover.name][arm.name] = of_runs(timed, counted)
                spreads.append(spread(timed))
                conditions.setdefault(prover.name, {})[arm.name] = [
                    {name: record[name] for name in ("kind", "at", "loaded", "machine")} for record in timed + counted
                ]
                for record in timed:
                    loads.append(record["machine"]["load_before"])
                    loaded.setdefault(arm.name, set()).add(record["loaded"])
                    if not arm.library and not arm.settings:
                        commands[prover.name] = record["command"]
        size = self.runner.size
        return {
            "quick": size.quick,
            "processes": 2 * size.rounds,
            "proofs": size.proofs,
            "threads": size.threads,
            "idle_seconds": size.idle_seconds,
            "spread": median([share for share in spreads if share is not None] or [0.0]),
            "loads": [min(loads, default=0.0), max(loads, default=0.0)],
            "peers": [arm.name for arm in arms if arm.side == "peer"],
            "commands": commands,
            "arms": [
                {
                    "name": arm.name,
                    "version": versions[arm.name],
                    "loaded": ", ".join(sorted(loaded.get(arm.name, {"-"}))),
                    "library_sha256": self.runner.sum(arm.library) if arm.library else "",
                    "prefix": (arm.as_typed() + ("(--phase)" if arm.phase else "")).strip(),
                }
                for arm in arms
            ],
            "figures": figures,
            "conditions": conditions,
            "left_out": [f"{prover} under {arm}: {why}" for (prover, arm), why in self.failures.items()],
            "failed_ours": any(arm.startswith("libzkalloc") for _, arm in self.failures),
        }
