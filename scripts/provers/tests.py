"""Unit tests of what turns measurements into tables, and of going on after an interruption. Run by scripts/test."""

import json
import os
import sys
import tempfile
import unittest
from contextlib import contextmanager
from types import SimpleNamespace

sys.path.append(os.path.join(os.path.dirname(os.path.realpath(__file__)), os.pardir, "figures"))

import figures  # noqa: E402
import report  # noqa: E402
import tracing  # noqa: E402
import wanted  # noqa: E402
from allocators import CONTENDERS, SERVED, checked, matching  # noqa: E402
from arm import GLIBC, Arm  # noqa: E402
from campaign import Campaign, order  # noqa: E402
from child import Child  # noqa: E402
from main import options, pairs  # noqa: E402
from measure import TIMED, TRIAL, ended_after  # noqa: E402
from provers import PROVERS, Prover  # noqa: E402
from store import Store  # noqa: E402
from trouble import Failure  # noqa: E402


def proof(number: int, user_ms: float, system_ms=0.0, peak_mib=100.0) -> dict:
    return {"proof": number, "wall_ms": user_ms / 2, "user_ms": user_ms, "system_ms": system_ms, "minor_faults": 7,
            "peak_rss_mib": peak_mib}


def values(cpu_ms: float, system_ms: float, peak_mib=100.0) -> dict:
    """Figures of one prover under one allocator."""
    run = {"proofs": [proof(number, cpu_ms - system_ms, system_ms, peak_mib) for number in (1, 2, 3)]}
    return figures.of_runs([run], [])


class Figures(unittest.TestCase):
    def test_cold_is_the_first_proof_and_warm_from_the_third_on(self):
        runs = [{"proofs": [proof(1, 90), proof(2, 1000), proof(3, 10, 2), proof(4, 20, 2)]},
                {"proofs": [proof(1, 110), proof(2, 1000), proof(3, 30, 2), proof(4, 40, 2, 300)]}]
        found = figures.of_runs(runs, [{"calls": [500, 400, 4, 8], "idle_rss_mib": 12.0}])
        self.assertEqual(found["cold_cpu_ms"], 100)
        self.assertEqual(found["warm_user_ms"], 25)
        self.assertEqual(found["warm_cpu_ms"], 27)
        self.assertEqual(found["peak_rss_mib"], 200)
        self.assertEqual((found["warm_calls"], found["idle_rss_mib"]), (6, 12.0))

    def test_how_much_processes_of_a_row_differ(self):
        runs = [{"proofs": [proof(1, 500), proof(2, 500), proof(3, warm)]} for warm in (90, 110)]
        self.assertAlmostEqual(figures.spread(runs), 0.2)
        self.assertIsNone(figures.spread(runs[:1]))
        self.assertIsNone(figures.spread([{"proofs": [proof(1, 500)]}] * 2))

    def test_what_was_not_measured_is_no_figure(self):
        self.assertEqual(figures.of_runs([], []), {})
        self.assertNotIn("warm_calls", values(100, 10))

    def test_ratios_to_glibc_and_to_the_best_peer(self):
        measured = {"glibc": values(200, 20), "a": values(100, 1), "b": values(80, 1), "libzkalloc": values(60, 1)}
        compared = figures.ratios(measured, ["glibc", "a", "b"])["libzkalloc"]["warm_cpu_ms"]
        self.assertEqual(compared, {"to_glibc": 0.3, "to_best_peer": 0.75})  # it is no peer of itself
        self.assertIsNone(figures.ratio(5, 0))
        self.assertIsNone(figures.ratio(None, 5))

    def test_means_leave_out_provers_without_system_time(self):
        gaining = {"glibc": values(100, 6), "libzkalloc": values(50, 0)}
        other = {"glibc": values(100, 8), "libzkalloc": values(200, 0)}
        without = {"glibc": values(100, 5), "libzkalloc": values(1, 0)}
        mean = figures.means({"x": gaining, "y": other, "z": without}, ["glibc"])["libzkalloc"]["warm_cpu_ms"]
        self.assertAlmostEqual(mean["to_glibc"], 1.0)
        del other["libzkalloc"]
        mean = figures.means({"x": gaining, "y": other}, ["glibc"])["libzkalloc"]["warm_cpu_ms"]
        self.assertIsNone(mean["to_glibc"])  # a mean of the rest would flatter

    def test_geometric_means(self):
        self.assertAlmostEqual(figures.geometric_mean([0.5, 2.0]), 1.0)
        self.assertIsNone(figures.geometric_mean([]))
        self.assertIsNone(figures.geometric_mean([1.0, None]))


