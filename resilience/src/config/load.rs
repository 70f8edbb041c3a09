//! A load: one transaction from the bytes of a file to settings in force.

use super::entry::{Entry, PossibleMeaning, UnreadEntry};
use super::environment::{self, Variable};
use super::file::Content;
use super::names::Names;
use super::report::{ConfigError, ConfigErrors, Report};
use super::{file, resolve};
use crate::base::site::Site;
use crate::base::sync::locked;
use crate::event::{Event, emit};
use crate::point::PointName;
use crate::point::notes;
use crate::point::overrides::{publish, return_to};
use crate::settings::Source;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// The sources of settings: a file, the environment, or both.
///
/// [`load`](super::load) is this with a file and the environment. The configuration that was loaded last is the one
/// that [`reload`](super::reload) loads.
///
/// # Examples
///
/// A program that is configured by its environment alone, and whose deployment has no older versions:
///
/// ```
/// use resilience::config::Config;
///
/// # let _world = resilience::testing::isolate();
/// let report = Config::new().environment().strict_points().load()?;
/// assert_eq!(report.settings, 0);
/// # Ok::<(), resilience::config::ConfigErrors>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Config {
    file: Option<Arc<Path>>,
    variables: Variables,
    strict_points: bool,
}

#[derive(Clone, Debug, Default)]
enum Variables {
    #[default]
    None,
    OfProcess,
    Given(Vec<Variable>),
}

impl Config {
    /// Creates a configuration that has no settings.
    ///
    /// Without a file and variables, [`load`](Self::load) puts the values in the code back in force.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::config::Config;
    ///
    /// # let _world = resilience::testing::isolate();
    /// Config::new().variables([("RESILIENCE__WITH_RETRY__MAX", "1")]).load()?;
    /// let report = Config::new().load()?;
    /// assert!(report.changed, "back to the code");
    /// assert_eq!(report.settings, 0);
    /// # Ok::<(), resilience::config::ConfigErrors>(())
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the file at `path`, which must be absolute.
    ///
    /// Each load opens it again, through symbolic links.
    ///
    /// The file is TOML, at most 4 MiB, a regular file that only its owner may write, and not empty; any other file is
    /// refused as a whole. Nothing is read before [`load`](Self::load). A second call replaces the first.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::config::Config;
    ///
    /// # let _world = resilience::testing::isolate();
    /// # let path = std::env::temp_dir().join(format!("resilience-config-{}.toml", std::process::id()));
    /// std::fs::write(&path, "[with_retry]\nenabled = false\n")?;
    /// # #[cfg(unix)]
    /// # std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    /// let report = Config::new().file(&path).load()?;
    /// assert_eq!(report.settings, 1);
    /// # std::fs::remove_file(path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn file(mut self, path: impl Into<PathBuf>) -> Self {
        self.file = Some(path.into().into());
        self
    }

    /// Adds the variables of the environment whose names begin with `RESILIENCE__`.
    ///
    /// They are read by each load, and override the file.
    ///
    /// The prefix is matched whatever its case, as are the names behind it. Two variables whose names differ only in
    /// case are an error. In tests use [`variables`](Self::variables): the environment belongs to the whole process.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::config::Config;
    ///
    /// # let _world = resilience::testing::isolate();
    /// let report = Config::new().environment().load()?;
    /// assert!(report.warnings.is_empty());
    /// # Ok::<(), resilience::config::ConfigErrors>(())
    /// ```
    pub fn environment(mut self) -> Self {
        self.variables = Variables::OfProcess;
        self
    }

    /// Adds variables in place of those of the environment: from a file of variables, or in a test.
    ///
    /// Names that do not begin with `RESILIENCE__` are ignored, as in the environment.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::config::Config;
    /// use resilience::{points, with_retry};
    ///
    /// #[with_retry(max = 3, name = "exchange::rates")]
    /// fn exchange_rates() -> std::io::Result<u32> {
    ///     Ok(7)
    /// }
    ///
    /// # let _world = resilience::testing::isolate();
    /// # let _ = exchange_rates;
    /// Config::new().variables([("RESILIENCE__EXCHANGE_RATES__WITH_RETRY__MAX", "5")]).load().unwrap();
    /// let rates = points().into_iter().find(|point| &*point.name == "exchange::rates").unwrap();
    /// assert_eq!(rates.max_calls, 6);
    /// assert_eq!(rates.stack[0].settings[0].to_string(), "max = 5 from RESILIENCE__EXCHANGE_RATES__WITH_RETRY__MAX");
    /// ```
    pub fn variables<N: AsRef<str>, V: AsRef<str>>(
        mut self,
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let pairs = variables.into_iter();
        let pairs = pairs.map(|(name, value)| (name.as_ref().into(), value.as_ref().into()));
        self.variables = Variables::Given(environment::ours(pairs));
        self
    }

    /// Refuses names of functions that the program does not have, which otherwise cause a warning.
    ///
    /// Use it for a program of which two versions never run at once.
    ///
    /// A program that is rolled out step by step may read settings for functions that only its next version has; keep
    /// the default there, which is a warning.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::config::Config;
    ///
    /// # let _world = resilience::testing::isolate();
    /// let config = || Config::new().variables([("RESILIENCE__NO_SUCH_FUNCTION__WITH_RETRY__MAX", "5")]);
    /// assert_eq!(config().load().unwrap().warnings.len(), 1);
    /// assert_eq!(config().strict_points().load().unwrap_err().errors().len(), 1);
    /// ```
    pub const fn strict_points(mut self) -> Self {
        self.strict_points = true;
        self
    }

    /// Applies the settings, all at once, and makes this configuration the one that is loaded again.
    ///
    /// Settings that it does not name have the values in the code.
    ///
    /// Blocks the thread for reading the file and for judging every function of the program; loads of several
    /// threads follow one another. Calls that run keep the settings with which they began. After an error this
    /// configuration is still the one that [`reload`](super::reload) tries again.
    ///
    /// # Errors
    ///
    /// All mistakes, in which case nothing changes: before the first load the settings are those in the code.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::config::{self, Config};
    ///
    /// # let _world = resilience::testing::isolate();
    /// let wrong = [("RESILIENCE__WITH_RETRY__ENABLED", "false"), ("RESILIENCE__WITH_RETRY__MAX", "-1")];
    /// assert!(Config::new().variables(wrong).load().is_err());
    /// assert_eq!(config::current(), None, "the valid one is not in force either");
    /// ```
    pub fn load(self) -> Result<Report, ConfigErrors> {
        let mut state = locked(&STATE);
        let loaded = state.load(&self);
        // A reload may find a file or function that is missing now.
        state.config = Some(self);
        drop(state);
        emit_loaded(loaded)
    }
}

