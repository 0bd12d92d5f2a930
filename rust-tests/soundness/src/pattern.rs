//! Blocks straight from the C allocator, filled to the last byte with a pattern that shows who else wrote to them.
//! Unsafe: calls malloc, calloc, realloc, posix_memalign and free, and reads and writes what they give.
#![allow(unsafe_code)]

use crate::program::corruption;
use crate::random::Random;
use crate::survivor::{new_pattern, note_where, word};
use std::ptr::{self, NonNull};
use std::slice;

const WORD: usize = size_of::<u64>();
const PAGE: usize = 4096;
/// Blocks up to this are checked byte by byte; of larger ones the first and last page and a word of every other.
const CHECKED_WHOLE: usize = 64 << 10;
/// What malloc promises.
const ALIGN: usize = 16;

/// Which function a block is asked of.
#[derive(Clone, Copy, Debug)]
pub enum How {
    Malloc,
    Calloc,
    /// `posix_memalign` with this alignment.
    Aligned(usize),
}

impl How {
    /// Mostly malloc, like programs.
    pub fn random(random: &mut Random) -> Self {
        match random.below(8) {
            0 | 1 => Self::Calloc,
            2 => Self::Aligned(64 << random.below(16)),
            _ => Self::Malloc,
        }
    }
}

/// A block that nobody but its holder may change.
pub struct Patterned {
    start: NonNull<u8>,
    bytes: usize,
    pattern: u64,
}

// SAFETY: the block belongs to whoever holds the value, on whatever thread.
unsafe impl Send for Patterned {}
// SAFETY: a shared reference only reads.
unsafe impl Sync for Patterned {}

impl Patterned {
    /// `bytes` is at least 1.
    pub fn new(how: How, bytes: usize) -> Self {
        let mut start = ptr::null_mut();
        match how {
            // SAFETY: takes no pointers.
            How::Malloc => start = unsafe { libc::malloc(bytes) },
            // SAFETY: takes no pointers.
            How::Calloc => start = unsafe { libc::calloc(1, bytes) },
            How::Aligned(align) => {
                // SAFETY: `start` is live.
                unsafe { libc::posix_memalign(&mut start, align, bytes) };
            }
        }
        let Some(start) = NonNull::new(start.cast::<u8>()) else { out_of_memory(bytes) };
        let align = if let How::Aligned(align) = how { align } else { ALIGN.min(bytes.next_power_of_two()) };
        if start.addr().get() % align != 0 {
            corruption(format_args!("{how:?} of {bytes} bytes gave {start:?}, which is not aligned"));
        }
        let mut block = Self { start, bytes, pattern: new_pattern() };
        if matches!(how, How::Calloc) {
            block.require_zero();
        }
        note_where(start.as_ptr());
        block.fill();
        block
    }

    /// As if it had just been made, after `realloc` to `bytes` (at least 1) has kept what it must.
    pub fn realloc(mut self, bytes: usize) -> Self {
        self.check("before realloc");
        let old = self.bytes;
        // SAFETY: the block came from the C allocator; it is replaced by what this gives.
        let start = unsafe { libc::realloc(self.start.as_ptr().cast(), bytes) };
        let Some(start) = NonNull::new(start.cast::<u8>()) else { out_of_memory(bytes) };
        (self.start, self.bytes) = (start, bytes.min(old));
        self.check("after realloc");
        (self.bytes, self.pattern) = (bytes, new_pattern());
        self.fill();
        self
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn is_in_arena(&self) -> bool {
        zkalloc::owns(self.start.as_ptr())
    }

    /// Ends the process with a finding where a byte is not what was written last.
    pub fn check(&self, when: &str) {
        self.for_each_checked(|from, to| self.check_words(from, to, when));
        let tail = self.bytes / WORD * WORD;
        for (index, &found) in self.contents()[tail..].iter().enumerate() {
            let wanted = word(self.pattern, tail / WORD).to_le_bytes()[index];
            if found != wanted {
                self.damaged(tail + index, u64::from(found), u64::from(wanted), when);
            }
        }
    }

    /// Writes a new pattern over the whole block.
    pub fn fill_anew(&mut self) {
        self.pattern = new_pattern();
        self.fill();
    }

    fn fill(&mut self) {
        let words = self.start.cast::<u64>();
        let count = self.bytes / WORD;
        for index in 0..count {
            // SAFETY: `index` lies within the block, which is aligned for words if it has room for one.
            unsafe { words.add(index).write(word(self.pattern, index)) };
        }
        let last = word(self.pattern, count).to_le_bytes();
        for at in count * WORD..self.bytes {
            // SAFETY: `at` lies within the block.
            unsafe { self.start.add(at).write(last[at - count * WORD]) };
        }
    }

    /// The ranges of words that are checked.
    fn for_each_checked(&self, visit: impl Fn(usize, usize)) {
        let words = self.bytes / WORD;
        if self.bytes <= CHECKED_WHOLE {
            return visit(0, words);
        }
        let page = PAGE / WORD;
        visit(0, page);
        for first in (page..words - page).step_by(page) {
            // Another place in every page, and of every block.
            let at = first + (self.pattern >> 32) as usize % page;
            visit(at, (at + 1).min(words));
        }
        visit(words - page, words);
    }

    fn check_words(&self, from: usize, to: usize, when: &str) {
        for index in from..to {
            // SAFETY: words below `to` lie within the block and were written. Volatile: others may have written, too.
            let found = unsafe { self.start.cast::<u64>().add(index).read_volatile() };
            let wanted = word(self.pattern, index);
            if found != wanted {
                let byte = (found ^ wanted).trailing_zeros() as usize / 8;
                self.damaged(index * WORD + byte, found, wanted, when);
            }
        }
    }

    fn require_zero(&self) {
        let end = self.bytes;
        let step = if end <= CHECKED_WHOLE { 1 } else { PAGE / 8 };
        let is_zero = |at: usize| self.contents()[at] == 0;
        if let Some(at) = (0..end).step_by(step).chain(end.saturating_sub(PAGE)..end).find(|&at| !is_zero(at)) {
            corruption(format_args!("calloc of {end} bytes: byte {at} is {:#x}", self.contents()[at]));
        }
    }

    fn contents(&self) -> &[u8] {
        // SAFETY: written by `fill`, or by calloc; nobody but the holder writes.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.bytes) }
    }

    fn damaged(&self, at: usize, found: u64, wanted: u64, when: &str) -> ! {
        let (start, bytes) = (self.start, self.bytes);
        corruption(format_args!(
            "{when}: block {start:?} of {bytes} bytes, byte {at}: {found:#x} instead of {wanted:#x}"
        ));
    }
}

impl Drop for Patterned {
    fn drop(&mut self) {
        // SAFETY: from the C allocator, and freed once.
        unsafe { libc::free(self.start.as_ptr().cast()) };
    }
}

fn out_of_memory(bytes: usize) -> ! {
    eprintln!("no memory for a block of {bytes} bytes");
    crate::process::exit_now(101)
}
