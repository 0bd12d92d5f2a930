//! The exported C functions: check, one call, map the result. Unit tests leave them out: they would replace their own
//! malloc.

mod checks;
#[cfg(not(test))]
mod load;
#[cfg(not(test))]
mod standard;
#[cfg(not(test))]
mod zkalloc;