/// The configuration that was loaded.
///
/// It is locked for the whole of a load, so that two loads never mix. Events are made after the lock is free: a handler
/// may load, too.
#[derive(Debug, Default)]
struct State {
    config: Option<Config>,
    /// The content of the file that was loaded or refused last.
    tried: Option<Content>,
    /// The values in force.
    entries: Vec<Entry>,
    report: Option<Report>,
    /// The places of the functions that they change.
    places: BTreeSet<usize>,
    /// Each configuration that was in force, with its generation: one that is loaded again takes no further memory.
    known: Vec<(Vec<Entry>, usize)>,
}

static STATE: Site<Mutex<State>> = Site::new(Mutex::new(State::new()), || Mutex::new(State::new()));

/// Loads the last configuration again.
pub(super) fn reload() -> Result<Report, ConfigErrors> {
    let mut state = locked(&STATE);
    let Some(config) = state.config.clone() else {
        drop(state);
        let source = Source::Environment { variable: "resilience::config".into() };
        return Err(ConfigError::new(&source, "nothing was loaded yet: call `config::load` first").into());
    };
    let loaded = state.load(&config);
    drop(state);
    emit_loaded(loaded)
}

/// Loads the last configuration again, if the file still has this content.
pub(super) fn reload_content(seen: Content) {
    let mut state = locked(&STATE);
    let Some(config) = state.config.clone() else { return };
    let text = config.file.as_ref().map(file::content);
    if text.as_ref().map(Content::of) != Some(seen) {
        return;
    }
    let loaded = state.load_text(&config, text);
    drop(state);
    // Its mistakes are in the event.
    drop(emit_loaded(loaded));
}

/// Returns the report of the settings in force; `None` before the first load.
pub(super) fn current() -> Option<Report> {
    locked(&STATE).report.clone()
}

