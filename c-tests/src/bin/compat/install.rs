//! Installs the Debian packages of programs that are not there.
#![forbid(unsafe_code)]

use crate::program::Program;
use std::process::{Command, Stdio};

/// Package by package of a program, so that one that cannot be had does not keep the others away.
pub fn install(programs: &[&'static Program]) {
    let missing: Vec<_> = programs.iter().filter(|program| program.missing().is_some()).collect();
    if missing.is_empty() {
        return;
    }
    eprintln!("scripts/compat: apt-get update");
    apt_get(&["update"]);
    for program in missing {
        eprintln!("scripts/compat: installing {}", program.packages.join(" "));
        let mut arguments = vec!["install", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300"];
        arguments.extend(program.packages);
        apt_get(&arguments);
        if let Some(need) = program.missing() {
            eprintln!("scripts/compat: {} is not here: no {need} after installing its packages", program.name);
        }
    }
}

/// With sudo where it takes that. What has failed shows in what is still missing.
fn apt_get(arguments: &[&str]) {
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    let mut command = if is_root { Command::new("apt-get") } else { Command::new("sudo") };
    if !is_root {
        command.args(["-n", "apt-get"]);
    }
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null()).stdout(Stdio::null());
    match command.status() {
        Ok(status) if status.success() => {}
        Ok(status) => eprintln!("scripts/compat: apt-get {}: {status}", arguments[0]),
        Err(error) => eprintln!("scripts/compat: apt-get {}: {error}", arguments[0]),
    }
}
