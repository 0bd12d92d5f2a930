//! libFuzzer's entry: see scripts/fuzz.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::path::Path;
use std::sync::Mutex;
use zkalloc_fuzz::{default_library, History, Library, Machine};

static STATE: Mutex<Option<(Machine, Option<History>)>> = Mutex::new(None);

fuzz_target!(
    init: {
        // Opened before libFuzzer looks for what it counts edges in.
        let library = Library::load(&default_library()).unwrap_or_else(|error| {
            eprintln!("c_api: {error}");
            std::process::exit(2);
        });
        let history = std::env::var_os("ZK_FUZZ_HISTORY").and_then(|path| History::create(Path::new(&path)).ok());
        *STATE.lock().expect("nobody has failed yet") = Some((Machine::new(library), history));
    },
    |data: &[u8]| {
        let mut state = STATE.lock().expect("a failure ends the process");
        let (machine, history) = state.as_mut().expect("init has run");
        if let Some(history) = history {
            history.note(data).expect("room for the history");
        }
        machine.run(data);
    }
);
