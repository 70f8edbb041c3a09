//! `#[chaos]`: faults that are injected on purpose, while the program has armed them.

use resilience::chaos::{self as faults, Chaos, ChaosConfig, Fault, Plan};
use resilience::{
    Category, Classification, Classify, Event, Rejected, State, chaos, checkpoint, circuit_breaker, point,
    testing, timeout, with_fallback, with_retry,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

#[derive(Debug, PartialEq)]
enum Failure {
    Down(u32),
    Lost(u32),
    Rejected(Rejected),
}

impl Classify for Failure {
    fn classify(&self) -> Classification {
        match self {
            Self::Down(_) => Category::Unavailable.into(),
            Self::Lost(_) => Category::Timeout.into(),
            Self::Rejected(rejected) => rejected.classify(),
        }
    }
}

impl From<Rejected> for Failure {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

const MINUTE: Duration = Duration::from_secs(60);
const ERROR: Option<Fault> = Some(Fault::Error);
const LOST: Option<Fault> = Some(Fault::LostAnswer);
const LATENCY: Option<Fault> = Some(Fault::Latency);
const PANIC: Option<Fault> = Some(Fault::Panic);

#[chaos(
    rate = 50%,
    fault = Failure::Down(id),
    lost = Failure::Lost(id),
    latency = 100ms..2s,
    panic,
    seed = 7,
    name = "chaos::all"
)]
fn all(id: u32, runs: &AtomicU32) -> Result<u32, Failure> {
    runs.fetch_add(1, Ordering::Relaxed);
    Ok(id)
}

#[chaos(rate = 0.5, fault = Failure::Down(id), lost = Failure::Lost(id), latency = 100ms..2s, panic, seed = 7)]
async fn later(id: u32, runs: &AtomicU32) -> Result<u32, Failure> {
    tokio::task::yield_now().await;
    runs.fetch_add(1, Ordering::Relaxed);
    Ok(id)
}

#[tokio::test(start_paused = true)]
async fn each_kind_of_fault_has_its_effect() {
    for (fault, expected, body_runs) in [
        (None, Ok(3), 1),
        (ERROR, Err(Failure::Down(3)), 0),
        (LOST, Err(Failure::Lost(3)), 1),
        (LATENCY, Ok(3), 1),
    ] {
        let world = testing::isolate();
        let _armed = faults::arm(Plan::new(MINUTE).script([fault, fault]));
        let runs = AtomicU32::new(0);
        let start = tokio::time::Instant::now();
        assert_eq!(later(3, &runs).await, expected, "{fault:?}");
        let waited = start.elapsed();
        assert_eq!(runs.swap(0, Ordering::Relaxed), body_runs, "{fault:?}");
        assert_eq!(all(3, &runs), expected, "{fault:?}");
        assert_eq!(runs.into_inner(), body_runs, "{fault:?}");
        let range = Duration::from_millis(100)..Duration::from_secs(2);
        assert_eq!(range.contains(&waited), fault == LATENCY, "{waited:?}");
        let injected: Vec<_> = world.events().into_iter().filter(|event| !is_arming(event)).collect();
        assert_eq!(injected.len(), if fault.is_some() { 2 } else { 0 });
        let name = fault.map_or("", Fault::as_str);
        assert!(
            injected.iter().all(|event| matches!(event, Event::Injected { fault, .. } if *fault == name))
        );
    }
}

fn is_arming(event: &Event) -> bool {
    matches!(event, Event::ChaosArmed { .. })
}

#[tokio::test]
async fn a_panic_fault_panics() {
    let world = testing::isolate();
    let _armed = faults::arm(Plan::new(MINUTE).script([PANIC]));
    let runs = AtomicU32::new(0);
    let panic = catch_unwind(AssertUnwindSafe(|| all(3, &runs))).unwrap_err();
    let message = panic.downcast::<String>().unwrap();
    assert_eq!(*message, "a panic that `chaos` has injected into `chaos::all`");
    let spawned = AssertUnwindSafe(later(3, &runs));
    assert!(futures::FutureExt::catch_unwind(spawned).await.is_err());
    assert_eq!(runs.into_inner(), 0);
    assert_eq!(world.events().len(), 3);
}

