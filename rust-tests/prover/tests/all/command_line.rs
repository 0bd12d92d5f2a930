//! The command line.

use clap::{Parser, ValueEnum};
use prover::cli::{AirName, Options};
use std::process::Command;

#[test]
fn a_bad_option_is_one_line() {
    for arguments in [
        &["--air", "sha1"][..],
        &["--rows-log2", "99"],
        &["--rows-log2", "17,,16"],
        &["--iterations", "0"],
        &["--tracing=loud"],
        &["extra"],
        &["--threads"],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_prover")).args(arguments).output().unwrap();
        let line = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), line.lines().count()), (Some(2), 1), "{line}");
        assert!(line.starts_with("prover: error: ") && !line.contains("Usage"), "{line}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn the_last_height_goes_on() {
    let heights = |arguments: &[&str]| {
        let options = Options::try_parse_from(arguments).unwrap();
        [1, 2, 3].map(|number| options.run.rows_log2(number, 17))
    };
    assert_eq!(heights(&["prover"]), [17; 3]);
    assert_eq!(heights(&["prover", "--rows-log2", "12"]), [12; 3]);
    assert_eq!(heights(&["prover", "--rows-log2", "18,15"]), [18, 15, 15]);
}

#[test]
fn each_name_is_the_option_value() {
    for air in AirName::value_variants() {
        assert_eq!(air.to_possible_value().unwrap().get_name(), air.option_value());
        assert_eq!(serde_json::to_value(air).unwrap(), air.option_value());
    }
}
