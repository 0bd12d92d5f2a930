//! The atomics: each is only its first value; what it holds lives in the checker's.
#![forbid(unsafe_code)]

use super::cell::{cell, Checked};
use super::fork::is_gone;
use super::mutant::{change, Change};
use crate::platform::checker::atomic as checked;
use crate::sync::Ordering::{self, Relaxed};

fn relaxed(change: Option<Change>, order: Ordering) -> Ordering {
    if change == Some(Change::Relax) {
        Relaxed
    } else {
        order
    }
}

macro_rules! atomic {
    ($name:ident: $value:ty { $($fetch:ident($operation:expr))* }) => {
        #[derive(Default, Debug)]
        #[repr(transparent)]
        pub struct $name {
            first: $value,
        }

        impl Checked for $name {
            type Atomic = checked::$name;
            const NAME: &'static str = stringify!($name);

            fn is_zero(&self) -> bool {
                self.first == <$value>::default()
            }

            fn make(&self) -> Self::Atomic {
                checked::$name::new(self.first)
            }
        }

        impl $name {
            pub const fn new(first: $value) -> Self {
                Self { first }
            }

            #[track_caller]
            pub fn load(&self, order: Ordering) -> $value {
                let change = change();
                if is_gone() {
                    return self.first;
                }
                cell(self).for_load().load(relaxed(change, order))
            }

            #[track_caller]
            pub fn store(&self, value: $value, order: Ordering) {
                let change = change();
                if !is_gone() && change != Some(Change::Skip) {
                    cell(self).for_write().store(value, relaxed(change, order));
                }
            }

            #[track_caller]
            pub fn swap(&self, value: $value, order: Ordering) -> $value {
                let change = change();
                self.modify(change, |_| value, |cell| cell.swap(value, relaxed(change, order)))
            }

            #[track_caller]
            pub fn compare_exchange(
                &self,
                from: $value,
                to: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                let change = change();
                if is_gone() {
                    return Err(self.first);
                }
                let cell = cell(self);
                let cell = cell.for_write();
                if matches!(change, Some(Change::Split | Change::Skip)) {
                    let old = cell.load(failure);
                    if old != from {
                        return Err(old);
                    }
                    if change == Some(Change::Split) {
                        cell.store(to, success);
                    }
                    return Ok(old);
                }
                cell.compare_exchange(from, to, relaxed(change, success), relaxed(change, failure))
            }

            $(
                #[track_caller]
                pub fn $fetch(&self, value: $value, order: Ordering) -> $value {
                    let change = change();
                    let operation: fn($value, $value) -> $value = $operation;
                    self.modify(change, |old| operation(old, value), |cell| cell.$fetch(value, relaxed(change, order)))
                }
            )*

            #[allow(dead_code)]
            #[track_caller]
            pub fn fetch_update(
                &self,
                set: Ordering,
                fetch: Ordering,
                update: impl FnMut($value) -> Option<$value>,
            ) -> Result<$value, $value> {
                cell(self).for_write().fetch_update(set, fetch, update)
            }

            fn modify(
                &self,
                change: Option<Change>,
                new: impl FnOnce($value) -> $value,
                normal: impl FnOnce(&checked::$name) -> $value,
            ) -> $value {
                if is_gone() {
                    return self.first;
                }
                let cell = cell(self);
                let cell = cell.for_write();
                match change {
                    Some(Change::Skip) => cell.load(Ordering::SeqCst),
                    Some(Change::Split) => {
                        let old = cell.load(Ordering::SeqCst);
                        cell.store(new(old), Ordering::SeqCst);
                        old
                    }
                    Some(Change::Relax) | None => normal(cell),
                }
            }
        }
    };
}

macro_rules! integers {
    ($($name:ident: $value:ty,)*) => {
        $(atomic!($name: $value {
            fetch_add(|old, value| old.wrapping_add(value))
            fetch_sub(|old, value| old.wrapping_sub(value))
            fetch_and(|old, value| old & value)
            fetch_or(|old, value| old | value)
            fetch_max(|old, value| old.max(value))
        });)*
    };
}

integers! {
    AtomicI64: i64,
    AtomicU32: u32,
    AtomicU64: u64,
    AtomicU8: u8,
    AtomicUsize: usize,
}
atomic!(AtomicBool: bool {});
