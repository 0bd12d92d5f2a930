//! What the loader calls.
//! Unsafe: functions that run before and after `main`.

use crate::init;

#[ctor::ctor(unsafe)]
fn constructor() {
    #[cfg(interposes)]
    super::zone::register();
    init::start();
}

#[dtor::dtor(unsafe)]
fn destructor() {
    init::finish();
}
