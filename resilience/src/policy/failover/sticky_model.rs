//! The memory, against a slow model that keeps every switch and every probe.

use super::*;
use proptest::prelude::*;

/// The time that a good value stays, in milliseconds.
const STICKY: i64 = 1_000;

#[derive(Clone, Debug)]
enum Step {
    /// The clock moves by this many milliseconds: a little, by two hours after a suspension, or back by one.
    Pass(i64),
    /// A call begins.
    Begin,
    /// One of the running calls is answered by this value; 0 is the caller's own.
    Answer(prop::sample::Index, i128),
    /// One of the running calls ends without an answer.
    Fail(prop::sample::Index),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let passes = prop_oneof![6 => 0..600_i64, 2 => Just(STICKY), 1 => Just(7_200_000), 3 => Just(-1)];
    let which = any::<prop::sample::Index>;
    let step = prop_oneof![
        4 => passes.prop_map(Step::Pass),
        6 => Just(Step::Begin),
        4 => (which(), 0..4_i128).prop_map(|(call, value)| Step::Answer(call, value)),
        2 => which().prop_map(Step::Fail),
    ];
    prop::collection::vec(step, 1..120)
}

/// A call that runs: the number of switches before it, and of its probe.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Call {
    began: u64,
    probe: Option<u64>,
    with: Option<i128>,
}

/// The value that answers last, since when it need not be asked again, and the history before it.
#[derive(Default)]
struct Model {
    clock: i64,
    /// Each switch: the value and when. `None` is back to the caller's own.
    switches: Vec<Option<(i128, i64)>>,
    /// Since the last switch: when each probe began, and when it ended without an answer.
    probes: Vec<(u64, i64, Option<i64>)>,
    numbers: u64,
}

impl Model {
    /// Returns when the next probe is due.
    fn due(&self) -> Option<i64> {
        let (_, at) = (*self.switches.last()?)?;
        let Some((_, began, failed)) = self.probes.last() else { return Some(at + STICKY) };
        Some(failed.map_or(began + STICKY, |failed| failed.min(began + STICKY)))
    }

    fn begin(&mut self) -> Call {
        let call = Call { began: self.switches.len() as u64, probe: None, with: None };
        let Some(due) = self.due() else { return call };
        if self.clock < due {
            let with = self.switches.last().copied().flatten().map(|(value, _)| value);
            return Call { with, ..call };
        }
        self.numbers += 1;
        self.probes.push((self.numbers, self.clock, None));
        Call { probe: Some(self.numbers), ..call }
    }

    fn end(&mut self, call: Call, answer: Option<i128>) {
        // What began before the last switch changes nothing.
        if call.began < self.switches.len() as u64 {
            return;
        }
        match answer {
            Some(0) if self.due().is_some() => self.switch(None),
            Some(0) => {}
            // The good value again: not renewed.
            Some(value) if call.with == Some(value) => {}
            Some(value) => self.switch(Some((value, self.clock))),
            None => {
                let clock = self.clock;
                let last = self.probes.last_mut().filter(|(number, ..)| Some(*number) == call.probe);
                if let Some((_, _, failed)) = last {
                    *failed = Some(clock);
                }
            }
        }
    }

    fn switch(&mut self, to: Option<(i128, i64)>) {
        self.switches.push(to);
        self.probes.clear();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn calls_agree_with_the_model_even_when_the_clock_jumps(steps in steps()) {
        let (memory, start) = (StickyState::new(), Instant::now());
        let sticky = Duration::from_millis(STICKY.unsigned_abs());
        let mut model = Model { clock: 10_000, ..Model::default() };
        let mut running: Vec<Call> = Vec::new();
        for step in steps {
            let now = start + Duration::from_millis(model.clock.unsigned_abs());
            match step {
                Step::Pass(millis) => model.clock += millis,
                Step::Begin => {
                    let began = memory.counts.switches.load(Ordering::Acquire);
                    let (probe, with) = match memory.begin(sticky, now) {
                        FirstValue::Own => (None, None),
                        FirstValue::Probe(number) => (Some(number), None),
                        FirstValue::Working(value) => (None, value.as_ref().as_ref().to_string().parse().ok()),
                    };
                    let expected = model.begin();
                    prop_assert_eq!(Call { began, probe, with }, expected, "at {} ms", model.clock);
                    running.push(expected);
                }
                Step::Answer(which, value) if !running.is_empty() => {
                    let call = running.swap_remove(which.index(running.len()));
                    // A walk reports every value that answers but the good one.
                    if value == 0 {
                        memory.answered_by_own(call.began);
                    } else if call.with != Some(value) {
                        memory.answered_by(KeyRef::Number(value), call.began, sticky, now);
                    }
                    model.end(call, Some(value));
                }
                Step::Fail(which) if !running.is_empty() => {
                    let call = running.swap_remove(which.index(running.len()));
                    if let Some(probe) = call.probe {
                        memory.release(probe, call.began, now);
                    }
                    model.end(call, None);
                }
                _ => {}
            }
            let (active, good) = (memory.counts.active.load(Ordering::Acquire), model.due().is_some());
            prop_assert_eq!(active, u64::from(good));
        }
    }
}