#[tokio::test]
async fn a_panic_in_the_fault_expression_reaches_the_caller() {
    fn make(runs: &AtomicU32) -> Failure {
        assert!(runs.fetch_add(10, Ordering::Relaxed) > 0, "no fault");
        Failure::Down(0)
    }
    #[chaos(rate = 1.0, fault = make(runs))]
    fn now(runs: &AtomicU32) -> Result<u32, Failure> {
        Ok(runs.load(Ordering::Relaxed))
    }
    #[chaos(rate = 1.0, fault = make(runs))]
    async fn later(runs: &AtomicU32) -> Result<u32, Failure> {
        tokio::task::yield_now().await;
        Ok(runs.load(Ordering::Relaxed))
    }
    let _world = testing::isolate();
    for is_async in [false, true] {
        let _armed = faults::arm(Plan::new(MINUTE).script([ERROR, ERROR]));
        let runs = AtomicU32::new(0);
        for expected in [None, Some(Err(Failure::Down(0))), Some(Ok(20))] {
            let call = async { if is_async { later(&runs).await } else { now(&runs) } };
            assert_eq!(futures::FutureExt::catch_unwind(AssertUnwindSafe(call)).await.ok(), expected);
        }
    }
}

#[test]
fn faults_are_inert_unless_armed() {
    let world = testing::isolate();
    let runs = AtomicU32::new(0);
    let always = || Plan::new(MINUTE).script([ERROR; 9]);
    assert_eq!(all(1, &runs), Ok(1));
    let armed = faults::arm(always());
    assert!(faults::is_armed() && all(1, &runs).is_err());
    drop(armed);
    assert!(!faults::is_armed() && all(1, &runs).is_ok());
    let _armed = faults::arm(always());
    assert!(all(1, &runs).is_err());
    world.advance(MINUTE - Duration::from_nanos(1));
    assert!(all(1, &runs).is_err());
    world.advance(Duration::from_nanos(1));
    assert!(!faults::is_armed() && all(1, &runs).is_ok(), "its time is over");
    let _never = faults::arm(Duration::ZERO);
    assert!(all(1, &runs).is_ok());
}

#[test]
fn arming_affects_only_one_world() {
    let world = testing::isolate();
    let _armed = faults::arm(Plan::new(MINUTE).script([ERROR]));
    {
        let _other = testing::isolate();
        assert!(!faults::is_armed() && all(1, &AtomicU32::new(0)).is_ok());
    }
    drop(world);
}

#[test]
fn a_plan_may_target_one_function_and_the_last_plan_wins() {
    let _world = testing::isolate();
    let runs = AtomicU32::new(0);
    let _other = faults::arm(Plan::new(MINUTE).only("chaos::other").script([ERROR]));
    assert!(all(1, &runs).is_ok());
    let _this = faults::arm(Plan::new(MINUTE).only("chaos::all").script([ERROR]));
    assert!(all(1, &runs).is_err() && all(1, &runs).is_ok(), "the script is over");
    let later = faults::arm(Plan::new(MINUTE).script([LOST]));
    assert_eq!(all(1, &runs), Err(Failure::Lost(1)));
    drop(later);
    assert!(all(1, &runs).is_err(), "the plan before begins again: it is another arming");
}

/// Which of the calls fail.
fn failing(chaos: &Chaos) -> Vec<bool> {
    (0..400).map(|_| chaos.call(|| Failure::Down(0), || Ok::<(), _>(())).is_err()).collect()
}