class Tables(unittest.TestCase):
    measured = {"glibc": values(200, 20), "a": values(100, 1, 250), "libzkalloc": values(90, 0, 110)}

    def test_a_row_has_both_ratios(self):
        table = report.prover_table(self.measured, ["glibc", "a"], ["warm_cpu_ms", "peak_rss_mib"])
        self.assertIn("| libzkalloc | 90 (0.45, 0.90) | 110 (1.10, 1.10) |", table)

    def test_wishes_are_met_or_not(self):
        cells = {wish.what: wish.cells() for wish in wanted.wishes({"x": self.measured}, ["glibc", "a"])}
        self.assertEqual(cells["warm CPU, x best peer, mean"][1:], ["0.9", "at most 0.96", "yes"])
        self.assertEqual(cells["peak RSS, x glibc, worst prover"][1:], ["1.1", "at most 1.05", "no"])
        without = wanted.wishes({"x": self.measured}, ["glibc"], huge_pages=False)
        self.assertEqual({wish.at_most for wish in without if wish.what.startswith("cold")}, {0.95})
        self.assertEqual(cells["memory calls of a warm proof, worst prover"][3], "not measured")
        self.assertEqual(wanted.Wish("", 0, 1047.0).cells()[1], "1,047")

    def test_the_best_peer_of_the_mean_is_one_for_all_provers(self):
        by_prover = {"x": {"glibc": values(200, 20), "a": values(80, 1), "b": values(100, 1), "libzkalloc": values(90, 0)},
                     "y": {"glibc": values(200, 20), "a": values(100, 1), "b": values(160, 1), "libzkalloc": values(90, 0)}}
        self.assertAlmostEqual(wanted.to_best_in_mean(by_prover, ["glibc", "a", "b"]), (90 * 90 / 80 / 100) ** 0.5)
        self.assertIsNone(wanted.to_best_in_mean(by_prover, ["c"]))

    def test_the_json_has_every_ratio(self):
        whole = json.loads(report.as_json({"figures": {"x": self.measured}, "peers": ["glibc", "a"]}))
        self.assertEqual(whole["provers"]["x"]["ratios"]["libzkalloc"]["warm_cpu_ms"]["to_best_peer"], 0.9)
        self.assertTrue(whole["provers"]["x"]["counts_for_means"])
        self.assertEqual(whole["means"]["a"]["warm_cpu_ms"]["to_glibc"], 0.5)


@contextmanager
def opened(path: str):
    store = Store(path)
    try:
        yield store
    finally:
        store.close()


class Results(unittest.TestCase):
    record = {"kind": TIMED, "prover": "x", "allocator": "glibc", "place": 0, "same": {"library": "1"}, "proofs": []}

    def test_results_are_taken_up_again(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "new", "runs.jsonl")
            with opened(path) as store:
                store.add(self.record)
            with open(path, "a") as file:
                file.write('{"kind": "timed", "pro')  # the power went
            with opened(path) as store:
                self.assertEqual(store.get(TIMED, "x", "glibc", 0, {"library": "1"}), self.record)
                self.assertIsNone(store.get(TIMED, "x", "glibc", 0, {"library": "2"}))
                self.assertIsNone(store.get(TIMED, "x", "glibc", 1, {"library": "1"}))
                store.add(self.record | {"place": 1})
            with opened(path) as store:
                self.assertIsNotNone(store.get(TIMED, "x", "glibc", 1, {"library": "1"}))

    def test_what_is_discarded_is_gone_and_the_rest_stays(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "runs.jsonl")
            with opened(path) as store:
                store.discard({("x", "glibc")})  # nothing was measured yet
                store.add(self.record)
                store.add(self.record | {"prover": "y"})
                store.discard({("x", "glibc"), ("y", "jemalloc")})
            with opened(path) as store:
                self.assertIsNone(store.get(TIMED, "x", "glibc", 0, {"library": "1"}))
                self.assertIsNotNone(store.get(TIMED, "y", "glibc", 0, {"library": "1"}))

    def test_a_failure_is_found_where_it_is_asked_for(self):
        with tempfile.TemporaryDirectory() as directory, opened(os.path.join(directory, "runs.jsonl")) as store:
            store.add(self.record | {"failed": "out of luck"})
            self.assertIsNone(store.get(TIMED, "x", "glibc", 0, {"library": "1"}))
            self.assertIsNotNone(store.get(TIMED, "x", "glibc", 0, {"library": "1"}, failed_too=True))

    def test_two_at_once_would_mix_their_results(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "runs.jsonl")
            with opened(path):
                with self.assertRaisesRegex(Failure, "another run"):
                    Store(path)
            with opened(path):
                pass


