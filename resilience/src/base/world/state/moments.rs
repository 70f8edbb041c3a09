//! Named moments inside the durable part and of transactions of files, at which a crash test strikes.

use std::sync::OnceLock;

static STRIKE: OnceLock<fn(&'static str)> = OnceLock::new();

/// Calls `strike` at every named moment of a job, a step or a transaction from now on, in the whole process.
///
/// For crash tests: a child process that blocks in `strike` can be killed at just that moment, and its parent
/// then checks what a new process recovers. The moments are `"after claim"`, `"after body"`,
/// `"before complete"`, `"after complete"`, `"rollback started"`, `"after undo"`, `"in rollback"`,
/// `"in sweep"` and `"after save"`; and, before each change of the disk in a transaction, names that begin with
/// `"fs "`. The first call decides; later ones have no effect.
///
/// # Examples
///
/// ```
/// use resilience::testing::on_moment;
///
/// // In the child process of a crash test:
/// on_moment(|name| {
///     if std::env::var("STOP_AT").is_ok_and(|stop| stop == name) {
///         println!("{name}"); // the parent waits for this line, then kills this process
///         loop {
///             std::thread::park();
///         }
///     }
/// });
/// ```
pub fn on_moment(strike: fn(&'static str)) {
    let _ = STRIKE.set(strike);
}

/// Reports to a crash test that the moment `name` is reached.
pub(crate) fn reached(name: &'static str) {
    if let Some(strike) = STRIKE.get() {
        strike(name);
    }
}