/// Returns the path of the loaded file.
pub(super) fn path() -> Option<Arc<Path>> {
    locked(&STATE).config.as_ref()?.file.clone()
}

/// Returns the content that was loaded or refused last.
pub(super) fn tried() -> Option<Content> {
    locked(&STATE).tried
}

impl State {
    const fn new() -> Self {
        Self {
            config: None,
            tried: None,
            entries: Vec::new(),
            report: None,
            places: BTreeSet::new(),
            known: Vec::new(),
        }
    }

    fn load(&mut self, config: &Config) -> Result<Report, ConfigErrors> {
        self.load_text(config, config.file.as_ref().map(file::content))
    }

    /// Loads `text` as the content of the file.
    fn load_text(
        &mut self,
        config: &Config,
        text: Option<Result<String, ConfigError>>,
    ) -> Result<Report, ConfigErrors> {
        let names = Names::read();
        self.tried = text.as_ref().map(Content::of);
        let (entries, unread) = config.entries(text, &names);
        let resolved =
            resolve::resolve(&entries, unread, &names, config.strict_points).map_err(ConfigErrors::new)?;
        let changed = entries != self.entries;
        let report = Report { changed, settings: entries.len(), warnings: resolved.warnings };
        if changed {
            let places: BTreeSet<_> = resolved.points.keys().copied().collect();
            let known =
                self.known.iter().find(|(known, _)| *known == entries).map(|(_, generation)| *generation);
            match known {
                _ if resolved.points.is_empty() => return_to(0),
                Some(generation) => return_to(generation),
                None => {
                    let full = || ConfigErrors::from(too_many(&entries));
                    let generation = publish(resolved.points).ok_or_else(full)?;
                    self.known.push((entries.clone(), generation));
                }
            }
            self.entries = entries;
            let affected = &self.places | &places;
            self.places = places;
            names.apply_changes(&affected);
        }
        notes::of_configuration(report.warnings.iter().map(ToString::to_string).collect());
        self.report = Some(Report { changed: false, ..report.clone() });
        Ok(report)
    }
}

fn too_many(entries: &[Entry]) -> ConfigError {
    let none = Source::Environment { variable: "resilience::config".into() };
    let source = entries.first().map_or(none, |entry| entry.source.clone());
    ConfigError::new(&source, "the settings have changed more often than a process can remember: restart it")
}

impl Config {
    /// Returns the values of the file, then those of the environment; and what could not be read.
    fn entries(
        &self,
        text: Option<Result<String, ConfigError>>,
        names: &Names,
    ) -> (Vec<Entry>, Vec<UnreadEntry>) {
        let (mut entries, mut errors) = match (&self.file, text) {
            (Some(path), Some(Ok(text))) => file::entries(path, &text, names),
            (_, Some(Err(error))) => {
                (Vec::new(), vec![UnreadEntry { error, may_mean: Some(PossibleMeaning::ANY) }])
            }
            _ => (Vec::new(), Vec::new()),
        };
        let variables = match &self.variables {
            Variables::None => Vec::new(),
            Variables::OfProcess => environment::ours(std::env::vars_os()),
            Variables::Given(variables) => variables.clone(),
        };
        let (values, mistakes) = environment::entries(&variables, names);
        entries.extend(values);
        errors.extend(mistakes);
        (entries, errors)
    }
}

/// Makes the event of a load; no lock is held.
fn emit_loaded(loaded: Result<Report, ConfigErrors>) -> Result<Report, ConfigErrors> {
    const POINT: PointName = PointName::new("config");
    match &loaded {
        Ok(report) if report.changed => {
            if !report.warnings.is_empty() {
                let lines: Vec<_> = report.warnings.iter().map(ToString::to_string).collect();
                let problem = Some(lines.join("\n"));
                emit(&Event::Config { point: POINT, settings: 0, problem, refused: false }, None);
            }
            let settings = u32::try_from(report.settings).unwrap_or(u32::MAX);
            emit(&Event::Config { point: POINT, settings, problem: None, refused: false }, None);
        }
        Ok(_) => {}
        Err(errors) => {
            let problem = Some(errors.to_string());
            emit(&Event::Config { point: POINT, settings: 0, problem, refused: true }, None);
        }
    }
    loaded
}
