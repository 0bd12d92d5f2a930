//! Runs inputs of the fuzzer against the library, without the fuzzer.
//!
//! Usage: replay [--history] PATH...   files of one input each, or directories of such files; with --history, files
//! that the fuzzer wrote of all its inputs (scripts/fuzz names them). ZKALLOC_LIB names the library.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use zkalloc_fuzz::{default_library, read_history, Library, Machine};

fn files(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    files.sort();
    Ok(files)
}

fn run(arguments: &[String]) -> Result<usize, String> {
    let (is_history, paths) = match arguments.split_first() {
        Some((first, rest)) if first == "--history" => (true, rest),
        _ => (false, arguments),
    };
    if paths.is_empty() {
        return Err("no inputs: replay [--history] PATH...".to_owned());
    }
    let mut inputs = Vec::new();
    for path in paths {
        for file in files(Path::new(path)).map_err(|error| format!("{path}: {error}"))? {
            let bytes = std::fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
            inputs.extend(if is_history { read_history(&bytes) } else { vec![bytes] });
        }
    }
    let mut machine = Machine::new(Library::load(&default_library())?);
    inputs.iter().for_each(|input| machine.run(input));
    Ok(inputs.len())
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(count) => {
            println!("{count} inputs");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("replay: {error}");
            ExitCode::from(2)
        }
    }
}
