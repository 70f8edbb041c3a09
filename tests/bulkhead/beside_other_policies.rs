//! A bulkhead in a stack with other policies.

use super::*;

/// Ten calls for each slot of a healthy service.
#[tokio::test(start_paused = true)]
async fn a_breaker_above_a_full_bulkhead_never_opens() {
    #[circuit_breaker(threshold = 1, name = "overload")]
    #[bulkhead(2, wait = 10ms)]
    async fn overload() -> Outcome {
        tokio::time::sleep(Duration::from_millis(100)).await;
        Ok(1)
    }
    let _world = testing::isolate();
    for _ in 0..10 {
        let calls = (0..20).map(|_| tokio::spawn(overload()));
        let outcomes = futures::future::join_all(calls).await;
        let refused = outcomes.iter().filter(|outcome| is_full(outcome.as_ref().unwrap())).count();
        assert_eq!(refused, 18);
    }
    let breaker = point("overload").unwrap().breaker().unwrap();
    assert_eq!((breaker.snapshot().failures, breaker.is_available()), (0, true));
}

#[test]
fn retrying_a_rejection_costs_no_budget() {
    #[with_retry(max = 3, base = 0s, on(rejected, max = 3), name = "again")]
    #[bulkhead(1)]
    fn again(depth: u32) -> Outcome {
        if depth == 0 { Ok(0) } else { again(depth - 1) }
    }
    let _world = testing::isolate();
    assert!(is_full(&again(1)));
    let point = point("again").unwrap();
    let retries = &point.snapshot().policies[0].counters;
    assert!(retries.contains(&("retries", 15)), "four attempts, each with three retries: {retries:?}");
    assert_eq!(point.budget().unwrap().tokens(), 500);
}

#[test]
fn a_slot_is_held_by_each_attempt_below_a_retry() {
    #[with_retry(max = 2, base = 0s, name = "attempts")]
    #[bulkhead(1)]
    fn attempts(left: &AtomicU32) -> Outcome {
        assert_eq!(usage("attempts"), (1, 0));
        if left.fetch_sub(1, Ordering::Relaxed) == 1 { Ok(1) } else { Err(Failure::Own(Category::Timeout)) }
    }
    let _world = testing::isolate();
    assert_eq!(attempts(&AtomicU32::new(3)), Ok(1));
    assert_eq!(usage("attempts"), (0, 0));
}

#[test]
fn an_outer_fallback_answers_a_rejection() {
    #[with_fallback(value = 7)]
    #[bulkhead(1)]
    fn inner(depth: u32) -> Outcome {
        if depth == 0 { Ok(0) } else { inner(depth - 1) }
    }
    let _world = testing::isolate();
    assert_eq!((inner(0), inner(1)), (Ok(0), Ok(7)));
}

#[test]
fn an_abandoned_body_holds_its_slot_until_it_ends() {
    #[bulkhead(1, name = "abandoned")]
    #[with_retry(max = 1, base = 0s, clone(ends))]
    #[timeout(5ms, thread)]
    fn abandoned(ends: Arc<Mutex<Receiver<()>>>) -> Outcome {
        let _ = ends.lock().unwrap().recv();
        Ok(1)
    }
    let _world = testing::isolate();
    let (end, ends) = channel();
    let ends = Arc::new(Mutex::new(ends));
    let outcome = abandoned(ends.clone());
    assert!(matches!(outcome, Err(Failure::Rejected(Rejected::TimedOut { .. }))), "{outcome:?}");
    assert_eq!(usage("abandoned"), (1, 0));
    assert!(is_full(&abandoned(ends)));
    drop(end);
    until(|| usage("abandoned") == (0, 0));
}

type Guarded = fn(Arc<Mutex<Receiver<()>>>, Arc<AtomicU32>) -> Outcome;

/// The first call keeps the slot; a later one is abandoned while it waits for it. How often that one's body ran.
fn runs_of_one_that_was_left_in_the_queue(call: Guarded, bulkhead: &str) -> u32 {
    let (end, ends) = channel();
    let ends = Arc::new(Mutex::new(ends));
    drop(call(ends.clone(), Arc::default()));
    until(|| usage(bulkhead).0 == 1);
    // On a busy machine the limit can come before the thread waits: then it may still run, and another one is tried.
    // The wait in the queue ends at the limit, too, and can be first: then the bulkhead has refused the call.
    let left = (0..500).find_map(|_| {
        let ran = Arc::default();
        let class = call(ends.clone(), Arc::clone(&ran)).unwrap_err().classify();
        (class.category == Category::Timeout && class.delivered == Delivered::No).then_some(ran)
    });
    let left = left.expect("a call that was abandoned in the queue");
    drop(end);
    until(|| usage(bulkhead) == (0, 0) && Arc::strong_count(&left) == 1);
    left.load(Ordering::Relaxed)
}

#[test]
fn a_body_that_is_abandoned_in_the_queue_never_runs() {
    #[timeout(20ms, thread, threads = 1000)]
    #[bulkhead(1, wait = 60s, queue = 1000, name = "left in the queue")]
    fn guarded(ends: Arc<Mutex<Receiver<()>>>, ran: Arc<AtomicU32>) -> Outcome {
        ran.fetch_add(1, Ordering::Relaxed);
        let _ = ends.lock().unwrap().recv();
        Ok(1)
    }
    #[timeout(adaptive, floor = 20ms, cap = 20ms, thread, threads = 1000)]
    #[bulkhead(1, wait = 60s, queue = 1000, name = "left in a measured queue")]
    fn measured(ends: Arc<Mutex<Receiver<()>>>, ran: Arc<AtomicU32>) -> Outcome {
        ran.fetch_add(1, Ordering::Relaxed);
        let _ = ends.lock().unwrap().recv();
        Ok(1)
    }
    let _world = testing::isolate();
    let calls: [(Guarded, _); 2] = [(guarded, "left in the queue"), (measured, "left in a measured queue")];
    for (call, bulkhead) in calls {
        let ran = runs_of_one_that_was_left_in_the_queue(call, bulkhead);
        assert_eq!(ran, 0, "nothing may reach the service of a call that was reported as not sent");
    }
    let policies = point("left in a measured queue").unwrap().snapshot().policies;
    let counter = |name| policies[0].counters.iter().find(|(counter, _)| *counter == name).unwrap().1;
    assert_eq!(counter("samples") + 1, counter("timed_out"), "the wait says nothing of the service");
}
