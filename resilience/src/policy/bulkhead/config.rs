//! The settings of a bulkhead, and the checks of their values.

use super::Bulkhead;
use crate::base::setting::Complaint;
use crate::base::settings::{Count, Flag, Time, settings};

settings! {
    /// The settings of a [`Bulkhead`], for [`try_new`](Bulkhead::try_new); settings with only a number of slots are
    /// made `from` it.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::policy::bulkhead::{Bulkhead, BulkheadConfig};
    /// use std::time::Duration;
    ///
    /// let config = BulkheadConfig { wait: Duration::from_millis(100), ..BulkheadConfig::from(16) };
    /// assert!(Bulkhead::try_new("search", config).is_ok());
    /// assert!(Bulkhead::try_new("search", BulkheadConfig::from(0)).is_err());
    /// ```
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct BulkheadConfig {
        for policy Bulkhead(settings) {
            slots: Count from 1 to 2147483647 = required, "how many calls may run at once";
            /// With zero a call that finds no free slot is rejected at once.
            wait: Time = 0s, "how long a call may wait for a slot";
            /// Needs a [`wait`](Self::wait).
            queue: Count from 1 = as slots, "how many calls may wait at once";
            /// The number is between [`floor`](Self::floor) and [`cap`](Self::cap), and begins at the number of slots.
            /// Fewer calls may run when they take longer than usual, or time out, or are refused by the service.
            adaptive: Flag = false, "a number of slots that follows the latency";
            floor: Count from 1 = 1, "the fewest slots of an adaptive bulkhead";
            cap: Count from 1 to 2147483647 = 200, "the most slots of an adaptive bulkhead";
            /// Keys are made of arguments, so they are not shown unless you ask for it. The environment variable
            /// `RESILIENCE_KEY_LABELS=1` switches them on for all policies.
            key_label: Flag = false, "showing the keys of a keyed bulkhead in `tracing` and in the texts of rejections";
        }
        together {
            (wait, queue): queue_without_wait;
            (floor, cap): bounds_upside_down;
            (adaptive, adaptive): bounds_of_nothing;
        }
    }
}

impl BulkheadConfig {
    /// Returns the number of slots at which an adaptive bulkhead begins.
    pub(super) fn start(&self) -> u32 {
        self.slots.clamp(self.floor, self.cap)
    }

    const fn bounds_upside_down(&self) -> Complaint {
        if self.floor > self.cap {
            return Some("`cap` must be at least `floor`: the most slots of an adaptive bulkhead");
        }
        None
    }

    /// Judges the bounds once all is set: `adaptive` may come last.
    const fn bounds_of_nothing(&self) -> Complaint {
        if !self.adaptive && (self.floor != Self::DEFAULT.floor || self.cap != Self::DEFAULT.cap) {
            return Some("`floor` and `cap` need `adaptive`: other bulkheads have a fixed number of slots");
        }
        None
    }

    pub(super) const fn of(slots: u32) -> Self {
        Self { slots, ..Self::DEFAULT }
    }

    const fn queue_without_wait(&self) -> Complaint {
        if self.queue.is_some() && self.wait.is_zero() {
            return Some("`queue` needs a `wait` that is longer than 0s: without it no call waits");
        }
        None
    }
}

impl From<u32> for BulkheadConfig {
    fn from(slots: u32) -> Self {
        Self::of(slots)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn invalid_settings_are_rejected_with_a_reason() {
        let base = BulkheadConfig::of(16);
        let cases = [
            (
                BulkheadConfig { slots: 0, ..base },
                "`slots` must be at least 1: how many calls may run at once",
            ),
            (BulkheadConfig { slots: u32::MAX, ..base }, "`slots` must be at most 2147483647"),
            (BulkheadConfig { queue: Some(0), wait: SECOND, ..base }, "`queue` must be at least 1"),
            (BulkheadConfig { floor: 0, adaptive: true, ..base }, "`floor` must be at least 1"),
            (BulkheadConfig { floor: 9, cap: 8, adaptive: true, ..base }, "`cap` must be at least `floor`"),
            (BulkheadConfig { floor: 2, ..base }, "`floor` and `cap` need `adaptive`"),
            (BulkheadConfig { cap: 2, ..base }, "`floor` and `cap` need `adaptive`"),
            (BulkheadConfig { queue: Some(8), ..base }, "`queue` needs a `wait` that is longer than 0s"),
        ];
        for (config, words) in cases {
            let complaint = config.complaint().expect(words);
            assert!(complaint.starts_with(words), "{complaint}");
        }
        assert_eq!(base.complaint(), None);
        assert_eq!(BulkheadConfig { queue: Some(8), wait: SECOND, ..base }.complaint(), None);
    }

    #[test]
    fn the_default_queue_is_as_long_as_the_number_of_slots() {
        assert_eq!(BulkheadConfig::of(7).queue(), 7);
        assert_eq!(BulkheadConfig { queue: Some(3), ..BulkheadConfig::of(7) }.queue(), 3);
    }
}
