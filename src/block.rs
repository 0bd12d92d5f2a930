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
        // SAFETY: the arena granted at least `bytes` here, and nobody else knows the block yet.
        unsafe { self.0.as_ptr().write_bytes(0, bytes) }
    }
}

/// Copies the first `bytes` of one block to another, new one.
///
/// # Safety
/// Both blocks hold at least `bytes`.
pub unsafe fn copy(from: &Block, to: NonNull<c_void>, bytes: usize) {
    // SAFETY: the caller vouches for both lengths; a new block never overlaps one that is live (I1).
    unsafe { to.cast::<u8>().as_ptr().copy_from_nonoverlapping(from.0.as_ptr(), bytes) }
}
