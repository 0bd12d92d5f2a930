//! Runs every negative control and prints a row of `scripts/soundness`'s table for each: name, work, seconds, what the
//! shipped library did, and whether the fault was caught.
//!
//! Usage: controls [--minutes N]     without it every control runs once

use c_tests::{Control, CONTROLS};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Runs of a program in one round: as shipped, broken build as such, protection left out.
const RUNS: u32 = 3;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let minutes = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => 0.0,
        ["--minutes", number] => match number.parse::<f64>() {
            Ok(minutes) if minutes.is_finite() && (0.0..=1e6).contains(&minutes) => minutes,
            _ => return usage(&format!("--minutes {number}: a number from 0 to 1000000")),
        },
        _ => return usage(&args.join(" ")),
    };
    let share = Duration::from_secs_f64(minutes * 60.0 / CONTROLS.len() as f64);
    let good = CONTROLS.iter().map(|control| row(control, share)).fold(true, |all, good| all & good);
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn usage(wrong: &str) -> ExitCode {
    eprintln!("controls: \"{wrong}\" is not understood; usage: controls [--minutes N]");
    ExitCode::from(2)
}

/// Repeats a control for its share of the time. True: the promise held and the fault was caught, each time.
fn row(control: &Control, share: Duration) -> bool {
    let name = format!("{} without {}: {}", control.promise, control.protection, control.program());
    eprintln!("{name}");
    let begin = Instant::now();
    let (mut rounds, mut holds, mut caught) = (0, true, true);
    loop {
        let verdict = control.check();
        rounds += 1;
        for (result, flag) in [(verdict.holds, &mut holds), (verdict.caught, &mut caught)] {
            if let Err(instead) = result {
                eprintln!("{instead}");
                *flag = false;
            }
        }
        if begin.elapsed() >= share || !(holds && caught) {
            break;
        }
    }
    let result = if holds { "ok" } else { "FAILED" };
    let control = if caught { "caught" } else { "MISSED" };
    println!("{name}\t{} runs\t{:.1}\t{result}\t{control}", rounds * RUNS, begin.elapsed().as_secs_f64());
    holds && caught
}
