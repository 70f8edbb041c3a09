//! The neighbours in the directories of a transaction, which are read once however many files are in them.

use super::dir::Dir;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;

/// The names that begin with a dot, as all neighbours do, of each directory that was asked for.
///
/// It is made under the locks of the files, so that only their holder changes what it has of them.
#[derive(Debug, Default)]
pub(super) struct Listing(HashMap<(u64, u64), Vec<String>>);

impl Listing {
    /// Returns the names in `dir`.
    pub(super) fn of(&mut self, dir: &Dir) -> io::Result<&mut Vec<String>> {
        match self.0.entry(dir.number()?) {
            Entry::Occupied(listed) => Ok(listed.into_mut()),
            Entry::Vacant(listed) => Ok(listed.insert(dir.neighbours()?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_directory_is_read_once_and_only_neighbours_are_kept() {
        let path = std::env::temp_dir().join(format!("resilience-listing-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        let path = path.canonicalize().unwrap();
        fs::write(path.join("ordinary"), "").unwrap();
        fs::write(path.join(".early"), "").unwrap();
        let mut listing = Listing::default();
        assert_eq!(*listing.of(&Dir::open(&path).unwrap()).unwrap(), [".early"]);
        fs::write(path.join(".late"), "").unwrap();
        let again = Dir::open(&path).unwrap();
        assert_eq!(*listing.of(&again).unwrap(), [".early"], "the directory of another file");
        listing.of(&again).unwrap().push(".added".to_owned());
        assert_eq!(*listing.of(&again).unwrap(), [".early", ".added"]);
        fs::remove_dir_all(path).unwrap();
    }
}
