//! The exported C functions: check, one call, map the result. In unit tests they have no C names: they would replace the
//! tests' own malloc.

mod checks;
#[cfg(interposes)]
mod interposed;
#[cfg(not(test))]
mod load;
mod standard;
#[cfg(not(test))]
mod zkalloc;
#[cfg(any(interposes, test))]
mod zone;
