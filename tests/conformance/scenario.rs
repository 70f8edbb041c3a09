//! Scenario files: what is in them, and where they are.

use serde_json::Value;
use std::path::{Path, PathBuf};

/// One scenario, as written.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) id: String,
    pub(crate) area: String,
    /// Set where libraries decided differently: such a scenario cannot fail.
    pub(crate) convention: Option<String>,
    pub(crate) config: Value,
    pub(crate) steps: Vec<Value>,
    /// In the scenarios about this runner: the rule that explains why this one is not met.
    pub(crate) by_design: Option<String>,
    /// In the scenarios about this runner: how the reason begins why this one cannot be played.
    pub(crate) unsupported: Option<String>,
    /// `rejected` or `accepted`, for one that is only about its configuration.
    pub(crate) expects_config: Option<String>,
}

impl Scenario {
    fn read(area: &str, value: &Value) -> Result<Self, String> {
        let text = |key: &str| value[key].as_str().map(str::to_owned);
        Ok(Self {
            id: text("id").ok_or_else(|| format!("a scenario of `{area}` without an id"))?,
            area: area.to_owned(),
            convention: text("convention"),
            by_design: text("by_design"),
            unsupported: text("unsupported"),
            config: value["config"].clone(),
            steps: value["steps"].as_array().cloned().unwrap_or_default(),
            expects_config: value["expect"]["config"].as_str().map(str::to_owned),
        })
    }

    /// Whether `other` plays the same and expects the same.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        let parts = |of: &Self| (of.config.clone(), of.steps.clone(), of.expects_config.clone());
        self.id == other.id && parts(self) == parts(other)
    }

    /// A setting, by its path: `setting(&["retry", "delay_ms"])`.
    pub(crate) fn setting(&self, path: &[&str]) -> &Value {
        path.iter().fold(&self.config, |value, key| &value[*key])
    }
}

/// The folders that `RESILIENCE_SCENARIOS` names, separated by colons.
pub(crate) fn folders() -> Vec<PathBuf> {
    let others = std::env::var_os("RESILIENCE_SCENARIOS");
    others.iter().flat_map(std::env::split_paths).filter(|path| !path.as_os_str().is_empty()).collect()
}

/// The folder of the scenarios about this runner: of what the format has and `tests/scenarios` does not use.
pub(crate) fn about_the_runner() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/runner")
}

/// The folder of what other libraries expect.
pub(crate) fn own() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios")
}

/// Every scenario of `folder`, by file name, then as written.
///
/// # Errors
///
/// What could not be read, in words.
pub(crate) fn read(folder: &Path) -> Result<Vec<Scenario>, String> {
    let told = |path: &Path, error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let entries = std::fs::read_dir(folder).map_err(|error| told(folder, &error))?;
    let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|path| path.extension().is_some_and(|end| end == "json"));
    files.sort();
    let mut all = Vec::new();
    for path in files {
        let text = std::fs::read_to_string(&path).map_err(|error| told(&path, &error))?;
        let file: Value = serde_json::from_str(&text).map_err(|error| told(&path, &error))?;
        if file["format"] != "scenarios-1" {
            return Err(told(&path, &format!("the format {} is not known", file["format"])));
        }
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let area = file["area"].as_str().unwrap_or(&stem);
        for scenario in file["scenarios"].as_array().into_iter().flatten() {
            all.push(Scenario::read(area, scenario).map_err(|error| told(&path, &error))?);
        }
    }
    Ok(all)
}
