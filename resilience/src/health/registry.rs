//! The list of checks: those of the linker's table, the built-in ones, and those that the program registered.
//!
//! The list is made at the first question. The values of `each` are code of the program, so it is made outside of the
//! lock; of two threads that make it at once, the first one's counts.

use super::answer::Answer;
use super::flight::Entry;
use super::site::{CheckSite, HEALTH_CHECKS_0_1, Listed};
use super::work::{CheckCode, LIMIT};
use crate::base::guarded::guarded;
use crate::base::site::Site;
use crate::base::sync::locked;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// The checks by name.
type Entries = BTreeMap<String, Arc<Entry>>;

static ENTRIES: Site<Mutex<Option<Entries>>> = Site::new(Mutex::new(None), || Mutex::new(None));

/// Calls `work` with the list.
fn with<T>(work: impl FnOnce(&mut Entries) -> T) -> T {
    let is_made = locked(&ENTRIES).is_some();
    let made = if is_made { None } else { Some(made()) };
    let mut entries = locked(&ENTRIES);
    work(entries.get_or_insert_with(|| made.unwrap_or_default()))
}

/// Returns the list, made on first use.
fn made() -> Entries {
    let mut entries = Entries::new();
    for (name, work) in super::builtin::checks() {
        entries.insert(name.to_owned(), Entry::new(name.to_owned(), LIMIT, false, work));
    }
    let mut sites: Vec<&CheckSite> = HEALTH_CHECKS_0_1.iter().collect();
    sites.sort_by_key(|site| site.name);
    for site in sites {
        for Listed { name, work } in listed(site) {
            let name = free(&entries, name);
            entries.insert(name.clone(), Entry::new(name, site.limit, site.is_critical, work));
        }
    }
    entries
}

/// Returns the checks of a function; one that fails if its values cannot be listed.
fn listed(site: &CheckSite) -> Vec<Listed> {
    guarded(site.list).unwrap_or_else(|| {
        let failed = || Answer::fail("the values of `each` could not be listed: their expression panicked");
        vec![Listed { name: site.name.to_owned(), work: CheckCode::blocking(failed) }]
    })
}

/// Returns `name`, or the first free one of `name#2`, ..
fn free(entries: &Entries, name: String) -> String {
    if !entries.contains_key(&name) {
        return name;
    }
    let mut numbered = (2_u32..).map(|number| format!("{name}#{number}"));
    numbered.find(|name| !entries.contains_key(name)).unwrap_or(name)
}

/// Adds `entry`, in place of the one with its name.
pub(super) fn add(entry: Arc<Entry>) {
    let before = with(|entries| entries.insert(entry.name.to_string(), entry));
    // The former check is code of the program: dropped without the lock.
    drop(before);
}

/// Removes the check called `name`; whether there was one.
pub(super) fn remove(name: &str) -> bool {
    let removed = with(|entries| entries.remove(name));
    removed.is_some()
}

/// Returns the check called `name`.
pub(super) fn find(name: &str) -> Option<Arc<Entry>> {
    with(|entries| entries.get(name).cloned())
}

/// Returns every check, by name.
pub(super) fn all() -> Vec<Arc<Entry>> {
    with(|entries| entries.values().cloned().collect())
}

/// Returns every entry by name, if the list was made already.
pub(super) fn known() -> Vec<Arc<Entry>> {
    let entries = locked(&ENTRIES);
    entries.iter().flat_map(BTreeMap::values).cloned().collect()
}
