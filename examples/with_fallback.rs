//! Several answers in order, the error at hand, and errors that are not answered at all.

use resilience::with_fallback;
use std::io;

#[with_fallback(cached(id), explain(id, error), on(timeout, connection))]
fn title(id: u32) -> io::Result<String> {
    Err(match id {
        0 => io::ErrorKind::PermissionDenied.into(),
        _ => io::ErrorKind::TimedOut.into(),
    })
}

fn cached(id: u32) -> Option<String> {
    (id == 1).then(|| "a title from yesterday".to_owned())
}

fn explain(id: u32, error: &io::Error) -> io::Result<String> {
    Ok(format!("title {id} is not there now: {error}"))
}

fn main() {
    for id in [1, 2, 0] {
        println!("{id}: {:?}", title(id));
    }
}
