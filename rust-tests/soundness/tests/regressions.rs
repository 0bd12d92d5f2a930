//! Every program under the library (clean), at every threshold (clean), and under the build whose protection is off
//! (must fail: that proves that the program would notice).

use soundness::program::WITHOUT_LIBRARY;
use soundness::prover::{self, Failure, Task};
use soundness::runner::{self, Verdict};
use std::path::Path;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);
const THRESHOLDS: [&str; 8] = ["0", "64", "128", "512", "1024", "2048", "4096", "65536"];

struct Program {
    path: &'static str,
    arguments: &'static [&'static str],
}

impl Program {
    fn run(&self, library: Option<&Path>, environment: &[(&str, &str)], arguments: &[&str]) -> Verdict {
        let mut command = runner::command(self.path, library);
        command.args(self.arguments).args(arguments).envs(environment.iter().copied());
        runner::run(&mut command, LIMIT).verdict()
    }

    fn is_sound_by_itself(&self) {
        assert_eq!(self.run(None, &[], &[WITHOUT_LIBRARY]), Verdict::Clean);
    }

    fn notices_a_missing_library(&self) {
        let missing = Verdict::NotEngaged("not engaged: libzkalloc is not loaded".to_owned());
        assert_eq!(self.run(None, &[], &[]), missing);
    }

    fn notices_an_idle_library(&self) {
        let verdict = self.run(Some(&runner::library()), &[("ZK_ALLOC_MODE", "off")], &[]);
        assert!(matches!(verdict, Verdict::NotEngaged(_)), "{verdict:?}");
    }

    fn is_clean(&self) {
        assert_eq!(self.run(Some(&runner::library()), &[], &[]), Verdict::Clean);
    }

    fn is_clean_at_every_threshold(&self) {
        let library = runner::library();
        for threshold in THRESHOLDS {
            let verdict = self.run(Some(&library), &[("ZK_ALLOC_MIN_BYTES", threshold)], &[]);
            assert_eq!(verdict, Verdict::Clean, "ZK_ALLOC_MIN_BYTES={threshold}");
        }
    }

    /// With only the biggest survivors in the arena, and nothing of the libraries that the program uses, it lives to
    /// report them.
    fn reports_corruption_without_protection(&self) {
        let verdict = self.run(Some(&runner::broken_library()), &[("ZK_ALLOC_MIN_BYTES", "65536")], &[]);
        assert!(matches!(verdict, Verdict::Corruption(_)), "{verdict:?}");
    }

    /// With more in the arena those libraries may crash or hang before the program can report anything.
    fn fails_without_protection(&self) {
        let library = runner::broken_library();
        for threshold in ["0", "4096"] {
            let verdict = self.run(Some(&library), &[("ZK_ALLOC_MIN_BYTES", threshold)], &[]);
            let failed = matches!(verdict, Verdict::Corruption(_) | Verdict::Crash(_));
            assert!(failed, "ZK_ALLOC_MIN_BYTES={threshold}: {verdict:?}");
        }
    }
}

/// A module of the same tests for each program.
macro_rules! regressions {
    ($($name:ident: $path:expr, $arguments:expr;)*) => {
        $(mod $name {
            const PROGRAM: super::Program = super::Program { path: $path, arguments: $arguments };

            regressions!(@tests
                is_sound_by_itself
                notices_a_missing_library
                notices_an_idle_library
                is_clean
                is_clean_at_every_threshold
                reports_corruption_without_protection
                fails_without_protection
            );
        })*
    };
    (@tests $($test:ident)*) => {
        $(#[test]
        fn $test() {
            PROGRAM.$test();
        })*
    };
}

regressions! {
    rayon: env!("CARGO_BIN_EXE_rayon"), &[];
    size_routing_stress: env!("CARGO_BIN_EXE_size_routing_stress"), &[];
    phase_guard: env!("CARGO_BIN_EXE_phase_guard"), &[];
    crossbeam_epoch: env!("CARGO_BIN_EXE_crossbeam_epoch"), &[];
    panic_phase: env!("CARGO_BIN_EXE_panic_phase"), &[];
    spans_512: env!("CARGO_BIN_EXE_spans"), &["512"];
    spans_2000: env!("CARGO_BIN_EXE_spans"), &["2000"];
}

const TRACED: Task = Task::air("poseidon2-koalabear", 10, 3);

#[test]
fn the_traced_prover_is_clean_at_every_threshold() {
    let expected = prover::reference(TRACED);
    let library = runner::library();
    for threshold in THRESHOLDS {
        let digests = prover::under(&library, &[("ZK_ALLOC_MIN_BYTES", threshold)], TRACED);
        assert_eq!(digests.as_ref(), Ok(&expected), "ZK_ALLOC_MIN_BYTES={threshold}");
    }
}

/// At the default threshold this prover has too few spans for the slab's second page, and only there would it fail.
#[test]
fn the_traced_prover_fails_without_protection() {
    let expected = prover::reference(TRACED);
    match prover::under(&runner::broken_library(), &[("ZK_ALLOC_MIN_BYTES", "0")], TRACED) {
        Ok(digests) => assert_ne!(digests, expected),
        Err(failure) => assert!(matches!(failure, Failure::Proving(_)), "{failure:?}"),
    }
}
