//! Reading a page.

use std::collections::BTreeMap;

/// Each series with its value; every line is one, or a comment.
#[track_caller]
pub fn series(page: &str) -> BTreeMap<String, f64> {
    let mut all = BTreeMap::new();
    for line in page.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').expect("a series and its value");
        let is_first = all.insert(name.to_owned(), value.parse().expect("a number")).is_none();
        assert!(is_first, "{name} is there twice");
    }
    all
}

/// The value of the series `resilience_` and `name`, if it is on the page now.
pub fn now(name: &str) -> Option<f64> {
    series(&resilience::metrics::prometheus()).get(&format!("resilience_{name}")).copied()
}
