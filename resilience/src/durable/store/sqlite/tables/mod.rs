//! The tables of a store, and the rows in them.
//!
//! | file | what |
//! |---|---|
//! | `schema` | the tables, opening them, and bringing those of an earlier release up to date |
//! | `version` | whether this release reads the tables |
//! | `rows` | reading a row, and checking its columns against the record in it |
//! | `table` | the transaction as the rules of a store see it ([`Rows`](crate::durable::store::Rows)) |
//! | `listing`, `look` | pages of heads, and reading without joining |
//! | `owners` | the rows of the processes that have the store open |
//! | `retention` | deleting what has expired |
//! | `upkeep` | damage, sizes, and the room that the tables take |
//! | `errors` | what SQLite's errors mean |
//!
//! A record is one row: the head and the body in two blobs, and beside them the few columns that an index or a listing
//! needs. A column that contradicts the head is damage.
//!
//! # The tables
//!
//! | table | a row for each | deleted |
//! |---|---|---|
//! | `records` | key: jobs (`j/`), steps, cursors and what belongs to them | by retention, by an operator, or replaced |
//! | `quarantine` | record that was damaged or replaced, as the bytes that it had | after 30 days, or by an operator |
//! | `owners` | process that has a claim | when a process that judged it by its counter takes over its record; or once its lock shows that it is dead, and no held record names it |
//! | `meta` | fact of the store: the last fence, its identity, and the count of steps of each unfinished job | the counts with their jobs |
//!
//! The count of steps is beside the fence because both are written by every step of a job: a step then changes two
//! pages, and not three.
//!
//! # Indexes
//!
//! `open_jobs` has only jobs that are not done, so that a sweep passes over a million finished ones; SQLite uses such a
//! partial index only where a statement spells out its condition. `expiring` has only records that are deleted at a
//! time of their own.
//!
//! # Reading
//!
//! A listing reads heads (`NULL` in place of the body), which are small, and checks their checksums. A body is read
//! and checked where one record is asked for, or where a query asks for values.

mod errors;
mod listing;
mod look;
mod owners;
mod retention;
mod rows;
mod schema;
mod table;
mod upkeep;
mod version;

pub(super) use errors::{failed, is_busy};
pub(super) use listing::{list, quarantine, quarantined};
pub(super) use look::look;
pub(super) use owners::{beat, enrol, owners};
pub(super) use rows::{at_once, get, number, row_of};
pub(super) use schema::{connect, create, create_log, identity, last_fence, migrate, use_log};
pub(super) use table::Table;
pub(super) use upkeep::{check_small, compact, damaged_records, fold, fold_long, integrity, shrink, size};
pub(super) use version::check_version;

#[cfg(test)]
mod tests {
    //! The plans of SQLite for a sweep: by an index, however many finished jobs there are.

    use super::listing::Selection;
    use super::{retention, schema};
    use crate::durable::record::Status;
    use crate::durable::store::Query;
    use rusqlite::Connection;

    /// Returns how SQLite carries `sql` out, in words.
    fn plan(sql: &str) -> String {
        let connection = Connection::open_in_memory().expect("SQLite");
        connection.execute_batch(schema::TABLES).expect("the tables");
        let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).expect("a plan");
        // Without values for its parameters, which a plan does not need.
        let (mut rows, mut steps) = (plan.raw_query(), Vec::new());
        while let Some(row) = rows.next().expect("a step") {
            steps.push(row.get::<_, String>(3).expect("its words"));
        }
        steps.join("; ")
    }

    #[test]
    fn expired_records_are_found_by_an_index() {
        let expired = plan(retention::EXPIRED);
        assert!(
            expired.starts_with("SEARCH records USING") && expired.contains("INDEX expiring ("),
            "{expired}"
        );
        assert!(!expired.contains("TEMP B-TREE"), "{expired}");
        let plan = plan(retention::LONG_QUARANTINED);
        assert!(plan.contains("SEARCH quarantine USING COVERING INDEX quarantined (at<?)"), "{plan}");
    }

    #[test]
    fn the_search_for_open_jobs_uses_a_partial_index() {
        let open = [Status::Running, Status::Interrupted, Status::RollingBack];
        for after in ["", "j/import:7"] {
            let mut query = Query::new("j/").only(&open);
            query.after = after.to_owned();
            let selection = Selection::of(&query);
            for sql in [selection.last(), selection.rows("key < ?2"), selection.rows("key <= ?2")] {
                let plan = plan(&sql);
                assert!(
                    plan.starts_with("SEARCH records USING") && plan.contains("INDEX open_jobs"),
                    "{plan}"
                );
                assert!(!plan.contains("TEMP B-TREE"), "{plan}");
            }
        }
    }
}
