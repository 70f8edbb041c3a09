//! The entries of listings, and their order.
//!
//! Pages follow each other without gaps and without repetition while others write, by the order of the keys; a filter
//! changes what is on a page and never the order.

use super::{Verdict, cases, claim, ended, hold, ok, same};
use crate::durable::Status;
use crate::durable::store::{Query, Store};

cases![
    listings_are_in_the_order_of_keys,
    a_prefix_is_taken_literally,
    only_the_requested_states_are_listed,
    pages_show_each_record_once,
];

/// Returns the keys on the first page of `query`.
async fn keys(store: &dyn Store, query: Query) -> Result<Vec<String>, String> {
    let page = ok(store.list(query).await, "a listing")?;
    Ok(page.records.into_iter().map(|record| record.key).collect())
}

/// Byte by byte, whatever collation the database has: pages of one listing come from different connections.
async fn listings_are_in_the_order_of_keys(store: &dyn Store) -> Verdict {
    for key in ["b", "B", "a/2", "a/10", "\u{e4}", "a"] {
        ended(store, claim(store, key), Status::Done, b"").await?;
    }
    let order: Vec<_> = ["B", "a", "a/10", "a/2", "b", "\u{e4}"].map(str::to_owned).into();
    same(keys(store, Query::new("")).await?, order, "the order of bytes")
}

/// Keys are made of arguments, and these may have `%`, `_` and every other sign of a pattern in them.
async fn a_prefix_is_taken_literally(store: &dyn Store) -> Verdict {
    for key in ["s/a:1/x", "s/a:10/x", "s/a%1/x", "s/a_1/x", "s/A:1/x", "s/a:1/\u{10FFFF}x"] {
        ended(store, claim(store, key), Status::Done, b"").await?;
    }
    let under = |key: &'static str| keys(store, Query::new(key));
    same(under("s/a:1/").await?, vec!["s/a:1/x".to_owned(), "s/a:1/\u{10FFFF}x".to_owned()], "a prefix")?;
    same(under("s/a%").await?, vec!["s/a%1/x".to_owned()], "a prefix with `%`")?;
    same(under("s/a_").await?, vec!["s/a_1/x".to_owned()], "a prefix with `_`")?;
    same(under("t").await?, Vec::new(), "a prefix of nothing")
}

/// No states at all means every state.
async fn only_the_requested_states_are_listed(store: &dyn Store) -> Verdict {
    hold(store, claim(store, "held")).await?;
    for status in [Status::Done, Status::Failed, Status::Dead] {
        ended(store, claim(store, status.as_str()), status, b"").await?;
    }
    let only = |statuses: &'static [Status]| keys(store, Query::new("").only(statuses));
    same(only(&[Status::Done]).await?, vec!["done".to_owned()], "one state")?;
    let open = only(&[Status::Running, Status::Dead]).await?;
    same(open, vec!["dead".to_owned(), "held".to_owned()], "two states")?;
    same(only(&[Status::Manual]).await?, Vec::new(), "a state that nothing is in")?;
    same(only(&[]).await?.len(), 4, "all states")
}

/// Each page is requested with the end of the one before, like another process that knows nothing else.
async fn pages_show_each_record_once(store: &dyn Store) -> Verdict {
    let all: Vec<String> = (0..25).map(|n| format!("k{n:02}")).collect();
    for key in &all {
        ended(store, claim(store, key), Status::Done, b"").await?;
    }
    let (mut seen, mut query) = (Vec::new(), Query::new("k").limit(10));
    for _ in 0..10 {
        let page = ok(store.list(query.clone()).await, "a listing")?;
        seen.extend(page.records.into_iter().map(|record| record.key));
        match page.next {
            Some(after) => query.after = after,
            None => return same(seen, all, "all pages together"),
        }
    }
    Err("the pages have no end".to_owned())
}
