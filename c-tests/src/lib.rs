//! Runner of the C and C++ tests: finds `libzkalloc.so`, compiles `programs/*.c|*.cpp`, runs them with and without the
//! library, and generates `include/zkalloc.h`.
//!
//! A missing library, compiler or program fails a test; nothing is skipped.

mod compile;
mod control;
mod controls;
mod header;
mod impossible;
mod library;
mod machine;
mod privileged;
mod process;
mod stats;

pub use compile::Build;
pub use control::{Control, Ending, Verdict};
pub use controls::CONTROLS;
pub use header::{committed_header, generate_header, header_path};
pub use impossible::impossible_here;
pub use library::{broken_library, library, repository, temporary_dir};
pub use machine::{run_in_machine, Report};
pub use privileged::{Privileged, Rights};
pub use process::{Outcome, Run};
pub use stats::StatsFile;
