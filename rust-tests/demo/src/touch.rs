//! Takes memory from the system and gives it back, in a process of its own, right before a run.
//!
//! A virtual machine with free page reporting hands free huge pages back to its host within seconds, and getting one
//! again costs fifty times what the guest's kernel takes for a fault: without this, a cold proof would be as slow as the
//! host is busy, under every allocator.

use memmap2::{Advice, MmapMut};
use std::process::Command;

/// Large enough to reach every page of a system without huge pages too.
const PAGE: usize = 4096;

/// What the helper process does.
pub fn touch(mib: u64) -> Result<(), String> {
    let bytes = usize::try_from(mib).ok().and_then(|mib| mib.checked_mul(1 << 20)).ok_or("too much memory")?;
    let mut memory = MmapMut::map_anon(bytes).map_err(|error| format!("{mib} MiB cannot be mapped: {error}"))?;
    // A kernel without huge pages refuses; small pages then do as well.
    let _ = memory.advise(Advice::HugePage);
    for page in memory.chunks_mut(PAGE) {
        page[0] = 1;
    }
    Ok(())
}

/// Runs the helper and waits for it.
pub fn in_other_process(mib: u64) -> Result<(), String> {
    let this = std::env::current_exe().map_err(|error| format!("this program cannot be found: {error}"))?;
    let status = Command::new(this)
        .args(["touch", &mib.to_string()])
        .status()
        .map_err(|error| format!("the memory helper cannot be started: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("the memory helper failed ({status})"))
    }
}