#[test]
fn a_seed_reproduces_the_same_faults() {
    let seeded = |seed| Chaos::new("seeded", 0.25, &[Fault::Error]).seed(seed);
    let run = |chaos: &Chaos| {
        let _world = testing::isolate();
        let _armed = faults::arm(MINUTE);
        failing(chaos)
    };
    let (first, second) = (run(&seeded(7)), run(&seeded(7)));
    assert_eq!(first, second);
    assert_ne!(first, run(&seeded(8)));
    let failed = first.iter().filter(|failed| **failed).count();
    assert!((70..130).contains(&failed), "{failed} of 400");
    // One and the same value, armed again.
    let _world = testing::isolate();
    let chaos = seeded(7);
    for _ in 0..2 {
        let _armed = faults::arm(MINUTE);
        assert_eq!(failing(&chaos), first);
    }
}

#[test]
fn the_rate_holds_without_a_seed() {
    let _world = testing::isolate();
    let _armed = faults::arm(MINUTE);
    for (rate, expected) in [(0.1, 15..70), (1.0, 400..401)] {
        let failed = failing(&Chaos::new("rate", rate, &[Fault::Error])).iter().filter(|is| **is).count();
        assert!(expected.contains(&failed), "{failed} of 400 at {rate}");
    }
}

#[test]
fn all_kinds_of_fault_are_drawn() {
    let _world = testing::isolate();
    let _armed = faults::arm(MINUTE);
    static ALL: Chaos =
        Chaos::new("kinds", 1.0, &[Fault::Error, Fault::LostAnswer, Fault::Latency, Fault::Panic])
            .latency(Duration::ZERO, Duration::from_millis(1))
            .seed(3);
    for _ in 0..100 {
        let _ = catch_unwind(|| ALL.call(|| Failure::Down(0), || Ok::<(), _>(())));
    }
    for fault in [Fault::Error, Fault::LostAnswer, Fault::Latency, Fault::Panic] {
        assert!(ALL.injected(fault) > 10, "{fault:?}: {}", ALL.injected(fault));
    }
}

#[test]
fn a_kind_that_the_function_lacks_is_skipped() {
    let _world = testing::isolate();
    let chaos = Chaos::new("error only", 1.0, &[Fault::Error]);
    let _armed = faults::arm(Plan::new(MINUTE).script([PANIC, LATENCY, LOST, ERROR]));
    assert_eq!(failing(&chaos)[..5], [false, false, false, true, false]);
}

#[with_fallback(value = 0)]
#[with_retry(max = 1, base = 1ms)]
#[circuit_breaker(threshold = 3)]
#[chaos(rate = 2%, fault = Failure::Down(1), name = "chaos::stacked")]
fn stacked() -> Result<u32, Failure> {
    Ok(7)
}

#[test]
fn the_policies_above_treat_a_fault_as_an_error_of_the_body() {
    let world = testing::isolate();
    let _armed = faults::arm(Plan::new(MINUTE).script([ERROR, None, ERROR, ERROR, ERROR]));
    assert_eq!(stacked(), Ok(7), "the retry succeeds");
    assert_eq!(stacked(), Ok(0), "the fallback answers");
    assert_eq!(stacked(), Ok(0));
    assert_eq!(point("chaos::stacked").unwrap().breaker().unwrap().state(), State::Open);
    let opened = world.events().iter().any(|event| matches!(event, Event::Opened { class: Some(class), .. } if class.category == Category::Unavailable));
    assert!(opened);
    let policies = point("chaos::stacked").unwrap().snapshot().policies;
    let chaos = &policies[3];
    assert_eq!((chaos.kind, chaos.state), ("chaos", Some("armed")));
    assert_eq!(chaos.counters, [("error", 4)]);
    let settings: Vec<_> =
        point("chaos::stacked").unwrap().info().stack[3].settings.iter().map(ToString::to_string).collect();
    assert_eq!(settings, ["rate = 0.02", "faults = error"]);
}

#[timeout(1s)]
#[chaos(rate = 2%, latency = 5s)]
async fn slow() -> Result<u32, Failure> {
    Ok(7)
}

