//! A block as a token: made once from a C pointer, consumed by what frees or moves it.
//! Unsafe: reads and writes the bytes of blocks, which only the program may do otherwise.

use core::ffi::c_void;
use core::ptr::NonNull;

/// A block that the program holds, for the length of one call.
#[derive(Debug)]
pub struct Block(NonNull<u8>);

impl Block {
    /// # Safety
    /// The program hands its block over for this call: nobody else uses it meanwhile.
    #[inline]
    pub unsafe fn from_program(pointer: NonNull<c_void>) -> Self {
        Self(pointer.cast())
    }

    /// A block that the arena has just handed out.
    #[inline]
    pub fn from_arena(address: usize) -> Option<Self> {
        crate::arena::region::pointer(address).map(Self)
    }

    #[inline]
    pub fn address(&self) -> usize {
        self.0.as_ptr().expose_provenance()
    }

    #[inline]
    pub fn into_pointer(self) -> *mut c_void {
        self.0.as_ptr().cast()
    }

    /// Zeroes the first `bytes`, at most the block's usable bytes (I2).
    #[inline]
    pub fn zero(&mut self, bytes: usize) {
        if bytes >= STREAM_MIN_BYTES {
            // SAFETY: as below; blocks of the arena start at a multiple of a cache line.
            return unsafe { zero_past_caches(self.0.as_ptr(), bytes) };
        }
        // SAFETY: the arena granted at least `bytes` here, and nobody else knows the block yet.
        unsafe { self.0.as_ptr().write_bytes(0, bytes) }
    }
}

/// From this size on zeroes go past the caches: the line that is overwritten need not be read first. A smaller block is
/// still there when the program uses it (docs/decisions/0006-growth-and-zeroing.md).
const STREAM_MIN_BYTES: usize = 16 << 20;

/// # Safety
/// `start` is a multiple of 64, and the `bytes` from there on are the caller's.
#[cfg(target_arch = "x86_64")]
unsafe fn zero_past_caches(start: *mut u8, bytes: usize) {
    use core::arch::x86_64::{__m128i, _mm_setzero_si128, _mm_sfence, _mm_stream_si128};
    // SAFETY: every x86-64 processor has it.
    let zero = unsafe { _mm_setzero_si128() };
    let whole = bytes / size_of::<__m128i>();
    for index in 0..whole {
        // SAFETY: the caller's bytes.
        let at = unsafe { start.cast::<__m128i>().add(index) };
        // SAFETY: as above, and aligned.
        unsafe { _mm_stream_si128(at, zero) };
    }
    // Orders these stores before whatever tells another thread of the block.
    // SAFETY: every x86-64 processor has it.
    unsafe { _mm_sfence() };
    let done = whole * size_of::<__m128i>();
    // SAFETY: as above.
    let rest = unsafe { start.add(done) };
    // SAFETY: as above.
    unsafe { rest.write_bytes(0, bytes - done) };
}

/// # Safety
/// The `bytes` from `start` on are the caller's.
#[cfg(not(target_arch = "x86_64"))]
unsafe fn zero_past_caches(start: *mut u8, bytes: usize) {
    // SAFETY: the caller's bytes.
    unsafe { start.write_bytes(0, bytes) };
}

/// Copies the first `bytes` of one block to another, new one.
///
/// # Safety
/// Both blocks hold at least `bytes`.
pub unsafe fn copy(from: &Block, to: NonNull<c_void>, bytes: usize) {
    // SAFETY: the caller vouches for both lengths; a new block never overlaps one that is live (I1).
    unsafe { to.cast::<u8>().as_ptr().copy_from_nonoverlapping(from.0.as_ptr(), bytes) }
}
