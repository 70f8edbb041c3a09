//! Cargo, as tests and `xtask` call it.

use std::process::Command;

/// Returns a call of cargo with the environment of a shell.
///
/// Cargo describes the package of the caller in `CARGO_MANIFEST_DIR` and `CARGO_PKG_*`. A build script that depends on
/// these would run again, and the crates that need it would be built again: for this call, and for the next one from a
/// shell.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env!("CARGO"));
    for (name, _) in std::env::vars_os() {
        let describes_package = name
            .to_str()
            .is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"));
        if describes_package {
            command.env_remove(name);
        }
    }
    command
}
