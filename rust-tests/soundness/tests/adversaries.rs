//! Every program of `adversary` at a length of seconds: without the library, under it in every setting (clean), and
//! under the build whose protection is off (must fail: that proves that the program would notice). `scripts/soundness`
//! runs them for longer.

use soundness::runner::{self, Verdict};
use soundness::trial::{Setting, Trial, CONTROL, CONTROL_LIMIT, SETTINGS};
use std::path::PathBuf;
use std::time::Duration;

/// Far beyond any run of these tests, on a busy machine too.
const LIMIT: Duration = Duration::from_secs(300);

struct Program {
    name: &'static str,
    length: [&'static str; 2],
    /// What it must have done, beside having used the arena.
    counts: &'static [&'static str],
}

impl Program {
    fn trial(&self, length: [&str; 2], limit: Duration) -> Trial<'_> {
        let executable = PathBuf::from(env!("CARGO_BIN_EXE_adversary"));
        Trial { executable, name: self.name, arguments: length.map(str::to_owned).to_vec(), limit }
    }

    fn short(&self) -> Trial<'_> {
        self.trial(self.length, LIMIT)
    }

    fn is_clean_and_the_same_as_without_the_library(&self) {
        let alone = self.short().alone().unwrap();
        let library = runner::library();
        for setting in &SETTINGS {
            let report = self.short().under(&library, setting).unwrap_or_else(|why| panic!("{}: {why}", setting.name));
            for count in self.counts.iter().chain(&["blocks of the arena"]) {
                assert!(report.count(count) > 0, "{}: no {count}: {report:?}", setting.name);
            }
            assert_eq!(report.digests, alone.digests, "{}", setting.name);
        }
    }

    fn notices_a_missing_library(&self) {
        let missing = Verdict::NotEngaged("not engaged: libzkalloc is not loaded".to_owned());
        assert_eq!(self.short().run(None, &[]).verdict(), missing);
    }

    fn notices_an_idle_library(&self) {
        let verdict = self.short().run(Some(&runner::library()), &[("ZK_ALLOC_MODE", "off")]).verdict();
        assert!(matches!(verdict, Verdict::NotEngaged(_)), "{verdict:?}");
    }

    fn fails_without_protection(&self) {
        let every_request = Setting { name: "without protection", environment: &[("ZK_ALLOC_MIN_BYTES", "0")] };
        let default = Setting { name: "without protection", environment: &[] };
        for setting in [CONTROL, default, every_request] {
            let trial = self.trial(["--minutes", "2"], CONTROL_LIMIT);
            let failed = trial.control(&runner::broken_library(), &setting);
            assert!(failed.is_ok(), "{:?}: {failed:?}", setting.environment);
        }
    }
}

/// A module of the same tests for each program.
macro_rules! adversaries {
    ($($name:ident: $length:expr, $counts:expr;)*) => {
        $(mod $name {
            const PROGRAM: super::Program = super::Program { name: stringify!($name), length: $length, counts: $counts };

            adversaries!(@tests
                is_clean_and_the_same_as_without_the_library
                notices_a_missing_library
                notices_an_idle_library
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

adversaries! {
    churn: ["--minutes", "0.05"], &["operations", "threads", "forks", "phases"];
    survivors: ["--count", "60"], &["blocks checked", "threads", "phases", "survivors in the arena"];
    recursion: ["--count", "20"], &["proofs", "phases"];
    two_provers: ["--count", "10"], &["proofs", "phases"];
    node: ["--minutes", "0.05"], &["buffers", "phases", "proofs", "transactions", "values read back"];
    proof_churn: ["--count", "40"], &["proofs", "phases", "MiB written beside them"];
}
