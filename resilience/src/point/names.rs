//! Names that tell points apart.
//!
//! Two functions of one name (methods of two types, or two expansions of a `macro_rules!`) have to be told apart by
//! `point("..")` and in dashboards. They are numbered in the order of their places in the source, which is the same in
//! each build, and the inventory flags them, because a name that depends on the order of lines is a poor one.

use std::collections::HashMap;

/// Names that tell points apart which were written with the same one: `name`, `name#2`, .. in order of their
/// places, then of their order here; and whether the written one was shared.
pub(super) fn unique<P: Ord>(written: &[(String, P)]) -> Vec<(String, bool)> {
    let mut order: Vec<_> = (0..written.len()).collect();
    order.sort_by_key(|n| &written[*n].1);
    let mut sharing: HashMap<&str, u32> = HashMap::new();
    for (name, _) in written {
        *sharing.entry(name).or_default() += 1;
    }
    let mut given: HashMap<&str, u32> = HashMap::new();
    let mut unique = vec![(String::new(), false); written.len()];
    for n in order {
        let name = &*written[n].0;
        let number = given.entry(name).or_insert(0);
        *number += 1;
        let mut text = name.to_owned();
        while *number > 1 {
            text = format!("{name}#{number}");
            // Another point may have been given this name by its author.
            if !sharing.contains_key(&*text) {
                break;
            }
            *number += 1;
        }
        unique[n] = (text, sharing[name] > 1);
    }
    unique
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn names(written: &[(&str, u32)]) -> Vec<String> {
        let written: Vec<_> = written.iter().map(|(name, place)| ((*name).to_owned(), *place)).collect();
        unique(&written).into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn duplicate_names_are_numbered_by_location_then_by_order() {
        assert_eq!(names(&[("a", 3), ("b", 1), ("a", 1), ("a", 2)]), ["a#3", "b", "a", "a#2"]);
        assert_eq!(names(&[("a", 7), ("a", 7), ("a", 7)]), ["a", "a#2", "a#3"]);
        assert_eq!(unique(&[("a".into(), 1), ("b".into(), 1), ("a".into(), 1)])[0], ("a".into(), true));
    }

    #[test]
    fn a_numbered_name_never_collides_with_a_given_name() {
        assert_eq!(names(&[("a", 1), ("a#2", 2), ("a", 3), ("a", 4)]), ["a", "a#2", "a#3", "a#4"]);
        assert_eq!(names(&[("a", 1), ("a", 2), ("a#2", 3), ("a#2", 4)]), ["a", "a#3", "a#2", "a#2#2"]);
    }

    #[test]
    fn tens_of_thousands_of_points_are_named_in_one_pass() {
        // With quadratic work this number of points would take minutes.
        let same = (0..50_000).map(|n| ("svc::call".to_owned(), n));
        let apart = (0..50_000).map(|n| (format!("svc::call_{n}"), n));
        let names = unique(&same.chain(apart).collect::<Vec<_>>());
        let distinct: HashSet<_> = names.iter().map(|(name, _)| name).collect();
        assert_eq!(distinct.len(), 100_000);
        assert_eq!(names[49_999].0, "svc::call#50000");
    }
}
