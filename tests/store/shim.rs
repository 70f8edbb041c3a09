//! C code that is loaded into a process before the C library.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// Compiles `source`, a path in the repository, with the compiler that SQLite itself needs.
///
/// # Errors
///
/// There is no compiler.
pub(crate) fn compiled(source: &str) -> Result<PathBuf, String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(source);
    let name = source.file_stem().unwrap_or_default().to_string_lossy();
    let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.so"));
    // Another process may have loaded the library: it is replaced, never written to.
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let part = library.with_extension(format!("{}-{number}.part", std::process::id()));
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let status =
        Command::new(&compiler).args(["-shared", "-fPIC", "-O1", "-o"]).arg(&part).arg(&source).status();
    let status = status.map_err(|error| format!("no C compiler `{compiler}`: {error}"))?;
    assert!(status.success(), "`{compiler}` could not compile {}", source.display());
    std::fs::rename(&part, &library).expect("the library");
    Ok(library)
}