#[tokio::test(start_paused = true)]
async fn a_timeout_ends_latency() {
    let _world = testing::isolate();
    let _armed = faults::arm(Plan::new(MINUTE).script([LATENCY]));
    let start = tokio::time::Instant::now();
    assert!(matches!(slow().await, Err(Failure::Rejected(Rejected::TimedOut { .. }))));
    assert_eq!(start.elapsed(), Duration::from_secs(1));
    assert_eq!(slow().await, Ok(7));
}

#[chaos(rate = 2%, latency = 3s)]
fn slow_sync() -> Option<u32> {
    Some(7)
}

#[test]
fn latency_of_one_length_is_that_long() {
    let world = testing::isolate();
    let _armed = faults::arm(Plan::new(MINUTE).script([LATENCY]));
    assert_eq!(slow_sync(), Some(7));
    assert_eq!(world.waits(), [Duration::from_secs(3)]);
}

#[checkpoint("step:{n}")]
#[chaos(rate = 2%, lost = std::io::ErrorKind::TimedOut.into())]
fn step(n: u32, runs: &AtomicU32) -> std::io::Result<u32> {
    Ok(n + runs.fetch_add(1, Ordering::Relaxed))
}

#[test]
fn a_lost_answer_is_not_recorded() {
    let _world = testing::isolate();
    let runs = AtomicU32::new(0);
    let _armed = faults::arm(Plan::new(MINUTE).script([LOST]));
    assert!(step(1, &runs).is_err());
    assert_eq!(step(1, &runs).unwrap(), 2, "the step runs again");
    assert_eq!(step(1, &runs).unwrap(), 2, "and is recorded");
}

struct Client(u32);

impl Client {
    #[with_retry(max = 1, base = 1ms)]
    #[chaos(rate = 2%, fault = E::default(), lost = E::default())]
    async fn generic<T: Clone, E: Classify + Default>(&mut self, value: &T) -> Result<(T, u32), E> {
        self.0 += 1;
        Ok((value.clone(), self.0))
    }

    #[chaos(rate = 2%, fault = Failure::Down(self.0))]
    fn borrows(&mut self) -> Result<&mut u32, Failure> {
        Ok(&mut self.0)
    }
}

#[derive(Debug, Default)]
struct Unknown;

impl Classify for Unknown {
    fn classify(&self) -> Classification {
        Category::Unknown.into()
    }
}

#[tokio::test]
async fn methods_and_generic_functions_have_faults() {
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    let _world = testing::isolate();
    let _armed = faults::arm(Plan::new(MINUTE).script([LOST]));
    let mut client = Client(0);
    let text = "lamp".to_owned();
    assert_eq!(is_send(client.generic::<String, Unknown>(&text)).await.unwrap(), (text.clone(), 2));
    assert_eq!(client.borrows().map(|n| *n), Ok(2));
}

#[tokio::test]
async fn a_value_injects_into_a_closure() {
    let _world = testing::isolate();
    let chaos = Chaos::try_new("search", ChaosConfig::of(0.5), &[Fault::Error, Fault::LostAnswer]).unwrap();
    let _armed = faults::arm(Plan::new(MINUTE).only("search").script([ERROR, LOST, None]));
    let mut runs = 0;
    for expected in [Err(Failure::Down(0)), Err(Failure::Down(0)), Ok(2)] {
        let before = runs;
        let outcome = chaos.call_async(
            || Failure::Down(before),
            async || {
                runs += 1;
                Ok(runs)
            },
        );
        assert_eq!(outcome.await, expected);
    }
    assert!(Chaos::try_new("search", ChaosConfig::of(f64::NAN), &[Fault::Error]).is_err());
    assert!(Chaos::try_new("search", ChaosConfig::of(0.0), &[Fault::Error]).is_err());
}

#[test]
fn arming_is_reported_with_its_limit() {
    let world = testing::isolate();
    let _all = faults::arm(MINUTE);
    let _one = faults::arm(Plan::new(2 * MINUTE).only("chaos::all"));
    let texts: Vec<_> = world.events().iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["*: faults are armed for 60s", "chaos::all: faults are armed for 120s"]);
}