class Pretending:
    """A runner that runs nothing, and fails under one allocator."""

    size = SimpleNamespace(quick=True, rounds=2, proofs=3, threads=1, idle_seconds=0, counted_at_once=2)

    def __init__(self):
        self.ran, self.digests = [], {}

    def same(self, kind, prover, arm):
        return {"kind": kind}

    def sum(self, path):
        return f"sum of {path}"

    def run(self, kind, prover, arm, place, trial):
        self.ran.append((kind, arm.name, place))
        record = {"kind": kind, "prover": prover.name, "allocator": arm.name, "place": place,
                  "same": self.same(kind, prover, arm)}
        if arm.name == "bad":
            return record | {"failed": "out of luck"}
        return record | {"proofs": [proof(number, 10) for number in (1, 2, 3)], "digest": "d", "calls": [1, 2, 3],
                         "idle_rss_mib": 1.0, "loaded": "x.so", "command": "x", "at": "now", "seconds": 1.0,
                         "machine": {"load_before": 1.0}}


class Campaigns(unittest.TestCase):
    prover = Prover("x", "x", "", "")
    arms = [GLIBC, Arm("bad", "/bad.so"), Arm("libzkalloc", "/x.so", side="ours")]
    said = []
    quiet = SimpleNamespace(doing=lambda what: None, say=said.append, step=lambda: None, skip=lambda: None)

    def measure(self, path: str, arms: tuple = ("glibc", "bad", "libzkalloc")) -> tuple:
        runner = Pretending()
        with opened(path) as store:
            campaign = Campaign(runner, store, {("x", arm) for arm in arms})
            campaign.sitting = os.urandom(8).hex()
            campaign.measure(self.prover, self.arms, self.quiet)
            return runner.ran, campaign.report([self.prover], self.arms, {arm.name: "1" for arm in self.arms})

    def test_forth_and_back(self):
        self.assertEqual(order(["a", "b"], 2),
                         [(0, "a"), (0, "b"), (1, "b"), (1, "a"), (2, "a"), (2, "b"), (3, "b"), (3, "a")])

    def test_a_second_run_measures_nothing(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "runs.jsonl")
            first, told = self.measure(path)
            self.assertEqual(first[0], (TRIAL, "glibc", 0))
            self.assertEqual(len(first), 1 + 2 * 5 + 1)  # after its first failure "bad" is left alone
            again, told_again = self.measure(path)
            self.assertEqual(again, [])
            self.assertEqual(self.said[-1], "x under bad: out of luck (in an earlier run; --fresh tries again)")
            self.assertEqual(told, told_again)
            self.assertEqual(self.measure(path, ("glibc", "libzkalloc"))[0], [])

    def test_what_is_compared_was_timed_in_turn(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "runs.jsonl")
            self.measure(path, ("glibc",))
            later, _ = self.measure(path, ("glibc", "libzkalloc"))
            timed = [(arm, place) for kind, arm, place in later if kind == TIMED]
            self.assertEqual(timed, [(arm.name, place) for place, arm in order([GLIBC, self.arms[2]], 2)])
            self.assertEqual(self.measure(path, ("glibc", "libzkalloc"))[0], [])

    def test_no_row_without_its_allocator(self):
        with tempfile.TemporaryDirectory() as directory:
            _, told = self.measure(os.path.join(directory, "runs.jsonl"))
        self.assertEqual(list(told["figures"]["x"]), ["glibc", "libzkalloc"])
        self.assertEqual([each["loaded"] for each in told["conditions"]["x"]["glibc"]], ["x.so"] * 5)
        self.assertEqual(told["left_out"], ["x under bad: out of luck"])
        self.assertEqual(told["figures"]["x"]["glibc"]["warm_calls"], 3)
        self.assertIn("| bad | 1 | - | sum of /bad.so | LD_PRELOAD=bad.so |", report.arms_table(told))

    def test_the_readme_says_what_the_means_are_of(self):
        with tempfile.TemporaryDirectory() as directory:
            _, told = self.measure(os.path.join(directory, "runs.jsonl"))
        told["figures"]["y"] = {"glibc": values(200, 20), "libzkalloc": values(100, 1)}
        on = {"cores": 2, "cpu": "x", "memory_gib": 1, "kernel": "6", "thp": "madvise", "load_before": 0.0}
        text = report.headlines(told | {"machine": on}, "docs/x.svg")
        self.assertIn("means over y;", text)
        self.assertIn("| libzkalloc | 0.50, 0.50 |", text)
        self.assertIn("4 processes of 3 proofs", text)


