//! The classification of an error from an attempt of a point: as a [`Probe`] asks, and noted with the point.
//!
//! This is where an expansion crosses from the value that the body returned to a verdict of its policies. A failure is
//! classified once for each attempt and the verdict is passed outwards, so that all policies of a stack see the same
//! class; it is also kept in the history of errors of the point, with the pairs of `context(..)`.

use super::notice::unclassified;
use super::site::PointSite;
use crate::failure::probe::{ByNothing, BySource, Probe, UNKNOWN, source};
use crate::failure::{Classification, Classify};
use std::any::type_name;
use std::error::Error;
use std::fmt::Display;

/// The pairs that `context(..)` adds to a record.
pub type Context<'a> = &'a [(&'static str, &'a dyn Display)];

/// Records a failed attempt of `point` in its history of errors, and returns its class.
#[cold]
pub fn noted(
    point: &'static PointSite,
    attempt: u32,
    context: Context<'_>,
    class: Classification,
) -> Option<Classification> {
    point.errors().add(class, attempt, context);
    Some(class)
}

impl<E: Classify + ?Sized> Probe<'_, E> {
    /// Returns the classification of the error of an attempt of `point`; `Unknown` if there is none.
    #[inline]
    pub fn probed_class_at(&self, _: &'static PointSite) -> Classification {
        self.probed_class()
    }

    /// Classifies the error of an attempt of `point`, and notes it in the history of errors; `None` for a success.
    #[inline]
    pub fn probed_verdict(&self, point: &'static PointSite, attempt: u32) -> Option<Classification> {
        self.0.0.0.and_then(|error| seen(point, attempt, || error.classify()))
    }
}

impl<E: Error + ?Sized> BySource<'_, E> {
    /// Classifies the error of an attempt of `point` by its first known source; logs once if there is none.
    #[inline]
    pub fn probed_class_at(&self, point: &'static PointSite) -> Classification {
        self.0.0.map_or(UNKNOWN, |error| source_at(point, error))
    }

    /// Classifies the error of an attempt of `point`, and notes it in the history of errors; `None` for a success.
    #[inline]
    pub fn probed_verdict(&self, point: &'static PointSite, attempt: u32) -> Option<Classification> {
        self.0.0.and_then(|error| seen(point, attempt, || source_at(point, error)))
    }
}

impl<E: ?Sized> ByNothing<'_, E> {
    /// Returns `Unknown`; logs once that nothing classifies the type.
    #[inline]
    pub fn probed_class_at(&self, point: &'static PointSite) -> Classification {
        unclassified(point, type_name::<E>());
        UNKNOWN
    }

    /// Returns `Unknown` for an error of an attempt of `point`, and notes it in the history of errors; `None` for a
    /// success.
    #[inline]
    pub fn probed_verdict(&self, point: &'static PointSite, attempt: u32) -> Option<Classification> {
        self.0.and_then(|_| seen(point, attempt, || self.probed_class_at(point)))
    }
}

fn source_at<E: Error + ?Sized>(point: &'static PointSite, error: &E) -> Classification {
    source(error).unwrap_or_else(|| {
        unclassified(point, type_name::<E>());
        UNKNOWN
    })
}

/// Notes the verdict. It is out of line with the classification, so that a success pays for neither.
#[cold]
#[inline(never)]
fn seen(
    point: &'static PointSite,
    attempt: u32,
    class: impl FnOnce() -> Classification,
) -> Option<Classification> {
    noted(point, attempt, &[], class())
}
