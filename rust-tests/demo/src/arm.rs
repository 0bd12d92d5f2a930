//! The two sides of the comparison.

use serde::Serialize;

#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Arm {
    Glibc,
    Libzkalloc,
}

impl Arm {
    /// One round. Each side runs once in an earlier and once in a later place, so that a machine that slowly warms up or
    /// gets busier costs both the same.
    pub const ROUND: [Self; 4] = [Self::Glibc, Self::Libzkalloc, Self::Libzkalloc, Self::Glibc];

    pub fn name(self) -> &'static str {
        match self {
            Self::Glibc => "glibc",
            Self::Libzkalloc => "libzkalloc",
        }
    }
}
