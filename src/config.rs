//! The options: one table, read from the environment once, by the constructor.
#![forbid(unsafe_code)]

mod path;

use crate::broken::{self, Broken};
use crate::platform;
use crate::report::{self, Escaped};
use crate::sync::{AtomicI64, Ordering};
use core::ffi::CStr;
use core::fmt;
use path::{Path, PATH_BYTES};
use Ordering::Relaxed;

/// Every option starts with this.
pub const PREFIX: &str = "ZK_ALLOC_";

/// What values an option takes.
#[derive(Clone, Copy)]
pub enum Kind {
    /// One of these words; the value is its index.
    Choice(&'static [&'static str]),
    /// A whole number in this range.
    Integer { min: i64, max: i64 },
    /// `0`, `1` if `switch`, or a path.
    Path { switch: bool },
}

pub struct Opt {
    pub name: &'static str,
    pub kind: Kind,
    pub default: i64,
    /// What the README says of the default.
    pub default_text: &'static str,
    /// What the README says of the option: a test compares them.
    #[cfg_attr(not(test), allow(dead_code))]
    pub meaning: &'static str,
}

/// The options by name; the value is the index in [`OPTIONS`].
#[derive(Clone, Copy)]
#[repr(usize)]
pub enum Key {
    Mode,
    MinBytes,
    SlabGb,
    RetainMb,
    DecayMs,
    Background,
    Thp,
    PrefaultMb,
    Poison,
    Wipe,
    Stats,
    Trace,
    Verbose,
}

/// `RetainMb` when it was not given.
pub const FROM_BUDGET: i64 = -1;

pub const MODE_AUTO: i64 = 0;
pub const MODE_OFF: i64 = 2;
pub const THP_AUTO: i64 = 0;
pub const THP_ALWAYS: i64 = 1;
/// A `Path` option that is a path.
pub const PATH: i64 = 2;

/// 2^50 bytes in MiB: more memory than any machine has.
const MOST_MB: i64 = 1 << 30;

pub const OPTIONS: [Opt; 13] = [
    Opt {
        name: "ZK_ALLOC_MODE",
        kind: Kind::Choice(&["auto", "phase", "off"]),
        default: MODE_AUTO,
        default_text: "auto",
        meaning:
            "when the arena serves requests: `auto`, from the first request of 1 MiB on and, once the program has \
                  begun a phase, only inside phases; `phase`, only inside phases; `off`, never",
    },
    Opt {
        name: "ZK_ALLOC_MIN_BYTES",
        kind: Kind::Integer { min: 0, max: i64::MAX },
        default: 4096,
        default_text: "4096",
        meaning: "smallest request the arena takes, in bytes; 0: every request",
    },
    Opt {
        name: "ZK_ALLOC_SLAB_GB",
        kind: Kind::Integer { min: 1, max: 65536 },
        default: 8,
        default_text: "8",
        meaning: "arena limit per processor, in GiB (1 to 65536): live bytes stay below this times (processors the \
                  process may run on + 4), to about 16 MiB, or 256 KiB for each thread where more than 64 run; requests \
                  beyond it go to the next allocator and are counted",
    },
    Opt {
        name: "ZK_ALLOC_RETAIN_MB",
        kind: Kind::Integer { min: 0, max: MOST_MB },
        default: FROM_BUDGET,
        default_text: "from the budget",
        meaning: "cap on free memory that stays resident, in MiB; up to 16 MiB more between live blocks",
    },
    Opt {
        name: "ZK_ALLOC_DECAY_MS",
        kind: Kind::Integer { min: -1, max: i64::MAX / 1_000_000 },
        default: 10_000,
        default_text: "10000",
        meaning: "time in which the arena is not used until free pages are returned, in milliseconds (requests for \
                  less than a sixteenth of what is free are no use); 0: at once; -1: never",
    },
    Opt {
        name: "ZK_ALLOC_BACKGROUND",
        kind: Kind::Integer { min: 0, max: 1 },
        default: 1,
        default_text: "1",
        meaning: "0: no background thread; give-back and prefault then happen inside calls",
    },
    Opt {
        name: "ZK_ALLOC_THP",
        kind: Kind::Choice(&["auto", "always", "never"]),
        default: THP_AUTO,
        default_text: "auto",
        meaning: "huge pages: `auto`, for blocks above 6 MiB, and for smaller ones that fill the 2 MiB they lie in; \
                  `always`, for all of the arena; `never`",
    },
    Opt {
        name: "ZK_ALLOC_PREFAULT_MB",
        kind: Kind::Integer { min: 0, max: MOST_MB },
        default: 0,
        default_text: "0",
        meaning: "memory to fault in, in the background, when the arena is made, in MiB",
    },
    Opt {
        name: "ZK_ALLOC_POISON",
        kind: Kind::Integer { min: 0, max: 1 },
        default: 0,
        default_text: "0",
        meaning:
            "1: freed arena memory is filled with a pattern and checked when it is used again; a write after free \
                  ends the process with one line",
    },
    Opt {
        name: "ZK_ALLOC_WIPE",
        kind: Kind::Integer { min: 0, max: 1 },
        default: 0,
        default_text: "0",
        meaning: "1: arena blocks are zeroed as they are freed, so that secrets do not outlive their use",
    },
    Opt {
        name: "ZK_ALLOC_STATS",
        kind: Kind::Path { switch: true },
        default: 0,
        default_text: "0",
        meaning: "1: summary on standard error at exit; a path: written there as JSON (`%p`: the process id)",
    },
    Opt {
        name: "ZK_ALLOC_TRACE",
        kind: Kind::Path { switch: false },
        default: 0,
        default_text: "none",
        meaning: "a path: timeline in Chrome trace format, for Perfetto (`%p`: the process id)",
    },
    Opt {
        name: "ZK_ALLOC_VERBOSE",
        kind: Kind::Integer { min: 0, max: 1 },
        default: 0,
        default_text: "0",
        meaning: "1: one line per decision (reservation, degradation, phase) on standard error",
    },
];

