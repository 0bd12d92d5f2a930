//! The path of a report: kept from load to exit, without memory of its own.
#![forbid(unsafe_code)]

use crate::platform;
use crate::report::Line;
use crate::sync::{AtomicU8, AtomicUsize, Ordering};
use core::ffi::CStr;
use core::fmt::Write;
use Ordering::Relaxed;

/// Longest path, in bytes.
pub const PATH_BYTES: usize = 1023;

pub struct Path {
    bytes: [AtomicU8; PATH_BYTES],
    used: AtomicUsize,
}

impl Path {
    pub const fn new() -> Self {
        Self { bytes: [const { AtomicU8::new(0) }; PATH_BYTES], used: AtomicUsize::new(0) }
    }

    /// A relative path means the directory of this moment: a daemon will be in another one when it ends. Where the whole
    /// is too long, the path stays relative.
    pub fn set(&self, path: &[u8]) {
        let mut text = [0; PATH_BYTES];
        let dir = if path.starts_with(b"/") { None } else { platform::current_dir(&mut text) };
        let dir = dir.filter(|dir| dir.len() + 1 + path.len() <= PATH_BYTES);
        let (dir, separator): (&[u8], &[u8]) = dir.map_or((b"", b""), |dir| (dir, b"/"));
        let bytes = dir.iter().chain(separator).chain(path);
        self.used.store(bytes.clone().count().min(PATH_BYTES), Relaxed);
        self.bytes.iter().zip(bytes).for_each(|(place, &byte)| place.store(byte, Relaxed));
    }

    fn bytes(&self) -> impl Iterator<Item = u8> + '_ {
        self.bytes[..self.used.load(Relaxed)].iter().map(|byte| byte.load(Relaxed))
    }

    /// True: it names the process.
    pub fn is_per_process(&self) -> bool {
        self.bytes().zip(self.bytes().skip(1)).any(|pair| pair == (b'%', b'p'))
    }

    /// Calls `body` with the path, `%p` replaced by the process id. A path too long by that is not used.
    pub fn with<R>(&self, body: impl FnOnce(&CStr) -> R) -> Option<R> {
        let mut text = [0u8; PATH_BYTES + 33];
        let mut pid = Line::<10>::new();
        let _fits = write!(pid, "{}", platform::process_id());
        let mut used = 0;
        let mut push = |byte: u8| {
            let place = text[..PATH_BYTES + 32].get_mut(used)?;
            *place = byte;
            used += 1;
            Some(())
        };
        let mut bytes = self.bytes().peekable();
        while let Some(byte) = bytes.next() {
            if byte == b'%' && bytes.peek() == Some(&b'p') {
                bytes.next();
                pid.as_bytes().iter().try_for_each(|&digit| push(digit))?;
            } else {
                push(byte)?;
            }
        }
        CStr::from_bytes_until_nul(&text).ok().map(body)
    }
}
