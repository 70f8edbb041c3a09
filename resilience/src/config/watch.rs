//! Loading again when the file has changed, and on a signal.
//!
//! The file is opened by its path at each look, never watched by its inode: an editor, a package manager and Kubernetes
//! put another file in its place, by a rename or by a symbolic link above it.

use super::{file, load};
use crate::base::repeating::{Repeating, Stop, repeat};
use std::io;
use std::time::Duration;

/// The wait of the thread between two looks.
const EVERY: Duration = Duration::from_secs(5);
/// The time for which a file must stay unchanged before it is loaded: it may still be incomplete while it is written.
const CALM: Duration = Duration::from_millis(200);
/// The number of changes within one look after which the look is given up until the next one.
const RESTLESS: u32 = 25;

/// The watch of a changing file, which is loaded again until this is dropped; see [`watch`].
///
/// Dropping it ends the thread; a load that has begun is finished. Several at once look several times, and do no harm.
///
/// # Examples
///
/// Looking at the file only while the program is in a state in which settings may change:
///
/// ```
/// use resilience::config;
///
/// # let _world = resilience::testing::isolate();
/// let looks = config::watch()?;
/// // .. work that may be tuned while it runs ..
/// drop(looks);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "the looks end when it is dropped"]
pub struct Watch {
    #[expect(dead_code, reason = "it ends the looks when it is dropped")]
    looks: Repeating,
}

/// Looks at the file every 5 s, on a thread of its own, and loads it again when its content has changed.
///
/// It is the file of the last [`load`](super::load()), which may come later. The file is loaded once it was the same
/// twice, 200 ms apart. Write a new file beside it and rename that, so that no half of it is ever seen; a `ConfigMap`
/// is replaced in this way. The environment of a process does not change, so that it is no reason to load.
///
/// | the file | what happens |
/// |---|---|
/// | has another content | it is loaded; if that fails, nothing changes, and it is not tried again until it changes |
/// | is removed | nothing: the settings stay |
/// | is empty, or writable for others | it is refused, once |
///
/// Each load or refusal is an [`Event::Config`](crate::Event::Config), in `tracing` under the target
/// `resilience::config`.
///
/// # Errors
///
/// The system has no thread left.
///
/// # Examples
///
/// ```no_run
/// use resilience::config;
///
/// // In `main`, for as long as the program runs:
/// config::load("/etc/shop/resilience.toml")?;
/// let _watch = config::watch()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn watch() -> io::Result<Watch> {
    Ok(Watch { looks: repeat("resilience-config", EVERY, look)? })
}

/// Looks once: loads the file if its content differs from the one that was loaded or refused last.
fn look(stop: &Stop) {
    let Some(path) = load::path() else { return };
    let mut seen = file::look(&path);
    for _ in 0..RESTLESS {
        let Some(content) = seen.filter(|_| seen != load::tried()) else { return };
        stop.wait(CALM);
        if stop.is_stopped() {
            return;
        }
        let again = file::look(&path);
        if again == seen {
            return load::reload_content(content);
        }
        seen = again;
    }
}

/// Loads again on each `SIGHUP`, on a thread of its own.
///
/// It is [`reload`](super::reload) of the file and the environment; what comes of it is an
/// [`Event::Config`](crate::Event::Config). A signal during a load causes another one after it. A handler cannot be
/// removed, and without it the signal ends the process: so call this before anything sends one.
///
/// A load that is refused changes nothing and prints nothing: an operator reads the mistakes in the log (target
/// `resilience::config`), in `alerts.jsonl`, or where the program writes them, as below. The file of alerts has one
/// line a minute about refused configurations.
///
/// A second call changes nothing.
///
/// # Errors
///
/// If the handler cannot be installed, or no thread be started.
///
/// # Examples
///
/// ```no_run
/// use resilience::config;
///
/// config::load("/etc/shop/resilience.toml")?;
/// config::on_sighup()?;
/// // With the feature `ops`: what each load has changed, or why it was refused, without a log.
/// # #[cfg(feature = "ops")]
/// resilience::events::on([resilience::events::Kind::Config], |record| eprintln!("{}", record.event));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[cfg(unix)]
pub fn on_sighup() -> io::Result<()> {
    use crate::base::sync::locked;
    use signal_hook::consts::SIGHUP;
    use signal_hook::iterator::Signals;
    use std::sync::Mutex;

    static IS_INSTALLED: Mutex<bool> = Mutex::new(false);
    let mut is_installed = locked(&IS_INSTALLED);
    if *is_installed {
        return Ok(());
    }
    let mut signals = Signals::new([SIGHUP])?;
    let on_signals = move || signals.forever().for_each(|_| drop(load::reload()));
    std::thread::Builder::new().name("resilience-sighup".to_owned()).spawn(on_signals)?;
    *is_installed = true;
    Ok(())
}
