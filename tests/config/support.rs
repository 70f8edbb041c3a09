//! Files of a test, and what the tests look at.

use resilience::config::{Config, ConfigErrors, Report};
use resilience::{PointInfo, points};
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

/// A directory that is removed at the end of a test.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("resilience-config-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).expect("a directory");
        Self(path.canonicalize().expect("a real path"))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file and returns its path.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).expect("a file");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Loads `text` as a file of its own.
pub fn load(text: &str) -> Result<Report, ConfigErrors> {
    let folder = Folder::new();
    Config::new().file(folder.write("shop.toml", text)).load()
}

/// Each mistake in `text`: its line, and what is wrong.
pub fn mistakes(text: &str) -> Vec<(u32, String)> {
    let errors = load(text).expect_err("it has mistakes");
    let line = |source: &resilience::settings::Source| match source {
        resilience::settings::Source::File { line, .. } => *line,
        other => panic!("{other} is no line"),
    };
    errors.errors().iter().map(|error| (line(&error.source), error.reason.clone())).collect()
}

pub fn info(name: &str) -> PointInfo {
    let all = points();
    let found = all.into_iter().find(|point| &*point.name == name);
    found.unwrap_or_else(|| panic!("no function is called {name}"))
}

/// The value of a setting in the inventory, with where it is from.
pub fn shown(name: &str, kind: &str, setting: &str) -> String {
    let info = info(name);
    let policy = info.stack.iter().find(|policy| policy.kind == kind).expect("the policy");
    let setting = policy.settings.iter().find(|listed| listed.name == setting);
    setting.map_or_else(|| "nothing".to_owned(), ToString::to_string)
}
