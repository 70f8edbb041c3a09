//! The methods that a test's own store leaves to the store inside it, its field `inner`.

/// Implements the named methods of `Store` by those of `self.inner`.
macro_rules! forward {
    ($($method:ident)*) => { $($crate::forward::forward!(@$method);)* };
    (@get) => {
        fn get<'a>(&'a self, key: &'a str) -> resilience::durable::store::Work<'a, Option<resilience::durable::Record>> {
            self.inner.get(key)
        }
    };
    (@delete_older_than) => {
        fn delete_older_than<'a>(&'a self, prefix: &'a str, before: u64, limit: usize) -> resilience::durable::store::Work<'a, usize> {
            self.inner.delete_older_than(prefix, before, limit)
        }
    };
    (@claim) => { $crate::forward::forward!(=claim(claim: resilience::durable::store::Claim) -> resilience::durable::store::Work<'_, resilience::durable::store::Claimed>); };
    (@renew) => { $crate::forward::forward!(=renew(lease: std::time::Duration) -> resilience::durable::store::Work<'_, ()>); };
    (@complete) => { $crate::forward::forward!(=complete(completion: resilience::durable::store::Completion) -> resilience::durable::store::Work<'_, resilience::durable::Record>); };
    (@put_cursor) => { $crate::forward::forward!(=put_cursor(cursor: resilience::durable::store::Cursor) -> resilience::durable::store::Work<'_, ()>); };
    (@release) => { $crate::forward::forward!(=release(release: resilience::durable::store::Release) -> resilience::durable::store::Work<'_, ()>); };
    (@cas) => { $crate::forward::forward!(=cas(expected: Option<u64>, record: resilience::durable::Record) -> resilience::durable::store::Work<'_, resilience::durable::Record>); };
    (@list) => { $crate::forward::forward!(=list(query: resilience::durable::store::Query) -> resilience::durable::store::Work<'_, resilience::durable::store::Page>); };
    (@delete_expired) => { $crate::forward::forward!(=delete_expired(limit: usize) -> resilience::durable::store::Work<'_, usize>); };
    (@remove) => { $crate::forward::forward!(=remove(key: String, with: Vec<String>) -> resilience::durable::store::Work<'_, bool>); };
    (@remove_ended) => { $crate::forward::forward!(=remove_ended(keys: Vec<String>, before: u64) -> resilience::durable::store::Work<'_, usize>); };
    (@quarantine) => { $crate::forward::forward!(=quarantine(before: Option<u64>, limit: usize) -> resilience::durable::store::Work<'_, Vec<resilience::durable::store::Quarantined>>); };
    (@quarantined) => { $crate::forward::forward!(=quarantined(id: u64) -> resilience::durable::store::Work<'_, Option<resilience::durable::store::Quarantined>>); };
    (@remove_quarantined) => { $crate::forward::forward!(=remove_quarantined(id: u64) -> resilience::durable::store::Work<'_, bool>); };
    (@now) => { $crate::forward::forward!(=now() -> resilience::durable::store::Work<'_, u64>); };
    (@capabilities) => { $crate::forward::forward!(=capabilities() -> resilience::durable::store::Capabilities); };
    (@owner) => { $crate::forward::forward!(=owner() -> String); };
    (@identity) => { $crate::forward::forward!(=identity() -> String); };
    (=$method:ident($($name:ident: $type:ty),*) -> $answer:ty) => {
        fn $method(&self, $($name: $type),*) -> $answer {
            self.inner.$method($($name),*)
        }
    };
}

pub(crate) use forward;
