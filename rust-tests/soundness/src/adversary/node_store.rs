//! The node's database: messages are written in transactions, and read back from others, which see what was committed.
#![forbid(unsafe_code)]

use super::node::{check, Message};
use crate::program::{corruption, require};
use crate::random::Random;
use redb::{Builder, Database, Durability, ReadableTable, TableDefinition};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tokio::sync::mpsc::Receiver;

const TABLE: TableDefinition<u64, &[u8]> = TableDefinition::new("messages");
/// Keys: the file stays small however long this runs.
const KEYS: u64 = 200;
const LARGEST_VALUE: usize = 256 << 10;
const CACHE_BYTES: usize = 16 << 20;
/// Messages in a transaction; transactions between two that reach the disk, and between two openings of the file.
const BATCH: usize = 8;
const DURABLE_EVERY: u64 = 16;
const REOPEN_EVERY: u64 = 128;

pub struct Store {
    // Dropped before the directory.
    database: Option<Database>,
    path: PathBuf,
    _directory: TempDir,
    random: Random,
    /// What the database must hold: of each key, the pattern and the bytes.
    expected: BTreeMap<u64, (u64, usize)>,
    totals: Totals,
}

#[derive(Default)]
pub struct Totals {
    pub written: u64,
    pub read: u64,
}

/// A database that reports an error of its own has seen what was not there.
fn fine<T, E: Display>(result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| corruption(format_args!("the database: {error}")))
}

fn open(path: &Path) -> Database {
    fine(Builder::new().set_cache_size(CACHE_BYTES).create(path))
}

impl Store {
    pub fn new(seed: u64) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let path = directory.path().join("node.redb");
        let database = Some(open(&path));
        let (expected, totals) = (BTreeMap::new(), Totals::default());
        Self { database, path, _directory: directory, random: Random::new(seed), expected, totals }
    }

    /// Until every sender has gone.
    pub fn keep_all(mut self, mut messages: Receiver<Message>) -> Totals {
        let mut batch = Vec::with_capacity(BATCH);
        while let Some(message) = messages.blocking_recv() {
            if message.bytes().len() <= LARGEST_VALUE {
                batch.push(message);
            }
            if batch.len() == BATCH {
                self.write(&batch);
                batch.clear();
                self.read_some();
                if self.totals.written.is_multiple_of(REOPEN_EVERY) {
                    self.reopen();
                    self.read_all();
                }
            }
        }
        self.write(&batch);
        self.reopen();
        self.read_all();
        self.totals
    }

    fn database(&self) -> &Database {
        self.database.as_ref().expect("open")
    }

    fn reopen(&mut self) {
        self.database = None;
        self.database = Some(open(&self.path));
    }

    fn write(&mut self, batch: &[Message]) {
        let mut transaction = fine(self.database().begin_write());
        if !self.totals.written.is_multiple_of(DURABLE_EVERY) {
            transaction.set_durability(Durability::None);
        }
        let mut table = fine(transaction.open_table(TABLE));
        for message in batch {
            check(message.bytes(), "on its way to the database");
            let key = message.pattern() % KEYS;
            fine(table.insert(key, message.bytes()));
            self.expected.insert(key, (message.pattern(), message.bytes().len()));
        }
        drop(table);
        fine(transaction.commit());
        self.totals.written += 1;
    }

    fn read_some(&mut self) {
        let keys: Vec<u64> = (0..4).map(|_| self.random.number() % KEYS).collect();
        self.read(&keys);
    }

    fn read_all(&mut self) {
        let keys: Vec<u64> = (0..KEYS).collect();
        self.read(&keys);
        let transaction = fine(self.database().begin_read());
        let table = fine(transaction.open_table(TABLE));
        let keys = fine(table.iter()).map(|entry| fine(entry).0.value());
        require(keys.eq(self.expected.keys().copied()), "the database has other keys than were written");
    }

    fn read(&mut self, keys: &[u64]) {
        let transaction = fine(self.database().begin_read());
        let table = fine(transaction.open_table(TABLE));
        for key in keys {
            let found = fine(table.get(key));
            let found = found.as_ref().map(|guard| guard.value());
            let expected = self.expected.get(key);
            require(found.map(<[u8]>::len) == expected.map(|&(_, bytes)| bytes), "a value has lost its length");
            let (Some(found), Some((pattern, _))) = (found, expected) else { continue };
            require(found.starts_with(&pattern.to_le_bytes()), "the database gives another value than was written");
            check(found, "read back from the database");
            self.totals.read += 1;
        }
    }
}
