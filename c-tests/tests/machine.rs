//! Settings that are a whole machine's, and memory cgroups, in a machine of our own: `machine/*.sh` say what is checked.

use c_tests::{impossible_here, run_in_machine};

/// All of the script's checks passed, and there were as many as there should be.
fn check(script: &str, checks: usize) {
    match run_in_machine(script) {
        Ok(report) => {
            println!("{}", report.text);
            assert_eq!(report.passed.len(), checks, "{}", report.text);
        }
        Err(reason) => impossible_here(&format!("{script}: {reason}")),
    }
}

#[test]
fn overcommit_of_every_kind() {
    check("overcommit.sh", 8);
}

#[test]
fn huge_pages_as_the_machine_is_set() {
    check("huge_pages.sh", 27);
}

#[test]
fn proofs_in_a_cgroup_of_version_2() {
    check("cgroup2.sh", 9);
}

#[test]
fn proofs_in_a_cgroup_of_version_1() {
    check("cgroup1.sh", 9);
}
