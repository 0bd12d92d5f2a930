//! docs/SAFETY.md against what is there: every test, program, model, control and file that it names, and every model.

use c_tests::{repository, CONTROLS};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What a name in backquotes is said to be by the words in front of it. A list goes on after a comma or a bracket.
const KINDS: [&str; 6] = ["unit ", "c ", "rust ", "loom ", "shuttle ", "Control: "];
const GOES_ON: [&str; 5] = [", ", " and ", " (", "), ", ") ("];
/// In a table, where no word stands in front: a control, or a unit test that is one.
const CELL: &str = "| ";

/// Names and their kinds; "" for what is not said to be anything.
fn names(text: &str) -> Vec<(&'static str, &str)> {
    let parts: Vec<&str> = text.split('`').collect();
    let mut kind = "";
    parts
        .chunks_exact(2)
        .map(|pair| {
            let before = pair[0].strip_suffix('\n').map_or(pair[0].to_owned(), |line| format!("{line} "));
            let is = |kind: &&&str| {
                before.strip_suffix(**kind).is_some_and(|rest| !rest.ends_with(|last: char| last.is_alphanumeric()))
            };
            if let Some(found) = KINDS.iter().chain([&CELL]).find(is) {
                kind = found;
            } else if !GOES_ON.contains(&before.replace('\n', " ").replace("  ", " ").as_str()) {
                kind = "";
            }
            (kind, pair[1])
        })
        .collect()
}

/// The repository's own files, and the text of those of the library.
struct Tree {
    files: Vec<PathBuf>,
    functions: BTreeMap<String, BTreeSet<String>>,
}

impl Tree {
    fn read() -> Self {
        let mut files = Vec::new();
        for directory in ["src", "c-tests/programs", "c-tests/src", "c-tests/tests", "rust-tests", "scripts", "docs"] {
            list(&repository().join(directory), &mut files);
        }
        let mut functions = BTreeMap::<_, BTreeSet<String>>::new();
        for file in files.iter().filter(|file| file.starts_with(repository().join("src"))) {
            let text = fs::read_to_string(file).expect("a source file");
            let module = file.file_stem().expect("a name").to_string_lossy().into_owned();
            let names = text.split("fn ").skip(1).filter_map(|rest| rest.split(['(', '<']).next());
            functions.entry(module).or_default().extend(names.map(str::to_owned));
        }
        Self { files, functions }
    }

    fn has(&self, path: &str) -> bool {
        let path = Path::new(path.trim_end_matches('/'));
        repository().join(path).exists() || self.files.iter().any(|file| file.ends_with(path))
    }

    fn has_function(&self, name: &str) -> bool {
        self.functions.values().any(|names| names.contains(name))
    }

    fn knows(&self, kind: &str, name: &str) -> bool {
        let is_control = || CONTROLS.iter().any(|control| control.protection == name);
        match kind {
            "unit " => self.has_function(name),
            "c " => ["programs/NAME.c", "programs/NAME.cpp", "tests/NAME.rs"]
                .iter()
                .any(|path| self.has(&format!("c-tests/{}", path.replace("NAME", name)))),
            "rust " => self.has(&format!("rust-tests/soundness/tests/{name}.rs")),
            "loom " | "shuttle " => name.split_once("::").is_some_and(|(module, function)| {
                self.has(&format!("src/arena/protocols/{module}.rs"))
                    && self.functions.get(module).is_some_and(|names| names.contains(function))
            }),
            "Control: " => is_control(),
            CELL => is_control() || self.has_function(name),
            // A path of the repository, or a file of the library; not one of the system's.
            _ if !name.starts_with('/') && !name.contains(' ') && (name.contains('/') || name.ends_with(".rs")) => {
                self.has(name)
            }
            _ => true,
        }
    }
}

fn list(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display())) {
        let path = entry.expect("an entry").path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
            list(&path, files);
        } else {
            files.push(path);
        }
    }
}

fn safety() -> String {
    fs::read_to_string(repository().join("docs/SAFETY.md")).expect("docs/SAFETY.md")
}

#[test]
fn whatever_it_names_is_there() {
    let (tree, text) = (Tree::read(), safety());
    let names = names(&text);
    for kind in KINDS {
        assert!(names.iter().any(|(other, _)| *other == kind), "nothing is named as \"{kind}\"");
    }
    let missing: Vec<_> = names.into_iter().filter(|(kind, name)| !tree.knows(kind, name)).collect();
    assert!(missing.is_empty(), "docs/SAFETY.md names what is not there: {missing:?}");
}

#[test]
fn what_is_not_there_is_noticed() {
    let tree = Tree::read();
    let text =
        "c `threads`, `gone` and\n`fork`; unit `gone`; loom `spans::double_free` (`spans::gone`); `src/gone.rs`; \
                Control: `reset`, `gone`. `free` | `gone` |";
    let missing: Vec<_> = names(text).into_iter().filter(|(kind, name)| !tree.knows(kind, name)).collect();
    let expected = [("c ", "gone"), ("unit ", "gone"), ("loom ", "spans::gone"), ("", "src/gone.rs")];
    assert_eq!(missing, [&expected[..], &[("Control: ", "gone"), (CELL, "gone")]].concat());
}

#[test]
fn every_model_and_every_protection_is_named() {
    let text = safety();
    let directory = repository().join("src/arena/protocols");
    let mut models = Vec::new();
    for entry in fs::read_dir(directory).expect("the models") {
        let path = entry.expect("an entry").path();
        let source = fs::read_to_string(&path).expect("a source file");
        let module = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let tests = source.split("#[test]\nfn ").skip(1).filter_map(|rest| rest.split('(').next());
        models.extend(tests.filter(|name| !name.starts_with("the_checker_")).map(|name| format!("{module}::{name}")));
    }
    assert!(models.len() > 40, "{models:?}");
    let protections = CONTROLS.iter().map(|control| control.protection.to_owned());
    let unnamed: Vec<_> = models.into_iter().chain(protections).filter(|n| !text.contains(&format!("`{n}`"))).collect();
    assert!(unnamed.is_empty(), "docs/SAFETY.md does not name {unnamed:?}");
}
