//! Named moments, at which crash tests may stop or kill the process.

/// Reports to a crash test that the moment `name` is reached; nothing without the feature `testing`.
#[inline]
pub(crate) fn reached(name: &'static str) {
    #[cfg(feature = "testing")]
    crate::testing::reached(name);
    #[cfg(not(feature = "testing"))]
    let _ = name;
}
