//! The supervisor on a manual clock: what it sees, what it does, and what it leaves alone.

#![cfg(feature = "ops")]

use resilience::events::{self, Kind};
use resilience::supervisor::{self, Pattern, Rule, Step, Supervision, Supervisor};
use resilience::testing::{World, isolate};
use resilience::{
    Category, CircuitBreaker, Classify, Event, Rejected, Severity, State, circuit_breaker, point,
    with_fallback, with_retry,
};
use std::sync::mpsc::channel;
use std::time::Duration;

const LOOK: Duration = Duration::from_secs(10);

#[derive(Debug, Classify, PartialEq)]
enum Error {
    #[classify(unavailable)]
    Down,
    #[classify(invalid)]
    Wrong,
    #[classify(invalid, severity = high)]
    Bad,
    #[classify(permanent, severity = critical)]
    Fire,
    #[classify(corrupt)]
    Corrupt,
    #[classify(transparent)]
    Rejected(Rejected),
}

impl From<Rejected> for Error {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

type Outcome = Result<(), Error>;

/// Its own breaker would open only after 1000 failures in a row.
#[circuit_breaker(threshold = 1000, recovery = 60s, name = "supervised")]
fn call(outcome: Outcome) -> Outcome {
    outcome
}

fn breaker() -> resilience::point::PolicyHandle<resilience::CircuitBreaker> {
    point("supervised").unwrap().breaker().unwrap()
}

fn calls(count: u32, outcome: fn() -> Outcome) {
    for _ in 0..count {
        let _ = call(outcome());
    }
}

/// The supervisor after its first look, which only reads the counters.
fn started(supervisor: Supervisor) -> Supervision {
    let supervision = supervisor.start().unwrap();
    supervision.look();
    supervision
}

fn look(world: &World, supervision: &Supervision) {
    world.advance(LOOK);
    supervision.look();
}

/// The messages of alerts of this level, with their reasons.
fn alerts(world: &World) -> Vec<(&'static str, String)> {
    let alert = |event| match event {
        Event::Alert { message, reason, .. } => Some((message, reason)),
        _ => None,
    };
    world.events().into_iter().filter_map(alert).collect()
}

fn ok() -> Outcome {
    Ok(())
}

fn down() -> Outcome {
    Err(Error::Down)
}

/// Whether the breaker is open after `errors` in one look.
fn opens(healthy: u32, errors: u32, outcome: fn() -> Outcome) -> bool {
    let world = isolate();
    call(Ok(())).unwrap();
    let supervision = started(Supervisor::new());
    // Not in a row, where there are calls that succeed.
    for n in 0..errors {
        calls(healthy * (n + 1) / errors - healthy * n / errors, ok);
        calls(1, outcome);
    }
    look(&world, &supervision);
    breaker().state() == State::Open
}

#[test]
fn more_than_five_errors_in_a_tenth_of_calls_open_the_breaker() {
    assert!(!opens(0, 5, down), "five are not frequent");
    assert!(opens(0, 6, down));
    assert!(opens(54, 6, down), "6 of 60 are a tenth");
    assert!(!opens(55, 6, down), "6 of 61 are less");
    assert!(!opens(1_000, 6, down));
}

#[test]
fn five_consecutive_errors_open_the_breaker() {
    let world = isolate();
    call(Ok(())).unwrap();
    let supervision = started(Supervisor::new());
    calls(10_000, ok);
    calls(1, down);
    look(&world, &supervision);
    calls(4, down);
    look(&world, &supervision);
    assert_eq!(breaker().state(), State::Closed, "five errors");
    calls(1, down);
    look(&world, &supervision);
    assert_eq!(breaker().state(), State::Open, "six, of which five were in a row");
}

/// What a policy below refuses.
fn refused() -> Outcome {
    let other = CircuitBreaker::new("supervised::other");
    other.force_open();
    other.call(ok)
}

#[test]
fn a_success_or_another_category_ends_a_run_of_errors() {
    let opens = |between: fn() -> Outcome, after_last: u32| {
        let world = isolate();
        call(Ok(())).unwrap();
        let supervision = started(Supervisor::new());
        calls(10_000, ok);
        calls(4, down);
        let _ = call(between());
        calls(after_last, down);
        // Whatever follows: what was in a row was seen when it happened.
        calls(10_000, ok);
        look(&world, &supervision);
        breaker().state() == State::Open
    };
    assert!(opens(down, 1), "six in a row between successes");
    assert!(!opens(ok, 4), "twice four");
    assert!(opens(ok, 5));
    assert!(!opens(|| Err(Error::Wrong), 4), "twice four, and another error");
    assert!(opens(refused, 2), "a refusal says nothing of the service");
}

#[test]
fn errors_are_forgotten_after_ten_minutes() {
    let world = isolate();
    call(Ok(())).unwrap();
    let supervision = started(Supervisor::new());
    calls(5, down);
    look(&world, &supervision);
    for _ in 0..60 {
        call(Ok(())).unwrap();
        look(&world, &supervision);
    }
    calls(5, down);
    look(&world, &supervision);
    assert_eq!(breaker().state(), State::Closed);
    calls(1, down);
    look(&world, &supervision);
    assert_eq!(breaker().state(), State::Open);
}

#[test]
fn only_categories_that_a_breaker_counts_open_it() {
    assert!(!opens(0, 100, || Err(Error::Wrong)), "the service has answered");
    assert!(!opens(0, 100, || Err(Error::Bad)), "whatever their severity");
    assert!(opens(0, 6, || Err(Error::Corrupt)));
    assert!(!opens(1_000, 1, || Err(Error::Corrupt)), "one error of a thousand calls");
}

#[test]
fn a_state_set_by_an_operator_is_kept() {
    for (state, set) in [
        (State::ForcedOpen, CircuitBreaker::force_open as fn(&CircuitBreaker)),
        (State::Disabled, CircuitBreaker::disable),
        (State::MetricsOnly, CircuitBreaker::metrics_only),
    ] {
        let world = isolate();
        call(Ok(())).unwrap();
        let supervision = started(Supervisor::new());
        set(&breaker());
        calls(100, down);
        look(&world, &supervision);
        look(&world, &supervision);
        assert_eq!(breaker().state(), state);
    }
}

#[test]
fn rejections_do_not_count_as_errors() {
    let world = isolate();
    call(Ok(())).unwrap();
    let supervision = started(Supervisor::new().action(Severity::Low, |pattern| panic!("{pattern}")));
    breaker().force_open();
    calls(1_000, ok);
    look(&world, &supervision);
    breaker().reset();
    look(&world, &supervision);
    assert_eq!((breaker().state(), supervision.actions().run), (State::Closed, 0));
}

#[test]
fn an_outage_opens_the_breaker_once_in_ten_minutes() {
    let world = isolate();
    call(Ok(())).unwrap();
    let supervision = started(Supervisor::new());
    let mut opened = events::subscribe();
    let (mut at, mut reached) = (Duration::ZERO, 0);
    // 30 minutes: a call each second, a look each ten; the service is up for 20 s once, and its breaker closes.
    for second in 0..1800_u32 {
        let is_up = (900..980).contains(&second);
        let outcome = call(if is_up { Ok(()) } else { Err(Error::Down) });
        reached += u32::from(!matches!(outcome, Err(Error::Rejected(_))));
        world.advance(Duration::from_secs(1));
        at += Duration::from_secs(1);
        if second % 10 == 9 {
            supervision.look();
        }
    }
    let (mut by_hand, mut by_probes) = (0, 0);
    while let Some(record) = opened.try_recv() {
        match &record.event {
            Event::Opened { class: None, .. } => by_hand += 1,
            Event::Opened { .. } => by_probes += 1,
            _ => {}
        }
    }
    assert!((1..=3).contains(&by_hand), "{by_hand} times in 30 minutes");
    assert!(by_probes > 10, "the breaker's own probes keep it open: {by_probes}");
    assert!(reached < 300, "{reached} of 1800 calls have reached the service");
    // The service is back.
    let mut waited = 0;
    while call(Ok(())).is_err() {
        world.advance(Duration::from_secs(1));
        waited += 1;
    }
    assert!(waited <= 60, "back after {waited} s");
    for _ in 0..120 {
        call(Ok(())).unwrap();
        look(&world, &supervision);
    }
    assert_eq!(breaker().state(), State::Closed, "errors of the outage count no more");
}

#[test]
fn errors_count_again_only_after_the_breaker_has_closed() {
    let world = isolate();
    call(Ok(())).unwrap();
    let supervision = started(Supervisor::new());
    calls(6, down);
    look(&world, &supervision);
    assert_eq!(breaker().state(), State::Open);
    for _ in 0..60 {
        look(&world, &supervision);
    }
    // Ten minutes later; it closes by a probe.
    call(Ok(())).unwrap();
    assert_eq!(breaker().state(), State::Closed);
    look(&world, &supervision);
    calls(5, down);
    look(&world, &supervision);
    assert_eq!(breaker().state(), State::Closed, "five errors since");
    calls(1, down);
    look(&world, &supervision);
    assert_eq!(breaker().state(), State::Open);
}

#[test]
fn errors_of_the_first_calls_count() {
    let world = isolate();
    let supervision = started(Supervisor::new());
    calls(6, down);
    look(&world, &supervision);
    assert_eq!(breaker().state(), State::Open);
}

#[test]
fn a_gap_of_more_than_two_samples_empties_the_window() {
    let world = isolate();
    call(Ok(())).unwrap();
    let supervision = started(Supervisor::new());
    calls(5, down);
    look(&world, &supervision);
    calls(5, down);
    world.advance(LOOK * 2 + Duration::from_secs(1));
    supervision.look();
    assert_eq!(breaker().state(), State::Closed);
    calls(5, down);
    look(&world, &supervision);
    assert_eq!(breaker().state(), State::Closed, "five since the gap");
    calls(1, down);
    world.advance(LOOK * 2);
    supervision.look();
    assert_eq!(breaker().state(), State::Open, "two samples are no gap");
}

#[test]
fn critical_errors_raise_one_alert() {
    let world = isolate();
    call(Ok(())).unwrap();
    let supervision = started(Supervisor::new());
    calls(1, || Err(Error::Fire));
    look(&world, &supervision);
    assert_eq!(
        alerts(&world),
        [("the same error keeps coming", "1 errors permanent in ten minutes".to_owned())]
    );
    for _ in 0..59 {
        calls(1, ok);
        look(&world, &supervision);
    }
    assert_eq!(alerts(&world).len(), 1);
    // More than five errors `high` are critical for alerts, although they are too few of the calls for an action.
    for _ in 0..6 {
        calls(400, ok);
        calls(1, || Err(Error::Bad));
    }
    look(&world, &supervision);
    assert_eq!(alerts(&world)[1].1, "6 errors invalid in ten minutes");
}

#[test]
fn failed_retries_count_as_errors() {
    #[with_fallback(value = ())]
    #[with_retry(max = 5, base = 0s, budget = none, name = "supervised::retried")]
    fn retried() -> Outcome {
        Err(Error::Down)
    }
    let world = isolate();
    let (seen, patterns) = channel::<Pattern>();
    let supervision = started(
        Supervisor::new().action(Severity::Medium, move |pattern| seen.send(pattern.clone()).unwrap()),
    );
    retried().unwrap();
    look(&world, &supervision);
    let pattern = patterns.recv().unwrap();
    assert_eq!((&*pattern.point, pattern.category), ("supervised::retried", Category::Unavailable));
    assert_eq!((pattern.count, pattern.calls, pattern.severity), (5, 1, Severity::Medium));
    assert_eq!(
        (pattern.steps.as_slice(), pattern.has_opened),
        ([Step::Retry, Step::FallBack].as_slice(), false)
    );
}

#[test]
fn rules_can_be_replaced() {
    const NOTHING: [Rule; 0] = [];
    let world = isolate();
    call(Ok(())).unwrap();
    let supervision = started(Supervisor::new().rules(NOTHING));
    calls(100, down);
    look(&world, &supervision);
    assert_eq!((breaker().state(), alerts(&world).len()), (State::Closed, 0));
    drop(supervision);
    let world = isolate();
    call(Ok(())).unwrap();
    let supervision = started(Supervisor::new().rules([Rule::new(Severity::High, &[Step::Alert])]));
    calls(6, down);
    look(&world, &supervision);
    assert_eq!((breaker().state(), alerts(&world).len()), (State::Closed, 1));
}

#[test]
fn panicking_hanging_and_excess_actions_stop_nothing_else() {
    let world = isolate();
    call(Ok(())).unwrap();
    let (called, calls_of) = channel();
    let (go_on, goes_on) = channel::<()>();
    let goes_on = std::sync::Mutex::new(goes_on);
    let mut supervisor = Supervisor::new().action(Severity::High, |_| panic!("of the program")).action(
        Severity::High,
        move |_| {
            let _ = goes_on.lock().unwrap().recv();
        },
    );
    for n in 0..120 {
        let called = called.clone();
        supervisor = supervisor.action(Severity::High, move |_| called.send(n).unwrap());
    }
    drop(called);
    let supervision = started(supervisor);
    calls(6, down);
    look(&world, &supervision);
    assert_eq!(breaker().state(), State::Open, "before any action has ended");
    let first = calls_of.recv().unwrap();
    assert_eq!(first, 0, "the one that hangs was left after two seconds");
    let (run, counts) = (1 + calls_of.iter().take(95).count(), supervision.actions());
    assert_eq!(run, 96);
    assert_eq!((counts.panicked, counts.overran), (1, 1), "{counts:?}");
    assert!((20..=22).contains(&counts.dropped), "100 wait, of 122: {counts:?}");
    go_on.send(()).unwrap();
}

#[test]
fn a_rising_rate_warns_once() {
    #[circuit_breaker(rate = 50%, window = 10m, min_calls = 1000, name = "supervised::rising")]
    fn rising(outcome: Outcome) -> Outcome {
        outcome
    }
    let world = isolate();
    rising(Ok(())).unwrap();
    let supervision = started(Supervisor::new().rules([]));
    let mut warned = Vec::new();
    for n in 0..90_u32 {
        // A hundredth fails for ten minutes, then four of ten.
        let failed = if n < 60 { u32::from(n % 10 == 0) } else { 4 };
        for call in 0..10 {
            let _ = rising(if call < failed { Err(Error::Down) } else { Ok(()) });
        }
        look(&world, &supervision);
        if !alerts(&world).is_empty() {
            warned.push(n);
        }
    }
    assert_eq!(alerts(&world).len(), 1, "{:?}", alerts(&world));
    assert_eq!(alerts(&world)[0].0, "the failure rate leads to an open breaker");
    assert!((61..70).contains(&warned[0]), "before the rate itself is at the limit: {}", warned[0]);
    assert_eq!(point("supervised::rising").unwrap().breaker().unwrap().state(), State::Closed);
}

#[test]
fn failing_recoveries_raise_one_alert_and_clear_once() {
    #[with_fallback(supplied, name = "supervised::answered")]
    fn answered(is_saved: bool) -> Outcome {
        let _ = is_saved;
        Err(Error::Down)
    }
    fn supplied(is_saved: bool) -> Outcome {
        if is_saved { Ok(()) } else { Err(Error::Down) }
    }
    let world = isolate();
    let supervision = started(Supervisor::new().rules([]));
    for _ in 0..19 {
        let _ = answered(false);
    }
    look(&world, &supervision);
    assert!(alerts(&world).is_empty(), "19 are too few");
    let _ = answered(false);
    look(&world, &supervision);
    look(&world, &supervision);
    assert_eq!(
        alerts(&world),
        [(
            "recoveries fail more often than they may",
            "0.0 % of the retries, fallbacks and recovered jobs of ten minutes ended well; most failures: \
             `supervised::answered` 20"
                .to_owned()
        )]
    );
    for _ in 0..400 {
        answered(true).unwrap();
    }
    look(&world, &supervision);
    look(&world, &supervision);
    assert_eq!(alerts(&world)[1].0, "recoveries end well again");
    assert_eq!(alerts(&world).len(), 2);
}

#[test]
fn a_keyed_breaker_is_not_opened_and_costs_no_memory_per_key() {
    #[circuit_breaker(threshold = 1000, key = id, max_keys = 100, name = "supervised::keyed")]
    fn keyed(id: u32) -> Outcome {
        let _ = id;
        Err(Error::Down)
    }
    let world = isolate();
    let (seen, patterns) = channel::<Pattern>();
    let supervision =
        started(Supervisor::new().action(Severity::High, move |pattern| seen.send(pattern.clone()).unwrap()));
    let keys: u32 = std::env::var("KEYS").map_or(20_000, |keys| keys.parse().expect("a number"));
    let supervised = || point("supervised::keyed").unwrap().snapshot().policies.remove(0).keys;
    for id in 0..keys {
        let _ = keyed(id);
    }
    look(&world, &supervision);
    let pattern = patterns.recv().unwrap();
    let counted = u64::from(keys);
    assert_eq!((pattern.count, pattern.has_opened), (counted, false), "one pattern, whatever the keys");
    assert!(
        supervised().iter().all(|key| key.state == "closed"),
        "errors of one key say nothing of the others"
    );
    assert!(supervised().len() <= 100);
}

#[test]
fn a_keyed_breaker_opens_by_its_own_threshold() {
    #[circuit_breaker(threshold = 20, key = id, name = "supervised::by_key")]
    fn by_key(id: u32) -> Outcome {
        if id == 7 { Err(Error::Down) } else { Ok(()) }
    }
    let world = isolate();
    let _ = by_key(1);
    let supervision = started(Supervisor::new());
    let state = |id: &str| point("supervised::by_key").unwrap().key(id).breaker().unwrap().state();
    (0..19).for_each(|_| drop(by_key(7)));
    look(&world, &supervision);
    assert_eq!(
        [state("7"), state("1")],
        [State::Closed; 2],
        "19 in a row are frequent, and its own count decides"
    );
    let _ = (by_key(7), by_key(1));
    look(&world, &supervision);
    assert_eq!([state("7"), state("1")], [State::Open, State::Closed]);
}

#[test]
fn the_supervisor_starts_and_stops_on_drop() {
    // Outside of a test world: the thread reads the counters of the process.
    let supervision = supervisor::start().unwrap();
    assert_eq!(supervision.actions().run, 0);
    drop(supervision);
    let _ = events::on([Kind::Alert], |_| {});
}
