//! Named moments inside the durable part, at which a crash test strikes.

use std::sync::OnceLock;

static STRIKE: OnceLock<fn(&'static str)> = OnceLock::new();

/// Has `strike` called at every named moment of a job or step from now on, in the whole process, once for
/// all: `"after claim"`, `"after body"`, `"before complete"`, `"after complete"`, `"rollback started"`,
/// `"after undo"`, `"in rollback"`, `"in sweep"`, `"after save"`. For crash tests: a child process that
/// blocks there can be killed at just that moment. Later calls change nothing.
pub fn on_moment(strike: fn(&'static str)) {
    let _ = STRIKE.set(strike);
}

/// Reports to a crash test that the moment `name` is reached.
pub(crate) fn reached(name: &'static str) {
    if let Some(strike) = STRIKE.get() {
        strike(name);
    }
}
