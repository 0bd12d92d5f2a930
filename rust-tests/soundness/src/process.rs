//! Forking, and ending at once.
//! Unsafe: `fork`, `exit` and `_exit` are calls into libc that Rust's library does not offer.
#![allow(unsafe_code)]

use crate::program::{corruption, CORRUPTION, HANG};
use std::io;
use std::thread;
use std::time::{Duration, Instant};

/// Longer than any child of these programs takes, on a busy machine too.
const CHILD_LIMIT: Duration = Duration::from_secs(40);

/// Ends the process without running anything more of it.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: ends the process.
    unsafe { libc::_exit(code) }
}

/// Has a forked child run `body`, and then the exit handlers or not. Ends the process with the child's finding unless it
/// ends well, and in time.
///
/// `body` must wait for no lock that another thread may have held: it must not start a thread, for which Rust's library
/// has such a lock, nor print.
pub fn fork(exit_handlers: bool, body: impl FnOnce()) {
    // SAFETY: the child runs `body`, which heeds the above, and never returns from here.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        // SAFETY: takes no pointers. Whoever ends this program must not leave its children behind.
        unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
        body();
        if exit_handlers {
            // SAFETY: runs the handlers of the C library and of those it has loaded. Rust's own `exit` would wait for the
            // lock that starting a thread takes.
            unsafe { libc::exit(0) };
        }
        exit_now(0);
    }
    if pid < 0 {
        eprintln!("no fork: {}", io::Error::last_os_error());
        exit_now(101);
    }
    wait(pid);
}

fn wait(pid: libc::pid_t) {
    let deadline = Instant::now() + CHILD_LIMIT;
    let mut pause = Duration::from_micros(200);
    let mut status = 0;
    loop {
        // SAFETY: `status` is live.
        match unsafe { libc::waitpid(pid, &mut status, libc::WNOHANG) } {
            0 if Instant::now() >= deadline => {
                // SAFETY: the child has not been waited for: the id is its own.
                unsafe { libc::kill(pid, libc::SIGKILL) };
                eprintln!("hang: a forked child did not end in {} s", CHILD_LIMIT.as_secs());
                exit_now(HANG);
            }
            0 => {
                thread::sleep(pause);
                pause = (pause * 2).min(Duration::from_millis(20));
            }
            _ => break,
        }
    }
    match (libc::WIFEXITED(status), libc::WEXITSTATUS(status)) {
        (true, 0) => {}
        // It has said why.
        (true, CORRUPTION) => exit_now(CORRUPTION),
        (true, code) => corruption(format_args!("a forked child ended with code {code}")),
        (false, _) => corruption(format_args!("a forked child was ended by signal {}", libc::WTERMSIG(status))),
    }
}
