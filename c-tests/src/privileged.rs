//! A program that gets more rights than its user has, and is linked with the library: the loader ignores `LD_PRELOAD`
//! then, and the library must ignore its own variables.

use crate::library::{is_root, repository};
use crate::process::Run;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Debian's nobody: owner of the setuid program, and user of the one with a capability.
const NOBODY: &str = "65534";

/// Where the rights come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    /// The file's owner, who is not the user.
    SetUser,
    /// A capability of the file.
    Capability,
}

/// The program and its copy of the library, which go when this does.
pub struct Privileged {
    dir: PathBuf,
    rights: Rights,
}

impl Privileged {
    /// Links `source` of `programs/` with `library`. `Err`: what the system here does not allow.
    pub fn new(source: &str, library: &Path, rights: Rights) -> Result<Self, String> {
        // Relaxed: only uniqueness matters.
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        // Where any user may read.
        let dir = std::env::temp_dir().join(format!("zk-privileged-{}-{count}", std::process::id()));
        fs::create_dir_all(&dir).expect("a directory of ours");
        let made = Self { dir, rights };
        fs::set_permissions(&made.dir, fs::Permissions::from_mode(0o755)).expect("ours");
        fs::copy(library, made.dir.join("libzkalloc.so")).expect("the library");
        let place = made.dir.display();
        Run::new("gcc")
            .args(["-std=gnu11", "-D_GNU_SOURCE", "-O1", "-fno-builtin", "-pthread"])
            .arg(format!("-I{}", repository().join("include").display()))
            .arg(repository().join("c-tests/programs").join(source))
            .arg("-o")
            .arg(made.program())
            .arg(format!("-L{place}"))
            .args(["-Wl,--no-as-needed", "-lzkalloc", &format!("-Wl,-rpath,{place}")])
            .finish()
            .expect_success();
        match rights {
            Rights::SetUser => made.as_root(&["chown", NOBODY]).and_then(|()| made.as_root(&["chmod", "4755"]))?,
            Rights::Capability => made.as_root(&["setcap", "cap_net_raw+ep"])?,
        }
        Ok(made)
    }

    /// The program, about to run as a user who has less.
    pub fn run(&self) -> Run {
        if self.rights == Rights::Capability && is_root() {
            let user = ["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"];
            return Run::new("setpriv").args(user).arg(self.program());
        }
        Run::new(self.program())
    }

    fn program(&self) -> PathBuf {
        self.dir.join("program")
    }

    /// A command about the program's file.
    fn as_root(&self, command: &[&str]) -> Result<(), String> {
        let run = if is_root() { Run::new("env") } else { Run::new("sudo").arg("-n") };
        let outcome = run.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").args(command).arg(self.program()).finish();
        match outcome.status.success() {
            true => Ok(()),
            false => Err(format!("{}: {}", command.join(" "), outcome.stderr.trim())),
        }
    }
}

impl Drop for Privileged {
    fn drop(&mut self) {
        let _nobody_to_tell = fs::remove_dir_all(&self.dir);
    }
}
