"""Unit tests of the small benchmarks' tables. Run by scripts/test."""

import os
import sys
import tempfile
import unittest

sys.path.append(os.path.join(os.path.dirname(os.path.realpath(__file__)), os.pardir, "figures"))

import build  # noqa: E402
import report  # noqa: E402
from arm import GLIBC, Arm  # noqa: E402
from benches import BENCHES, each, nanoseconds  # noqa: E402
from trouble import Failure  # noqa: E402
from main import ALLOCATORS, compared, means, measured, options, with_protections  # noqa: E402


class Figures(unittest.TestCase):
    def test_what_programs_print(self):
        self.assertEqual(nanoseconds("12.5\n"), 12.5)
        self.assertEqual(nanoseconds("test vec ... bench:       1,234 ns/iter (+/- 56)\n"), 1234)
        for bad in ("", "nothing", "0\n", "-3\n", "1\ntest vec ... bench: none\n"):
            with self.assertRaises(ValueError):
                nanoseconds(bad)

    def test_ratios_to_glibc_and_to_the_best_peer(self):
        figures = compared({"glibc": 10.0, "a": 5.0, "libzkalloc": 4.0}, ["glibc", "a"])
        self.assertEqual(figures["libzkalloc"], {"ns": 4.0, "to_glibc": 0.4, "to_best_peer": 0.8})

    def test_means_over_programs(self):
        runs = {"a": {"glibc": {"to_glibc": 1.0}, "libzkalloc": {"to_glibc": 0.5}},
                "b": {"glibc": {"to_glibc": 1.0}, "libzkalloc": {"to_glibc": 0.125}}}
        shown = [line.split()[-3:] for line in means(runs).splitlines()]
        self.assertEqual(shown, [["glibc", "x1.000", "glibc"], ["libzkalloc", "x0.250", "glibc"]])

    def test_forth_and_back_and_the_median(self):
        ran = []

        class Counted:
            name, touch_mib = "counted", 0

            def command(self, run):
                ran.append(run)
                return [sys.executable, "-c", f"print({len(ran)})"]

        figures = measured(Counted(), "x", [GLIBC, Arm("other")], 3)
        self.assertEqual(figures, {"glibc": 4, "other": 3})  # 1, 4, 5 and 2, 3, 6


class Page(unittest.TestCase):
    @staticmethod
    def result(*runs: str, ours: float = 50.0) -> dict:
        figures = {"glibc": 200.0, "a": 100.0, "libzkalloc": ours, "libzkalloc-wipe": 80.0}
        on = {"kernel": "6", "cpu": "x", "cores": 2, "memory_gib": 24, "thp": "madvise", "load_before": 0.0}
        return {"machine": on, "rounds": 2, "quick": False, "library_sha256": "f" * 64, "versions": {"glibc": "2.36"},
                "left_out": {"b": "no compiler"}, "runs": {run: compared(figures, ["glibc", "a"]) for run in runs}}

    def test_what_is_wanted_counts_the_threads_that_it_is_wanted_of(self):
        rows = report.wanted({"medium": self.result("1 own", "2 own", "8 own", "2 hand"), "buffers": self.result("1", ours=120)})
        self.assertEqual(rows, [
            ["medium own, from 2 threads on", "2", "0.50", "0.50", "2 of them"],
            ["medium hand, from 2 threads on", "1", "0.50", "0.50", "1 of them"],
            ["buffers, from 1 threads on", "1", "1.20", "1.20", "0 of them"],
        ])

    def test_the_best_peer_is_none_of_ours(self):
        arms = self.result("2 own")["runs"]["2 own"]
        self.assertEqual(report.line("2 own", arms), ["2 own", "200", "a", "100", "50", "0.25", "0.50"])

    def test_what_was_not_measured_stays(self):
        with tempfile.TemporaryDirectory() as directory:
            self.assertEqual(report.published(directory), {})
            report.publish({"medium": self.result("2 own")}, directory)
            page = report.publish(report.published(directory) | {"small": self.result("")}, directory)
            with open(page) as file:
                text = file.read()
            for bad in ("{", "[]", '{"medium": {}}'):
                with open(os.path.join(directory, "micro.json"), "w") as file:
                    file.write(bad)
                with self.assertRaisesRegex(Failure, "micro.json: not what"):
                    report.published(directory)
        self.assertIn("Left out: b: no compiler.", text)
        self.assertLess(text.index("## small"), text.index("## medium"))
        self.assertIn("| 2 own, libzkalloc-wipe |", text)


class Table(unittest.TestCase):
    def test_all_combinations(self):
        self.assertEqual(each([1, 2], ["own", "hand"]), ("1 own", "1 hand", "2 own", "2 hand"))

    def test_every_program_is_there(self):
        for bench in BENCHES:
            source = f"scripts/micro/{bench.name}.c" if bench.name != "rust" else "rust-tests/micro/benches/containers.rs"
            self.assertTrue(os.path.exists(os.path.join(build.ROOT, source)), source)
            self.assertTrue(set(bench.quick) <= set(bench.runs), bench.name)

    def test_rust_names_are_those_of_the_benchmarks(self):
        with open(os.path.join(build.ROOT, "rust-tests/micro/benches/containers.rs")) as file:
            source = file.read()
        rust = next(bench for bench in BENCHES if bench.name == "rust")
        self.assertEqual([run for run in rust.runs if f'"{run}"' not in source], [])
        self.assertEqual(source.count("bench_function("), len(rust.runs))

    def test_protections_are_arms_of_ours(self):
        freed = next(bench for bench in BENCHES if bench.protections)
        arms = with_protections(freed, [GLIBC, Arm("libzkalloc", "/x.so", side="ours")])
        self.assertEqual([arm.name for arm in arms], ["glibc", "libzkalloc", "libzkalloc-wipe", "libzkalloc-poison"])
        self.assertEqual(arms[2].settings, {"ZK_ALLOC_WIPE": "1"})

    def test_the_command_line(self):
        self.assertEqual([bench.name for bench in options(["grow"]).benches], ["grow"])
        self.assertEqual(options([]).benches, BENCHES)
        names = [contender.name for contender in options(["small", "--only", "libz*"]).contenders]
        self.assertEqual(names, ["glibc", "libzkalloc"])
        self.assertFalse(any(contender.phase for contender in ALLOCATORS))
        for bad in (["--only", "x"], ["--rounds", "0"], ["small", "large"], ["--quickly"], ["--docs", "--quick"]):
            with self.assertRaises(SystemExit) as exit_:
                options(bad)
            self.assertEqual(exit_.exception.code, 2)


if __name__ == "__main__":
    done = unittest.main(exit=False).result
    if not done.wasSuccessful():
        sys.exit(1)
    # As cargo says it: scripts/test adds them up.
    print(f"test result: ok. {done.testsRun} passed; 0 failed; {len(done.skipped)} ignored;")
