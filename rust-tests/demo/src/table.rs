//! The one table.

use crate::report::{Medians, Report, Summary};
use comfy_table::presets::{ASCII_MARKDOWN, UTF8_FULL_CONDENSED};
use comfy_table::{CellAlignment, Table, TableStyle};

pub fn for_terminal(report: &Report) -> String {
    format!("{}\n{}\n{}", headline(report), table(report, UTF8_FULL_CONDENSED), footnote(report))
}

pub fn for_markdown(report: &Report) -> String {
    format!("{}\n\n{}\n\n{}", headline(report), table(report, ASCII_MARKDOWN), footnote(report))
}

fn headline(report: &Report) -> String {
    let phases = if report.phase { ", each proof a phase" } else { "" };
    format!("Plonky3, {}, 2^{} rows, {} threads{phases}", report.air, report.rows_log2, report.threads)
}

fn footnote(report: &Report) -> String {
    format!(
        "Medians of {} processes a side, {} proofs each; cold: the first proof of a process, warm: from the third on. \
         All proofs verified and byte-identical (SHA-256 {}...).\nMachine: {}; prover built for {} vectors.",
        report.processes_per_arm,
        report.proofs_per_process,
        report.digest.get(..16).unwrap_or(&report.digest),
        report.machine,
        if report.simd == "none" { "no" } else { &report.simd },
    )
}

fn table(report: &Report, style: TableStyle) -> Table {
    let mut table = Table::new();
    table.load_style(style).set_header(["", "glibc", "libzkalloc", "ratio"]);
    let Report { glibc, libzkalloc, .. } = report;
    for (name, before, after) in [("cold", &glibc.cold, &libzkalloc.cold), ("warm", &glibc.warm, &libzkalloc.warm)] {
        for (figure, of) in FIGURES {
            table.add_row(row(&format!("{name} proof: {figure}"), of(before), of(after)));
        }
    }
    table.add_row(row("peak RSS, MiB", glibc.peak_rss_mib, libzkalloc.peak_rss_mib));
    table.add_row(["allocator loaded".to_owned(), loaded(glibc), loaded(libzkalloc), String::new()]);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

type Figure = fn(&Medians) -> f64;

const FIGURES: [(&str, Figure); 5] = [
    ("wall, ms", |medians| medians.wall_ms),
    ("CPU, ms", |medians| medians.cpu_ms),
    ("CPU in user space, ms", |medians| medians.user_ms),
    ("CPU in the kernel, ms", |medians| medians.system_ms),
    ("minor faults", |medians| medians.minor_faults),
];

fn row(name: &str, before: f64, after: f64) -> [String; 4] {
    [name.to_owned(), grouped(before), grouped(after), ratio(before, after)]
}

fn loaded(side: &Summary) -> String {
    let files = side.allocators.join(" + ");
    side.zkalloc_version.as_ref().map_or(files.clone(), |version| format!("{files} {version}"))
}

/// 352264 as "352,264".
fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Two figures after the point, or as many as a small one needs.
fn ratio(before: f64, after: f64) -> String {
    if before <= 0.0 {
        return "-".to_owned();
    }
    match after / before {
        ratio if ratio < 0.1 => format!("{ratio:.4}"),
        ratio => format!("{ratio:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{grouped, ratio};

    #[test]
    fn numbers_for_people() {
        assert_eq!(grouped(0.4), "0");
        assert_eq!(grouped(999.0), "999");
        assert_eq!(grouped(1000.0), "1,000");
        assert_eq!(grouped(1234567.4), "1,234,567");
        assert_eq!(ratio(352_264.0, 1_012.0), "0.0029");
        assert_eq!(ratio(4.0, 3.0), "0.75");
        assert_eq!(ratio(0.0, 3.0), "-");
    }
}
