//! The bytes of blocks: a pattern that depends on the block and on the place in it.
//! Unsafe: writes and reads the blocks, as a program does.
#![allow(unsafe_code)]

#[derive(Clone, Copy, Debug)]
pub struct Block {
    pub usable: usize,
    /// What its pattern is made of.
    pub number: u64,
}

/// Calls `visit` with where a block's marks are: one on every page, and one at its end.
fn for_each_mark(usable: usize, visit: impl FnMut(usize)) {
    (0..usable - 8).step_by(4096).chain([usable - 8]).for_each(visit);
}

fn mark(block: Block, at: usize) -> u64 {
    (block.number << 32 | at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

pub fn paint(address: usize, block: Block) {
    for_each_mark(block.usable, |at| {
        // SAFETY: the machine holds the block, and `at` leaves room for eight bytes.
        unsafe { ((address + at) as *mut u64).write_unaligned(mark(block, at)) }
    });
}

/// Whether the first `bytes` hold the marks of a block, which may have been copied here from elsewhere.
pub fn look_at_paint(address: usize, block: Block, bytes: usize) -> Result<(), String> {
    let mut wrong = None;
    for_each_mark(block.usable, |at| {
        // SAFETY: as in `paint`; nothing beyond `bytes` is read.
        if at + 8 <= bytes && unsafe { ((address + at) as *const u64).read_unaligned() } != mark(block, at) {
            wrong = wrong.or(Some(at));
        }
    });
    match wrong {
        Some(at) => {
            Err(format!("block {} at {address:#x}: byte {at} of {} was overwritten", block.number, block.usable))
        }
        None => Ok(()),
    }
}

fn slice(address: usize, bytes: usize) -> &'static [u8] {
    // SAFETY: the machine holds these bytes, and drops the slice before it writes to them.
    unsafe { std::slice::from_raw_parts(address as *const u8, bytes) }
}

/// By `memcmp`, which is fast in a debug build too.
pub fn is_zero(address: usize, bytes: usize) -> bool {
    let all = slice(address, bytes);
    all.first().is_none_or(|&first| first == 0 && all[1..] == all[..bytes - 1])
}

/// Both blocks are live and hold as many bytes.
pub fn copy(from: usize, to: usize, bytes: usize) {
    // SAFETY: the machine holds both blocks.
    unsafe { (to as *mut u8).copy_from_nonoverlapping(from as *const u8, bytes) };
}

/// What a broken program does: it writes into the middle of a block that it has freed.
pub fn scribble(address: usize, bytes: usize) {
    // SAFETY: memory of the test's own arena that nobody uses.
    unsafe { ((address + bytes / 2) as *mut u8).write(1) };
}
