//! One program: run plainly and in two settings of the library, and compared.
#![forbid(unsafe_code)]

use crate::program::{Program, Use};
use c_tests::{library, repository, Outcome, Run};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Of one run; servers and compilers at CI length take a twentieth of it, but for a machine that is busy with other things.
const TIMEOUT: Duration = Duration::from_secs(600);

/// Where the runs are: outside the repository, so that another user's server can get there.
pub struct Place {
    pub dir: PathBuf,
    library: PathBuf,
    engage: PathBuf,
    scale: u32,
}

impl Place {
    pub fn new(scale: u32) -> Self {
        let dir = std::env::temp_dir().join(format!("zkalloc-compat-{}", std::process::id()));
        make_dir(&dir);
        let place = Self { library: dir.join("libzkalloc.so"), engage: dir.join("engage.so"), dir, scale };
        fs::copy(library(), &place.library).unwrap_or_else(|error| panic!("{}: {error}", place.library.display()));
        let source = scripts().join("engage.c");
        Run::new("cc")
            .args(["-O1", "-shared", "-fPIC", "-fno-builtin", "-o"])
            .arg(&place.engage)
            .arg(source)
            .finish()
            .expect_quiet_success();
        // Readable for everybody, whatever the umask.
        for file in [&place.library, &place.engage] {
            set_mode(file, 0o755);
        }
        // Programs that drop their privileges read their scripts.
        copy_scripts(&place.scripts());
        place
    }

    fn scripts(&self) -> PathBuf {
        self.dir.join("scripts")
    }

    pub fn remove(&self) {
        fs::remove_dir_all(&self.dir).unwrap_or_else(|error| panic!("{}: {error}", self.dir.display()));
    }
}

fn scripts() -> PathBuf {
    repository().join("c-tests/compat")
}

fn copy_scripts(to: &Path) {
    make_dir(to);
    for entry in fs::read_dir(scripts()).expect("c-tests/compat").flatten() {
        let copy = to.join(entry.file_name());
        fs::copy(entry.path(), &copy).unwrap_or_else(|error| panic!("{}: {error}", copy.display()));
        set_mode(&copy, 0o644);
    }
}

fn make_dir(dir: &Path) {
    fs::create_dir_all(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    // Servers of other users write here too.
    set_mode(dir, 0o777);
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

#[derive(Clone, Copy, PartialEq)]
enum Setting {
    Plain,
    Preloaded,
    /// Every request goes to the arena, from a process's start on.
    Everything,
}

const SETTINGS: [Setting; 3] = [Setting::Plain, Setting::Preloaded, Setting::Everything];

impl Setting {
    fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Preloaded => "preloaded",
            Self::Everything => "everything",
        }
    }
}

/// A line of the table.
pub struct Row {
    pub name: &'static str,
    version: String,
    checks: String,
    results: [&'static str; 3],
    seconds: u64,
    pub details: Vec<String>,
    allowed_missing: bool,
}

impl Row {
    pub fn cells(&self) -> [String; 7] {
        let [plain, preloaded, everything] = self.results.map(String::from);
        let seconds = self.seconds.to_string();
        [self.name.into(), self.version.clone(), plain, preloaded, everything, seconds, self.checks.clone()]
    }

    pub fn failed(&self) -> bool {
        !self.allowed_missing && self.results != ["ok"; 3]
    }
}

pub fn row(program: &'static Program, place: &Place, keep: bool) -> Row {
    let mut row = Row {
        name: program.name,
        version: "-".into(),
        checks: program.checks.into(),
        results: ["-"; 3],
        seconds: 0,
        details: Vec::new(),
        allowed_missing: false,
    };
    if let Some(need) = program.missing() {
        row.results[0] = "not here";
        row.allowed_missing = program.optional;
        row.details.push(format!("{need} is missing; its packages are {}", program.packages.join(" ")));
        return row;
    }
    let started = Instant::now();
    let trial = Trial { program, place, dir: place.dir.join(program.name) };
    row.version = trial.version();
    let mut plain = None;
    for (setting, result) in SETTINGS.into_iter().zip(&mut row.results) {
        let begin = Instant::now();
        let outcome = trial.run(setting);
        let fault = trial.fault(setting, &outcome, plain.as_ref());
        *result = fault.as_ref().map_or("ok", |(word, _)| word);
        eprintln!("{:<12} {:<12}{:<12} {:>4} s", program.name, setting.name(), result, begin.elapsed().as_secs());
        if let Some((_, detail)) = fault {
            row.details.push(format!("{}: {detail}", setting.name()));
        }
        if setting == Setting::Plain {
            row.checks = format!("{} lines equal: {}", outcome.stdout.lines().count(), row.checks);
            plain = Some(outcome);
        }
    }
    row.seconds = started.elapsed().as_secs();
    if row.details.is_empty() && !keep {
        fs::remove_dir_all(&trial.dir).unwrap_or_else(|error| panic!("{}: {error}", trial.dir.display()));
    }
    row
}

/// What is wrong: a word for the table, and the whole story.
type Fault = (&'static str, String);

struct Trial<'a> {
    program: &'static Program,
    place: &'a Place,
    dir: PathBuf,
}

impl Trial<'_> {
    fn script(&self, what: &str) -> Run {
        let work = self.dir.join("work");
        make_dir(&self.dir);
        make_dir(&work);
        let home = |name: &str, default: &str| {
            std::env::var_os(name)
                .unwrap_or_else(|| Path::new(&std::env::var_os("HOME").unwrap_or_default()).join(default).into())
        };
        Run::new("bash")
            .arg(self.place.scripts().join(format!("{}.sh", self.program.name)))
            .arg(what)
            .dir(work)
            .env("SCALE", self.place.scale.to_string())
            .env("REPOSITORY", repository())
            // The scripts have a home of their own.
            .env("CARGO_HOME", home("CARGO_HOME", ".cargo"))
            .env("RUSTUP_HOME", home("RUSTUP_HOME", ".rustup"))
    }

