//! The JSON that the library writes at exit (`ZK_ALLOC_STATS=<path>`).

use crate::library::temporary_dir;
use serde_json::Value;
use std::path::PathBuf;

/// A place for one run's statistics.
pub struct StatsFile(PathBuf);

impl StatsFile {
    /// A file that does not exist yet.
    pub fn new(label: &str) -> Self {
        Self(temporary_dir(label).join("stats.json"))
    }

    /// The value for `ZK_ALLOC_STATS`.
    pub fn path(&self) -> &str {
        self.0.to_str().expect("the target directory's name is UTF-8")
    }

    /// The whole document.
    ///
    /// # Panics
    /// When the library wrote none: it was not loaded.
    pub fn read(&self) -> Value {
        let text = std::fs::read_to_string(&self.0)
            .unwrap_or_else(|error| panic!("the library wrote no statistics, was it loaded? {}: {error}", self.path()));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}\n{text}", self.path()))
    }

    /// One counter.
    pub fn counter(&self, name: &str) -> u64 {
        let document = self.read();
        document["stats"][name].as_u64().unwrap_or_else(|| panic!("no counter {name} in {document}"))
    }
}

impl Drop for StatsFile {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let dir = self.0.parent().expect("the file lies in a directory of its own");
            let _somebody_else_did = std::fs::remove_dir_all(dir);
        }
    }
}
