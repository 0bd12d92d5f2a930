//! A machine of our own, for settings that are a whole machine's: Debian's kernel in QEMU, with a file system in memory.
//! Its first process, `machine/init`, runs a script of `machine/` and reports on the second serial port.

use crate::compile::Build;
use crate::library::{broken_library, library, repository, target_dir, temporary_dir};
use crate::process::Run;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

const QEMU: &str = "qemu-system-x86_64";
const PROGRAMS: [&str; 3] = ["limits.c", "machine.c", "overflow.c"];
/// Seconds with a processor that has virtualization for us; minutes where it must be emulated on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(900);

/// What a script has found, a line for each check.
pub struct Report {
    pub passed: Vec<String>,
    /// All that it printed.
    pub text: String,
}

/// Boots a machine that runs `machine/<script>`. `Err` says why there can be none here.
///
/// # Panics
/// When a check failed, or the machine ended early.
pub fn run_in_machine(script: &str) -> Result<Report, String> {
    if std::env::consts::ARCH != "x86_64" {
        return Err("a virtual machine: its kernel is one for x86-64, and so are its programs".to_owned());
    }
    let kernel = target_dir().join("machine/vmlinuz");
    if !installed(QEMU) {
        return Err(format!("a virtual machine: {QEMU} is not installed (Debian package qemu-system-x86)"));
    }
    if !kernel.is_file() {
        let kernel = kernel.display();
        return Err(format!("a virtual machine: no kernel at {kernel} (c-tests/machine/fetch-kernel puts one there)"));
    }
    let dir = temporary_dir("machine");
    let (console, report) = (dir.join("console"), dir.join("report"));
    let outcome = Run::new(QEMU)
        .args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-smp", "2"])
        // The plainest: wide vectors, which libc would use, take most of the time where they must be emulated.
        .args(["-cpu", "qemu64"])
        .args(accelerators())
        .args(["-m", "1536", "-kernel"])
        .arg(kernel)
        .arg("-initrd")
        .arg(file_system())
        .arg("-serial")
        .arg(format!("file:{}", console.display()))
        .arg("-serial")
        .arg(format!("file:{}", report.display()))
        // What the kernel does not know becomes the first process's environment.
        .args(["-append", &format!("console=ttyS0 quiet panic=-1 rdinit=/machine/init script={script}")])
        .timeout(TIMEOUT)
        .finish_or_kill();
    let read = |path: &Path| String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).replace('\r', "");
    let (console, text) = (read(&console), read(&report));
    let ended = text.lines().last() == Some("end");
    let failed = text.lines().any(|line| line.starts_with("FAILED"));
    assert!(ended && !failed, "{script}:\n{text}\n-- console\n{console}\n-- QEMU\n{outcome}");
    fs::remove_dir_all(dir).expect("a directory of ours");
    let passed = text.lines().filter_map(|line| line.strip_prefix("ok  ")).map(str::to_owned).collect();
    Ok(Report { passed, text })
}

fn installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}

/// `/dev/kvm` may also be there without virtualization in hardware (for kernels made for that), which Debian's kernel
/// would not notice. Where it cannot be opened, QEMU takes the next accelerator.
fn accelerators() -> &'static [&'static str] {
    if ["kvm_intel", "kvm_amd"].iter().any(|module| Path::new("/sys/module").join(module).exists()) {
        &["-accel", "kvm", "-accel", "tcg"]
    } else {
        &["-accel", "tcg"]
    }
}

/// The archive with all that any script needs. Made once per test process.
fn file_system() -> &'static Path {
    static ARCHIVE: OnceLock<PathBuf> = OnceLock::new();
    ARCHIVE.get_or_init(|| {
        let dir = temporary_dir("machine-files");
        let root = dir.join("root");
        copy("/bin/busybox", &root.join("bin/busybox"));
        copy(library(), &root.join("lib/libzkalloc.so"));
        copy(broken_library(), &root.join("lib/broken.so"));
        for source in PROGRAMS {
            let program = Build::new(source).program();
            for object in needed(&program) {
                copy(&object, &root.join(object.strip_prefix("/").expect("an absolute path")));
            }
            copy(program, &root.join("bin").join(source.trim_end_matches(".c")));
        }
        let scripts = repository().join("c-tests/machine");
        for entry in fs::read_dir(&scripts).unwrap_or_else(|error| panic!("{}: {error}", scripts.display())) {
            let path = entry.expect("a directory of ours").path();
            copy(&path, &root.join("machine").join(path.file_name().expect("a file")));
        }
        let archive = dir.join("archive");
        let script = format!("find . | busybox cpio -o -H newc >{}", archive.display());
        Run::new("sh").args(["-c", &script]).dir(&root).finish().expect_success();
        fs::remove_dir_all(root).expect("a directory of ours");
        archive
    })
}

/// The shared objects that a program is loaded with, the loader among them, as `ldd` names them.
fn needed(program: &Path) -> Vec<PathBuf> {
    let outcome = Run::new("ldd").arg(program).finish().expect_success();
    let words = outcome.stdout.split_whitespace();
    words.filter(|word| word.starts_with('/')).map(PathBuf::from).collect()
}

fn copy(from: impl AsRef<Path>, to: &Path) {
    let from = from.as_ref();
    fs::create_dir_all(to.parent().expect("a file in a directory")).expect("a directory of ours");
    fs::copy(from, to).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
}