static VALUES: [AtomicI64; OPTIONS.len()] = {
    let mut values = [const { AtomicI64::new(0) }; OPTIONS.len()];
    let mut at = 0;
    while at < OPTIONS.len() {
        values[at] = AtomicI64::new(OPTIONS[at].default);
        at += 1;
    }
    values
};
static STATS_PATH: Path = Path::new();
static TRACE_PATH: Path = Path::new();

/// The value of an option, in its own unit.
#[inline]
pub fn get(key: Key) -> i64 {
    VALUES[key as usize].load(Relaxed)
}

/// For what the process turned out not to be allowed.
pub fn set(key: Key, value: i64) {
    VALUES[key as usize].store(value, Relaxed);
}

fn path(key: Key) -> &'static Path {
    match key {
        Key::Stats => &STATS_PATH,
        _ => &TRACE_PATH,
    }
}

/// True: the path of an option names the process.
pub fn path_is_per_process(key: Key) -> bool {
    path(key).is_per_process()
}

/// Calls `body` with the path of an option, `%p` replaced by the process id. A path too long by that is not used.
pub fn with_path<R>(key: Key, body: impl FnOnce(&CStr) -> R) -> Option<R> {
    path(key).with(body)
}

/// Reads the environment. A privileged process keeps the defaults.
pub fn read_environment() {
    if platform::is_privileged() && !broken::is(Broken::Privileged) {
        return;
    }
    platform::for_each_variable(|name, value| {
        if !name.starts_with(PREFIX.as_bytes()) || value.is_empty() {
            return;
        }
        match OPTIONS.iter().position(|option| option.name.as_bytes() == name) {
            Some(at) => read_option(at, value),
            None => report::line(format_args!(
                "{} is not an option and is ignored; did you mean {}?",
                Escaped(name),
                nearest(name)
            )),
        }
    });
}

fn read_option(at: usize, value: &[u8]) {
    let option = &OPTIONS[at];
    match parse(option.kind, value) {
        Some(parsed) => {
            if parsed == PATH && matches!(option.kind, Kind::Path { .. }) {
                let path = if at == Key::Stats as usize { &STATS_PATH } else { &TRACE_PATH };
                path.set(value);
            }
            VALUES[at].store(parsed, Relaxed);
        }
        None => report::line(format_args!(
            "{}=\"{}\" is not valid: it takes {}; using the default, {}",
            option.name,
            Escaped(value),
            option.kind,
            option.default_text
        )),
    }
}

fn parse(kind: Kind, value: &[u8]) -> Option<i64> {
    match kind {
        Kind::Choice(words) => words.iter().position(|word| word.as_bytes() == value).map(|at| at as i64),
        Kind::Integer { min, max } => {
            let number: i64 = core::str::from_utf8(value).ok()?.parse().ok()?;
            (min <= number && number <= max).then_some(number)
        }
        Kind::Path { switch } => match value {
            b"0" => Some(0),
            b"1" if switch => Some(1),
            _ if value.len() <= PATH_BYTES => Some(PATH),
            _ => None,
        },
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Choice(words) => {
                for (at, word) in words.iter().enumerate() {
                    let before = if at == 0 { "" } else { ", " };
                    write!(out, "{before}{word}")?;
                }
                Ok(())
            }
            Kind::Integer { min, max } => write!(out, "a whole number from {min} to {max}"),
            Kind::Path { switch: true } => write!(out, "0, 1 or a path of at most {PATH_BYTES} bytes"),
            Kind::Path { switch: false } => write!(out, "0 or a path of at most {PATH_BYTES} bytes"),
        }
    }
}

