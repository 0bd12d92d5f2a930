//! `scripts/compat`: real programs with and without the library, one table.
#![forbid(unsafe_code)]

mod install;
mod program;
mod trial;

use program::{Program, PROGRAMS};
use std::process::ExitCode;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;
use trial::{Place, Row};

const USAGE: &str = "scripts/compat [--list] [--quick | --long] [--jobs N] [--keep] [PROGRAM...]

Runs each program plainly, under libzkalloc.so, and with ZK_ALLOC_MIN_BYTES=0 and an arena that serves from the first
request on, and compares what they print. Installs what is missing with apt-get.
  --list   names the programs and what each is checked by
  --quick  the length of CI, under 15 minutes on 2 cores; the default
  --long   four times as much work
  --jobs N programs at a time, 1 to 64; 1 is the default
  --keep   leaves the directories of every run for the reader; those of failures stay anyway";

struct Options {
    scale: u32,
    jobs: usize,
    keep: bool,
    list: bool,
    programs: Vec<&'static Program>,
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options { scale: 1, jobs: 1, keep: false, list: false, programs: Vec::new() };
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--list" => options.list = true,
            "--quick" => options.scale = 1,
            "--long" => options.scale = 4,
            "--jobs" => options.jobs = jobs(arguments.next().as_deref())?,
            "--keep" => options.keep = true,
            "-h" | "--help" => return Err(String::new()),
            name => match PROGRAMS.iter().find(|program| program.name == name) {
                Some(program) => options.programs.push(program),
                None => return Err(format!("unknown program or option \"{name}\": see scripts/compat --list")),
            },
        }
    }
    if options.programs.is_empty() {
        options.programs = PROGRAMS.iter().collect();
    }
    Ok(options)
}

fn jobs(number: Option<&str>) -> Result<usize, String> {
    let found = number.unwrap_or("nothing");
    let valid = found.parse().ok().filter(|jobs| (1..=64).contains(jobs));
    valid.ok_or_else(|| format!("--jobs: expected a number from 1 to 64, found {found}"))
}

fn main() -> ExitCode {
    match parse(std::env::args().skip(1)) {
        Ok(options) if options.list => {
            PROGRAMS.iter().for_each(|program| println!("{:<12} {}", program.name, program.checks));
            ExitCode::SUCCESS
        }
        Ok(options) => run(&options),
        Err(message) if message.is_empty() => {
            println!("{USAGE}");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("scripts/compat: {message}");
            ExitCode::from(2)
        }
    }
}

fn run(options: &Options) -> ExitCode {
    let started = Instant::now();
    install::install(&options.programs);
    let place = Place::new(options.scale);
    let rows = rows(options, &place);
    print_table(&rows);
    let failures: Vec<&Row> = rows.iter().filter(|row| row.failed()).collect();
    for row in &failures {
        eprintln!("\n{}: {}", row.name, row.details.join("\n"));
    }
    if failures.is_empty() && !options.keep {
        place.remove();
    } else {
        eprintln!("scripts/compat: what the runs left is in {}", place.dir.display());
    }
    eprintln!("scripts/compat: {} programs in {} s", rows.len(), started.elapsed().as_secs());
    ExitCode::from(u8::from(!failures.is_empty()))
}

/// In the order of the programs, each of which is begun as soon as one before it has ended.
fn rows(options: &Options, place: &Place) -> Vec<Row> {
    let waiting = Mutex::new(options.programs.iter().enumerate());
    let next = || waiting.lock().expect("nobody panics with it").next();
    let work = || {
        let begun = std::iter::from_fn(next);
        begun.map(|(at, program)| (at, trial::row(program, place, options.keep))).collect::<Vec<_>>()
    };
    let mut rows: Vec<(usize, Row)> = thread::scope(|scope| {
        let threads: Vec<_> = (0..options.jobs).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("its message is above")).collect()
    });
    rows.sort_by_key(|&(at, _)| at);
    rows.into_iter().map(|(_, row)| row).collect()
}

fn print_table(rows: &[Row]) {
    let heading = ["program", "version", "plain", "preloaded", "MIN_BYTES=0", "seconds", "checks"].map(String::from);
    let mut lines = vec![heading];
    lines.extend(rows.iter().map(Row::cells));
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    for line in &lines {
        let cells: Vec<String> =
            line.iter().enumerate().map(|(at, cell)| format!("{cell:<width$}", width = width(at))).collect();
        println!("{}", cells.join("  ").trim_end());
    }
}
