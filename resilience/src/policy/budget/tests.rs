//! The throttle against a slow model, which remembers every attempt.

use super::super::Budget;
use super::{MOST, SPAN, Throttle};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    /// The clock moves by this many seconds; back, where another thread has read it late.
    Pass(i64),
    Attempt(bool),
    /// A call with this random number.
    Ask(f64),
    Forget,
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (-3..90_i64).prop_map(Step::Pass),
        1 => (100..400_i64).prop_map(Step::Pass),
        8 => any::<bool>().prop_map(Step::Attempt),
        8 => (0.0..1.0_f64).prop_map(Step::Ask),
        1 => Just(Step::Forget),
    ]
}

/// Each attempt with its second, and whether it was accepted.
#[derive(Default)]
struct Model(Vec<(u64, bool)>);

impl Model {
    fn refusal(&self, factor: f64, second: u64) -> f64 {
        let inside: Vec<_> = self.0.iter().filter(|(at, _)| second - at < SPAN).collect();
        let accepts = inside.iter().filter(|(_, accepted)| *accepted).count() as f64;
        let requests = inside.len() as f64;
        ((requests - factor * accepts) / (requests + 1.0)).clamp(0.0, MOST)
    }
}

proptest! {
    #[test]
    fn the_throttle_agrees_with_a_simple_model(
        factor in 1.0..4.0_f64, steps in prop::collection::vec(steps(), 0..200),
    ) {
        let (throttle, mut model) = (Throttle::new(), Model::default());
        let (mut clock, mut latest) = (0_u64, 0_u64);
        for step in steps {
            match step {
                Step::Pass(by) => clock = clock.saturating_add_signed(by),
                Step::Attempt(accepted) => {
                    latest = latest.max(clock);
                    throttle.add(clock, accepted);
                    model.0.push((latest, accepted));
                }
                Step::Ask(random) => {
                    latest = latest.max(clock);
                    let refuses = random < model.refusal(factor, latest);
                    prop_assert_eq!(throttle.refuses(factor, clock, || random), refuses);
                    if refuses {
                        model.0.push((latest, false));
                    }
                }
                Step::Forget => {
                    throttle.forget();
                    (latest, model) = (0, Model::default());
                }
            }
            latest = latest.max(clock);
            let (seen, expected) = (throttle.refusal(factor, clock), model.refusal(factor, latest));
            prop_assert!((seen - expected).abs() < 1e-12, "{seen} {expected}");
        }
    }
}

#[test]
fn no_random_number_is_drawn_while_all_attempts_are_accepted() {
    let throttle = Throttle::new();
    throttle.add(0, true);
    assert!(!throttle.refuses(2.0, 0, || unreachable!("nothing can be refused")));
}

#[test]
fn invalid_throttles_are_rejected() {
    let refused = |build: fn() -> Budget| std::panic::catch_unwind(build).is_err();
    assert!(refused(|| Budget::new().throttle(0.9)));
    assert!(refused(|| Budget::new().throttle(f64::NAN)));
    assert!(refused(|| Budget::new().throttle(f64::INFINITY)));
}