/// The option whose name is nearest to `name`, in letters to change, add or drop, whatever their case.
fn nearest(name: &[u8]) -> &'static str {
    let distance = |option: &&Opt| edit_distance(name, option.name.as_bytes());
    OPTIONS.iter().min_by_key(distance).map_or("", |option| option.name)
}

fn edit_distance(from: &[u8], to: &[u8]) -> usize {
    const MOST: usize = 40;
    let to = &to[..to.len().min(MOST)];
    let mut row: [usize; MOST + 1] = core::array::from_fn(|at| at);
    for (at, &letter) in from.iter().take(MOST).enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (column, &other) in to.iter().enumerate() {
            let change = diagonal + usize::from(!letter.eq_ignore_ascii_case(&other));
            diagonal = row[column + 1];
            row[column + 1] = change.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_options_agree() {
        let names = [
            (Key::Mode, "ZK_ALLOC_MODE"),
            (Key::MinBytes, "ZK_ALLOC_MIN_BYTES"),
            (Key::SlabGb, "ZK_ALLOC_SLAB_GB"),
            (Key::RetainMb, "ZK_ALLOC_RETAIN_MB"),
            (Key::DecayMs, "ZK_ALLOC_DECAY_MS"),
            (Key::Background, "ZK_ALLOC_BACKGROUND"),
            (Key::Thp, "ZK_ALLOC_THP"),
            (Key::PrefaultMb, "ZK_ALLOC_PREFAULT_MB"),
            (Key::Poison, "ZK_ALLOC_POISON"),
            (Key::Wipe, "ZK_ALLOC_WIPE"),
            (Key::Stats, "ZK_ALLOC_STATS"),
            (Key::Trace, "ZK_ALLOC_TRACE"),
            (Key::Verbose, "ZK_ALLOC_VERBOSE"),
        ];
        assert_eq!(names.map(|(key, _)| OPTIONS[key as usize].name), names.map(|(_, name)| name));
        assert_eq!(names.len(), OPTIONS.len());
    }

    #[test]
    fn values_parse_or_are_refused() {
        let mode = OPTIONS[Key::Mode as usize].kind;
        let slab = OPTIONS[Key::SlabGb as usize].kind;
        let stats = OPTIONS[Key::Stats as usize].kind;
        for (kind, value, expected) in [
            (mode, "auto", Some(MODE_AUTO)),
            (mode, "off", Some(MODE_OFF)),
            (mode, "Off", None),
            (slab, "1", Some(1)),
            (slab, "65536", Some(65536)),
            (slab, "65537", None),
            (slab, "0", None),
            (slab, "-1", None),
            (slab, "8 ", None),
            (slab, "99999999999999999999999", None),
            (stats, "0", Some(0)),
            (stats, "1", Some(1)),
            (stats, "2", Some(PATH)),
            (stats, "/tmp/x", Some(PATH)),
        ] {
            assert_eq!(parse(kind, value.as_bytes()), expected, "{value}");
        }
        assert_eq!(parse(stats, &[b'x'; PATH_BYTES + 1]), None);
    }

    #[test]
    fn unknown_names_find_their_neighbour() {
        assert_eq!(nearest(b"ZK_ALLOC_MOD"), "ZK_ALLOC_MODE");
        assert_eq!(nearest(b"ZK_ALLOC_MINBYTES"), "ZK_ALLOC_MIN_BYTES");
        assert_eq!(nearest(b"ZK_ALLOC_verbose"), "ZK_ALLOC_VERBOSE");
        assert_eq!(nearest(b"ZK_ALLOC_DECAY"), "ZK_ALLOC_DECAY_MS");
        assert_eq!(edit_distance(b"kitten", b"sitting"), 3);
    }

    /// The README's table is this table.
    #[test]
    fn readme_lists_every_option() {
        let readme = include_str!("../README.md");
        for option in &OPTIONS {
            let row = format!("| `{}` | {} | {} |", option.name, option.default_text, option.meaning);
            assert!(readme.contains(&row), "README.md lacks this line:\n{row}");
        }
    }
}
