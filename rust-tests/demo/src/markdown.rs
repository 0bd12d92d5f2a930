//! Puts the table into a Markdown file, between two marks.

use std::fs;
use std::io::Write;
use std::path::Path;
use tempfile::NamedTempFile;

const BEGIN: &str = "<!-- demo:begin -->";
const END: &str = "<!-- demo:end -->";

/// Whether [`replace`] will find its place.
pub fn check(file: &Path) -> Result<(), String> {
    read_and_replace(file, "").map(|_| ())
}

/// The file holds either the old table or the new one at every moment, even if this process dies.
pub fn replace(file: &Path, table: &str) -> Result<(), String> {
    let text = read_and_replace(file, table)?;
    let target = file.canonicalize().map_err(|error| format!("{}: {error}", file.display()))?;
    let write = || {
        let mut new = NamedTempFile::new_in(target.parent().unwrap_or(Path::new(".")))?;
        new.write_all(text.as_bytes())?;
        new.as_file().set_permissions(fs::metadata(&target)?.permissions())?;
        new.persist(&target).map_err(|failed| failed.error)
    };
    write().map(|_| ()).map_err(|error| format!("{}: {error}", file.display()))
}

fn read_and_replace(file: &Path, table: &str) -> Result<String, String> {
    let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    between_marks(&text, table).ok_or_else(|| format!("{}: no {BEGIN} with an {END} behind it", file.display()))
}

fn between_marks(text: &str, table: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{table}\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_changes() {
        let text = format!("a\n{BEGIN}\nold\n{END}\nz\n");
        assert_eq!(between_marks(&text, "new").unwrap(), format!("a\n{BEGIN}\nnew\n{END}\nz\n"));
        assert_eq!(between_marks(&format!("{END}{BEGIN}"), "new"), None);
        assert_eq!(between_marks("none", "new"), None);
    }

    #[test]
    fn the_file_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("README.md");
        fs::write(&file, format!("{BEGIN}{END}\n")).unwrap();
        replace(&file, "new").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), format!("{BEGIN}\nnew\n{END}\n"));
    }
}
