//! The command line.

use clap::{Parser, ValueEnum};
use provers::cli::{Options, SystemName};

#[test]
fn each_name_is_the_option_value_and_its_help_says_the_default() {
    for system in SystemName::value_variants() {
        let value = system.to_possible_value().unwrap();
        assert_eq!(value.get_name(), system.option_value());
        let help = value.get_help().unwrap().to_string();
        assert!(help.contains(&format!("; 2^{} ", system.default_rows_log2())), "{help}");
    }
}

#[test]
fn options_are_those_of_the_other_prover() {
    let options = Options::try_parse_from(["provers", "--system", "halo2", "--rows-log2", "9,8", "--phase"]).unwrap();
    assert!(options.run.phase);
    assert_eq!([1, 2, 3].map(|number| options.run.rows_log2(number, 13)), [9, 8, 8]);
    assert!(Options::try_parse_from(["provers"]).is_err(), "no system is the natural one");
}