class Allocators(unittest.TestCase):
    def test_each_function_must_be_the_allocators(self):
        arm = Arm("a", "/x/liba.so")
        self.assertEqual(checked(arm, ["liba.so"] * len(SERVED), "1"), "1")
        with self.assertRaisesRegex(Failure, "free is in libc.so.6, not in liba.so"):
            checked(arm, ["liba.so" if name != "free" else "libc.so.6" for name in SERVED], "1")
        with self.assertRaisesRegex(Failure, "it says: Invalid conf pair"):
            checked(arm, ["liba.so"] * len(SERVED), "1", complaint="Invalid conf pair")

    def test_a_library_that_is_not_mapped_gives_no_result(self):
        with Child(Arm("pretended", "/x/libjemalloc.so.2"), [sys.executable, "-c", "print(1); input()"]) as child:
            with self.assertRaisesRegex(Failure, "has mapped glibc, not pretended"):
                next(child.lines())

    def test_names_are_unique_and_all_sides_are_there(self):
        names = [contender.name for contender in CONTENDERS]
        self.assertEqual(len(names), len(set(names)))
        self.assertEqual({contender.side for contender in CONTENDERS}, {"peer", "ours", "ancestor"})
        self.assertEqual(matching(names, ["glibc", "lib*"]), ["glibc", "libzkalloc", "libzkalloc-phase"])
        ours = [contender for contender in CONTENDERS if contender.side == "ours"]
        self.assertTrue(all(not contender.settings for contender in ours))


class Hanging(unittest.TestCase):
    def test_a_process_that_hangs_is_a_failure(self):
        with Child(GLIBC, [sys.executable, "-c", "print(1, flush=True); input()"]) as child, ended_after(child, 0.3):
            list(child.lines())
            with self.assertRaisesRegex(Failure, "SIGKILL"):
                child.finish()


class Tracing(unittest.TestCase):
    MARK = 'write(1, "{\\"event\\":\\"proof\\",\\"pr"..., 300) = 300'

    def test_calls_belong_to_the_proof_that_ends_after_them(self):
        lines = ["7 mmap(NULL, 4096) = 0x7", "8 madvise(0x7, 4096, MADV_DONTNEED <unfinished ...>", "7 brk(NULL) = 0x1",
                 "8 <... madvise resumed>) = 0", "7 " + self.MARK, "7 write(2, \"x\", 1) = 1", "8 munmap(0x7, 1) = 0",
                 "9 +++ exited with 0 +++", "7 " + self.MARK, "7 " + self.MARK, "7 munmap(0x7, 1) = 0"]
        self.assertEqual(tracing.count_by_proof(lines), [3, 1, 0])

    def test_strace_gets_no_allocator(self):
        argv, environment = tracing.Trace("/t").around(["prover"], {"LD_PRELOAD": "/x.so", "MALLOC_CONF": "a:b"})
        self.assertEqual(environment, {"MALLOC_CONF": "a:b"})
        self.assertEqual(argv[-3:], ["-E", "LD_PRELOAD=/x.so", "prover"])


class CommandLine(unittest.TestCase):
    def test_patterns_name_pairs(self):
        all_allocators = [contender.name for contender in CONTENDERS]
        self.assertEqual(pairs("keccak/glibc,keccak/lib*"),
                         [("keccak", "glibc"), ("keccak", "libzkalloc"), ("keccak", "libzkalloc-phase")])
        self.assertEqual(pairs("keccak/"), [("keccak", name) for name in all_allocators])
        self.assertEqual(pairs("/glibc"), [(prover.name, "glibc") for prover in PROVERS])
        self.assertEqual(len(pairs(None)), len(PROVERS) * len(all_allocators))

    def test_a_bad_one_ends_with_status_2(self):
        for bad in (["--only", "keccak"], ["--only", "x/"], ["--rounds", "0"], ["--proofs", "2"], ["--quick", "--docs"],
                    ["more"], ["--threads", "many"]):
            with self.assertRaises(SystemExit) as exit_:
                options(bad)
            self.assertEqual(exit_.exception.code, 2)


if __name__ == "__main__":
    done = unittest.main(exit=False).result
    if not done.wasSuccessful():
        sys.exit(1)
    # As cargo says it: scripts/test adds them up.
    print(f"test result: ok. {done.testsRun} passed; 0 failed; {len(done.skipped)} ignored;")
