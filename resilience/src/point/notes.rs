//! What the inventory says of the program as a whole, in sentences.

use crate::base::site::Site;
use crate::base::sync::locked;
use std::sync::Mutex;

/// The notes of the process, or of a test world.
#[derive(Debug, Default)]
struct Notes {
    /// The warnings about the configuration in force.
    configuration: Vec<String>,
    /// Where jobs and steps are recorded, if that may surprise.
    store: Option<&'static str>,
}

impl Notes {
    const fn new() -> Self {
        Self { configuration: Vec::new(), store: None }
    }
}

static NOTES: Site<Mutex<Notes>> = Site::new(Mutex::new(Notes::new()), || Mutex::new(Notes::new()));

/// Shows these sentences about the configuration in the inventory.
#[cfg(feature = "config")]
pub(crate) fn of_configuration(sentences: Vec<String>) {
    locked(&NOTES).configuration = sentences;
}

/// Shows this sentence about the default store in the inventory, or none.
#[cfg(feature = "durable")]
pub(crate) fn of_store(sentence: Option<&'static str>) {
    locked(&NOTES).store = sentence;
}

/// Returns all notes.
pub(super) fn all() -> Vec<String> {
    let notes = locked(&NOTES);
    notes.configuration.iter().cloned().chain(notes.store.map(str::to_owned)).collect()
}
