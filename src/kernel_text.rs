//! Numbers in the text files of the kernel, read without an allocation.
#![forbid(unsafe_code)]

use crate::platform;
use crate::report::Line;
use core::ffi::CStr;
use core::fmt::{Arguments, Write};

pub const PATH_BYTES: usize = 1024;
/// Of a file read at once; what is longer is cut.
pub const FILE_BYTES: usize = 4096;

/// What `read` finds in a file. `None` too where there is no such file.
pub fn with_file<T>(path: Arguments<'_>, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
    let mut name = Line::<{ PATH_BYTES + 32 }>::new();
    write!(name, "{path}\0").ok()?;
    let mut buffer = [0; FILE_BYTES];
    let text = platform::read_file(CStr::from_bytes_with_nul(name.as_bytes()).ok()?, &mut buffer)?;
    read(core::str::from_utf8(text).ok()?)
}

/// The number in the line that starts with `name` and a space; without a name, that in the first line.
pub fn number_after(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let value = line.strip_prefix(name)?;
        let value = if name.is_empty() { value } else { value.strip_prefix(' ')? };
        value.split_whitespace().next()?.parse().ok()
    })
}

/// From lines like `some avg10=0.00 avg60=0.00 avg300=0.00 total=12`.
pub fn stall_total(text: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.starts_with("some "))?;
    line.rsplit_once("total=")?.1.trim().parse().ok()
}

/// From `/proc/PID/statm`: pages that are resident, and no file's.
pub fn anonymous_pages(text: &str) -> Option<u64> {
    let mut numbers = text.split_whitespace().skip(1).map(str::parse);
    let (resident, shared): (u64, u64) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
    Some(resident.saturating_sub(shared))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_by_line() {
        let stat = "anon 5\ninactive_file 70\nactive_file 8\n";
        assert_eq!(number_after(stat, "active_file"), Some(8));
        assert_eq!(number_after(stat, "active"), None);
        assert_eq!(number_after("123\n", ""), Some(123));
        assert_eq!(number_after("max\n", ""), None);
        assert_eq!(number_after("", ""), None);
        assert_eq!(number_after("MemTotal: 9 kB\nMemAvailable:   70 kB\n", "MemAvailable:"), Some(70));
    }

    #[test]
    fn anonymous_pages_are_resident_without_shared_ones() {
        assert_eq!(anonymous_pages("1000 70 20 5 0 60 0\n"), Some(50));
        assert_eq!(anonymous_pages("1000 70"), None);
    }

    #[test]
    fn stalls_are_those_of_some_thread() {
        let text =
            "some avg10=0.00 avg60=0.12 avg300=0.00 total=1234\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=9\n";
        assert_eq!(stall_total(text), Some(1234));
        assert_eq!(stall_total("full avg10=0.00 total=9\n"), None);
        assert_eq!(stall_total(""), None);
    }
}
