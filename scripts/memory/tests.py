"""Unit tests of what turns measurements into tables. Run by scripts/test."""

import os
import sys
import tempfile
import unittest
from types import SimpleNamespace

sys.path.append(os.path.join(os.path.dirname(os.path.realpath(__file__)), os.pardir, "figures"))

import readme  # noqa: E402
import report  # noqa: E402
from arm import GLIBC, Arm, sets_an_allocator, zkalloc  # noqa: E402
from bench import prover_arguments  # noqa: E402
from cgroup import below  # noqa: E402
from child import Child, Sample  # noqa: E402
from main import options, with_published  # noqa: E402
from row import Row, against_glibc  # noqa: E402
from text import number, share, write  # noqa: E402
from timeline import curve  # noqa: E402
from trouble import Failure  # noqa: E402

# Prints, touches 64 MiB, and stays until it is told to end.
TOUCHES = "print('here', flush=True); held = b'x' * (64 << 20); print('touched', flush=True); input()"


class Rows(unittest.TestCase):
    def test_a_bound_decides(self):
        self.assertEqual(against_glibc("", "MiB", 100, 105, 1.05).verdict(), "yes")
        self.assertEqual(against_glibc("", "MiB", 100, 106, 1.05).verdict(), "no")
        self.assertEqual(against_glibc("", "MiB", 100, 106).verdict(), "-")
        self.assertEqual(Row("", "", None, None, why_not="not possible here: x").verdict(), "not possible here: x")

    def test_numbers_are_for_people(self):
        self.assertEqual([number(value) for value in (352264.0, 99.94, 3, 0, None)], ["352,264", "99.9", "3", "0", "-"])
        self.assertEqual([share(value) for value in (1.034, 0.0017, 0.0, None)], ["1.03", "0.0017", "0.00", "-"])


class Report(unittest.TestCase):
    def test_only_what_is_between_the_marks_changes(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "README.md")
            write(path, "a\n<!-- x:begin -->\nold\n<!-- x:end -->\nz\n")
            readme.replace("x", "new", path)
            with open(path) as file:
                self.assertEqual(file.read(), "a\n<!-- x:begin -->\nnew\n<!-- x:end -->\nz\n")
            with self.assertRaisesRegex(ValueError, "no line <!-- y:begin -->"):
                readme.replace("y", "new", path)

    def test_what_is_not_measured_again_stays_and_says_so(self):
        def experiment(title):
            return {"title": title, "seconds": 1, "loaded": {}, "commands": [], "rows": []}

        with tempfile.TemporaryDirectory() as directory:
            published = {"library_sha256": "old", "experiments": {"b": experiment("b"), "a": experiment("a")}}
            write(os.path.join(directory, "memory.json"), report.as_json(published))
            experiments = with_published({"c": experiment("c"), "b": experiment("new b")}, directory)
            self.assertEqual(list(experiments), list("abcdefgh"))
            self.assertEqual(experiments["b"]["title"], "new b")
            whole = {"library_sha256": "new", "experiments": experiments}
            said = [bool(report.on_earlier_build(whole, one)) for one in experiments.values()]
            self.assertEqual(said, [True] + 7 * [False])
            self.assertEqual(experiments["d"]["rows"][0]["verdict"], "not measured yet")
            self.assertEqual(with_published(experiments, directory + "/none"), experiments)

    def test_the_worst_proof_stands_for_all(self):
        rows = [against_glibc(name, "MiB", 100, value, 1.05).as_json() for name, value in (("x", 90), ("y", 104))]
        self.assertEqual(report.worst(rows, "MiB")["measured"], 1.04)


class Arms(unittest.TestCase):
    def test_what_the_user_has_set_counts_for_no_side(self):
        for name in ("LD_PRELOAD", "GLIBC_TUNABLES", "MALLOC_CONF", "ZK_ALLOC_MODE"):
            self.assertTrue(sets_an_allocator(name))
        self.assertFalse(sets_an_allocator("PATH"))

    def test_the_right_allocator_and_no_other(self):
        self.assertTrue(GLIBC.is_loaded([]))
        self.assertFalse(GLIBC.is_loaded(["libzkalloc.so"]))
        self.assertTrue(zkalloc("/x/libzkalloc.so").is_loaded(["libzkalloc.so"]))
        self.assertFalse(zkalloc("/x/libzkalloc.so").is_loaded([]))

    def test_commands_name_no_path(self):
        self.assertEqual(zkalloc("/x/libzkalloc.so").as_typed(), "LD_PRELOAD=libzkalloc.so ")


class Children(unittest.TestCase):
    def test_what_is_touched_is_seen(self):
        with Child(GLIBC, [sys.executable, "-c", TOUCHES]) as child:
            lines = child.lines()
            self.assertEqual([next(lines), next(lines)], ["here", "touched"])
            self.assertGreater(child.rss_mib(), 64)
            self.assertGreater(child.minor_faults(), 100)
            child.tell("")
            child.finish()
            self.assertGreater(child.peak_mib(), 64)

    def test_a_process_that_fails_is_a_failure(self):
        with Child(GLIBC, [sys.executable, "-c", "print(1); raise SystemExit('out of luck')"]) as child:
            list(child.lines())
            with self.assertRaisesRegex(Failure, "status 1: out of luck"):
                child.finish()

    def test_a_process_without_the_library_is_a_failure(self):
        pretends = Arm("pretended", "/x/libzkalloc.so")
        with Child(pretends, [sys.executable, "-c", TOUCHES]) as child:
            with self.assertRaisesRegex(Failure, "has mapped glibc"):
                next(child.lines())

    def test_peaks_between_two_moments(self):
        child = SimpleNamespace(samples=[Sample(1, 10, 10), Sample(2, 50, 50), Sample(3, 20, 55)])
        self.assertEqual(Child.peak_mib(child), 55)
        self.assertEqual(Child.peak_mib(child, after=2.5), 20)


class Rest(unittest.TestCase):
    def test_curves_keep_the_most_of_each_tenth(self):
        samples = [Sample(0.01, 1, 1), Sample(0.05, 7, 7), Sample(0.11, 3, 7), Sample(9, 9, 9)]
        self.assertEqual(curve(samples, seconds=1), [[0.0, 7], [0.1, 3]])

    def test_the_group_of_a_container(self):
        self.assertEqual(below("/sys/fs/cgroup/memory", "/", "/a/b"), "/sys/fs/cgroup/memory/a/b")
        self.assertEqual(below("/sys/fs/cgroup/memory", "/a", "/a/b"), "/sys/fs/cgroup/memory/b")

    def test_the_command_line(self):
        self.assertEqual(options(["--only", "a,c"]).letters, ["a", "c"])
        for bad in (["--only", "z"], ["--quick", "--docs"], ["more"]):
            with self.assertRaises(SystemExit) as exit_:
                options(bad)
            self.assertEqual(exit_.exception.code, 2)

    def test_arguments_of_the_prover(self):
        arguments = prover_arguments("keccak", [17, 15], 3, phase=True, sleep_ms=5)
        self.assertEqual(arguments[5:], ["17,15", "--iterations", 3, "--phase", "--sleep-ms", 5])


if __name__ == "__main__":
    done = unittest.main(exit=False).result
    if not done.wasSuccessful():
        sys.exit(1)
    # As cargo says it: scripts/test adds them up.
    print(f"test result: ok. {done.testsRun} passed; 0 failed; {len(done.skipped)} ignored;")