    fn version(&self) -> String {
        self.script("version").finish().stdout.lines().next().unwrap_or("?").to_string()
    }

    fn tracked(&self, setting: Setting) -> PathBuf {
        self.dir.join(format!("{}.tracked", setting.name()))
    }

    fn stats_dir(&self, setting: Setting) -> PathBuf {
        self.dir.join(format!("{}.stats", setting.name()))
    }

    /// The work directory has the same name every time: names get into debug information and logs.
    fn run(&self, setting: Setting) -> Outcome {
        let _absent_is_fine = fs::remove_dir_all(self.dir.join("work"));
        let tracked = self.tracked(setting);
        let stats = self.stats_dir(setting);
        make_dir(&self.dir);
        make_dir(&stats);
        fs::write(&tracked, "").unwrap_or_else(|error| panic!("{}: {error}", tracked.display()));
        set_mode(&tracked, 0o666);
        let run = self.script("run").env("TRACKED", &tracked).timeout(TIMEOUT * self.place.scale);
        let run = match setting {
            Setting::Plain => run.env("WITH_LIBRARY", "0"),
            Setting::Preloaded => run.env("LD_PRELOAD", &self.place.library),
            // Constructors run from the end of the list.
            Setting::Everything => run
                .env("LD_PRELOAD", format!("{}:{}", self.place.engage.display(), self.place.library.display()))
                .env("ZK_ALLOC_MIN_BYTES", "0"),
        };
        if setting == Setting::Plain {
            return run.finish_or_kill();
        }
        run.env("WITH_LIBRARY", "1").env("ZK_ALLOC_STATS", stats.join("%p.json")).finish_or_kill()
    }

    fn fault(&self, setting: Setting, outcome: &Outcome, plain: Option<&Outcome>) -> Option<Fault> {
        if let Some(limit) = outcome.killed_after {
            return Some(("timeout", format!("{outcome}\nkilled after {limit:?}")));
        }
        if !outcome.status.success() {
            return Some(("FAILED", outcome.to_string()));
        }
        if let Some(complaint) = self.complaint(outcome) {
            return Some(("complained", complaint));
        }
        if outcome.stdout.is_empty() {
            return Some(("FAILED", format!("it printed nothing: {outcome}")));
        }
        let difference = plain.and_then(|plain| outcome.difference(plain));
        if let Some(difference) = difference {
            return Some(("differs", difference));
        }
        if setting == Setting::Plain {
            return None;
        }
        self.unused(setting).map(|detail| ("not engaged", detail))
    }

    /// A line of the library, on standard error or in a log of the program.
    fn complaint(&self, outcome: &Outcome) -> Option<String> {
        let mut texts = vec![outcome.stderr.clone()];
        for entry in fs::read_dir(self.dir.join("work")).ok()?.flatten() {
            if entry.path().extension().is_some_and(|extension| extension == "log") {
                texts.extend(fs::read(entry.path()).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()));
            }
        }
        texts.iter().flat_map(|text| text.lines()).find(|line| line.contains("zkalloc: ")).map(String::from)
    }

    /// Why the run proves nothing: a tracked process in which the library was not, or an arena that nobody used.
    fn unused(&self, setting: Setting) -> Option<String> {
        let tracked = fs::read_to_string(self.tracked(setting)).unwrap_or_default();
        let (mut used, mut count) = (0, 0);
        for process in tracked.lines() {
            count += 1;
            let file = self.stats_dir(setting).join(format!("{process}.json"));
            let Some(allocs) = arena_allocs(&file) else {
                return Some(format!("process {process} left no statistics: no library in it, or it died"));
            };
            used += u64::from(allocs > 0);
        }
        let enough = match (setting, self.program.arena) {
            (_, Use::Never) => true,
            (Setting::Everything, _) => used == count,
            // Any process: a compiler is a child of its driver, a database's worker one of its server.
            (_, Use::AtDefault) => self.anybody_used_the_arena(setting),
            (_, Use::AtZero) => true,
        };
        (!enough || count == 0).then(|| format!("{used} of {count} tracked processes used the arena"))
    }

    fn anybody_used_the_arena(&self, setting: Setting) -> bool {
        let Ok(files) = fs::read_dir(self.stats_dir(setting)) else { return false };
        files.flatten().any(|file| arena_allocs(&file.path()).is_some_and(|allocs| allocs > 0))
    }
}

fn arena_allocs(file: &Path) -> Option<u64> {
    let document: Value = serde_json::from_str(&fs::read_to_string(file).ok()?).ok()?;
    document["stats"]["arena_allocs"].as_u64()
}
