//! Two versions of the crate in one binary do not meet: each sees its own points only.

use crate::{cargo, root};
use std::fs;
use std::path::Path;

/// What the linker fills in, and where it is declared.
const TABLES: [(&str, &str); 4] = [
    ("POINTS", "point/site.rs"),
    ("CLASSIFIERS", "failure/dynamic.rs"),
    ("JOBS", "durable/job/site.rs"),
    ("HEALTH_CHECKS", "health/site.rs"),
];

fn copy(from: &Path, to: &Path, change: &dyn Fn(String) -> String) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &name, change);
        } else {
            fs::write(name, change(fs::read_to_string(&path).expect("text"))).expect("a copy");
        }
    }
}

/// A copy of both crates that calls itself `version`, as the next release would.
fn release(version: &str, folder: &Path) {
    let root = root();
    let underscored = version.rsplit_once('.').expect("three numbers").0.replace('.', "_");
    let change = |text: String| {
        TABLES.iter().fold(text, |text, (table, _)| {
            text.replace(&format!("{table}_0_1"), &format!("{table}_{underscored}"))
        })
    };
    for krate in ["resilience", "resilience-macros"] {
        copy(&root.join(krate), &folder.join(krate), &change);
    }
    let manifest = fs::read_to_string(root.join("Cargo.toml")).expect("a manifest");
    let workspace = manifest.split("# The root package").next().expect("the workspace");
    let lines = workspace.lines().map(|line| match line.split_once(" = [") {
        Some(("members" | "default-members", _)) => "members = [\"resilience\", \"resilience-macros\"]",
        _ => line,
    });
    let mut seen = false;
    let once = |line: &&str| !line.starts_with("members") || !std::mem::replace(&mut seen, true);
    let workspace = lines.filter(once).collect::<Vec<_>>().join("\n").replace("0.1.0", version);
    fs::write(folder.join("Cargo.toml"), workspace).expect("a manifest");
    fs::copy(root.join("README.md"), folder.join("README.md")).expect("a readme");
}

const MAIN: &str = r#"
mod old {
    #[one::with_retry(max = 1, crate = ::one)]
    pub fn call() -> Option<u32> { Some(1) }
    #[derive(Debug, one::Classify)]
    #[classify(permanent, crate = ::one)]
    pub struct Failure;
    #[one::job("import:{id}", crate = ::one)]
    pub fn import(id: u32) -> Result<u32, one::Rejected> { step(id) }
    #[one::checkpoint("step:{id}", rollback = |_: u32| (), crate = ::one)]
    fn step(id: u32) -> Result<u32, one::Rejected> { Ok(id) }
    #[one::health_check("old", crate = ::one)]
    pub fn check() {}
}
mod new {
    #[two::with_retry(max = 2, crate = ::two)]
    pub fn call() -> Option<u32> { Some(2) }
    #[derive(Debug, two::Classify)]
    #[classify(permanent, crate = ::two)]
    pub struct Failure;
    #[two::job("import:{id}", crate = ::two)]
    pub fn import(id: u32) -> Result<u32, two::Rejected> { step(id) }
    #[two::checkpoint("step:{id}", rollback = |_: u32| (), crate = ::two)]
    fn step(id: u32) -> Result<u32, two::Rejected> { Ok(id + 1) }
    #[two::health_check("new", crate = ::two)]
    pub fn check() {}
}
fn main() {
    assert_eq!((old::call(), new::call()), (Some(1), Some(2)));
    // Two jobs of one name, which do not meet either.
    one::recover().until_done().blocking().unwrap();
    two::recover().until_done().blocking().unwrap();
    assert_eq!((old::import(1).unwrap(), new::import(1).unwrap()), (1, 2));
    let names = |all: Vec<String>| all.join(" ");
    println!("{}", names(one::points().iter().map(|point| point.name.to_string()).collect()));
    println!("{}", names(two::points().iter().map(|point| point.name.to_string()).collect()));
    let of_one: Vec<_> = one::health::check_all().iter().map(|status| status.component.to_string()).collect();
    let of_two: Vec<_> = two::health::check_all().iter().map(|status| status.component.to_string()).collect();
    for (components, own, other) in [(of_one, "old", "new"), (of_two, "new", "old")] {
        assert!(components.iter().any(|name| name == own) && !components.iter().any(|name| name == other));
    }
    let _ = (old::Failure, new::Failure);
}
"#;

#[test]
fn each_version_sees_its_own_points() {
    let folder = crate::folder("two_versions");
    for (version, place) in [("0.1.0", "one"), ("0.2.0", "two")] {
        // Files that an earlier run copied may be gone from the crates.
        let _ = fs::remove_dir_all(folder.join(place));
        release(version, &folder.join(place));
    }
    fs::create_dir_all(folder.join("both/src")).expect("a folder");
    fs::write(folder.join("both/src/main.rs"), MAIN).expect("a program");
    let manifest = "[package]\nname = \"both\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\n\
        one = { package = \"resilience\", path = \"../one/resilience\", features = [\"durable\", \"ops\"] }\n\
        two = { package = \"resilience\", path = \"../two/resilience\", features = [\"durable\", \"ops\"] }\n\n[workspace]\n";
    fs::write(folder.join("both/Cargo.toml"), manifest).expect("a manifest");
    let lock = root().join("Cargo.lock");
    fs::copy(lock, folder.join("both/Cargo.lock")).expect("the same versions");
    let mut cargo = cargo();
    cargo.args(["run", "--quiet", "--offline"]).current_dir(folder.join("both"));
    let output = cargo.output().expect("cargo");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "both::old::call both::old::import both::old::step\nboth::new::call both::new::import both::new::step\n",
        "{errors}"
    );
}

#[test]
fn the_inventory_tables_carry_the_version() {
    let root = root();
    let manifest = fs::read_to_string(root.join("Cargo.toml")).expect("a manifest");
    let version =
        manifest.split("version = \"").nth(1).and_then(|rest| rest.split('"').next()).expect("a version");
    let (major, _) = version.rsplit_once('.').expect("three numbers");
    for (table, file) in TABLES {
        let name = format!("{table}_{}", major.replace('.', "_"));
        let source = fs::read_to_string(root.join("resilience/src").join(file)).expect("a source");
        assert!(
            source.contains(&format!("static {name}:")),
            "the tables' names must carry the version {version}: {table}"
        );
    }
}
