//! Messages without allocation: each is put together in a buffer on the stack and written with one system call.
#![forbid(unsafe_code)]

use crate::platform;
use crate::sync::{AtomicBool, Ordering::Relaxed};
use core::fmt::{self, Write};

/// A line under construction. What does not fit is cut.
pub struct Line<const N: usize> {
    bytes: [u8; N],
    used: usize,
}

impl<const N: usize> Line<N> {
    pub const fn new() -> Self {
        Self { bytes: [0; N], used: 0 }
    }

    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.used).unwrap_or(&[])
    }
}

impl<const N: usize> Write for Line<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for &byte in text.as_bytes() {
            match self.bytes.get_mut(self.used) {
                Some(place) => *place = byte,
                None => return Err(fmt::Error),
            }
            self.used += 1;
        }
        Ok(())
    }
}

/// The process was started without a standard error: whatever gets that descriptor is a file of the program.
static NO_STDERR: AtomicBool = AtomicBool::new(false);

/// At load, before the program can open anything.
pub fn look_at_stderr() {
    NO_STDERR.store(platform::identify_file(2).is_none(), Relaxed);
}

/// Longest message, in bytes.
const MESSAGE_BYTES: usize = 1024;

/// Writes one line to standard error: "zkalloc: " and the message.
pub fn line(message: fmt::Arguments<'_>) {
    let mut text = Line::<MESSAGE_BYTES>::new();
    // A message that is too long is cut, and still ends its line.
    let _ = write!(text, "zkalloc: {message}");
    text.used = text.used.min(MESSAGE_BYTES - 1);
    let _ = text.write_str("\n");
    if !NO_STDERR.load(Relaxed) {
        // There is nobody to tell of an error.
        let _ = platform::write_all(2, text.as_bytes());
    }
}

/// The last line of a process.
pub fn fatal(message: fmt::Arguments<'_>) -> ! {
    line(format_args!("fatal: {message}"));
    platform::abort()
}

/// Text from outside, with everything but printable ASCII escaped, and cut at [`Escaped::MOST`] bytes.
pub struct Escaped<'a>(pub &'a [u8]);

impl Escaped<'_> {
    const MOST: usize = 200;
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for &byte in self.0.iter().take(Self::MOST) {
            write!(out, "{}", core::ascii::escape_default(byte))?;
        }
        if self.0.len() > Self::MOST {
            out.write_str("...")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_not_overrun() {
        let mut line = Line::<4>::new();
        assert!(line.write_str("abcdef").is_err());
        assert_eq!(line.as_bytes(), b"abcd");
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(format!("{}", Escaped(b"a\n\x1b[0m\"\xff")), "a\\n\\x1b[0m\\\"\\xff");
        assert_eq!(format!("{}", Escaped(&[b'x'; 300])).len(), 203);
    }
}
