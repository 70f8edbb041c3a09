//! How looks are shared, and what a check that hangs costs.

use super::*;

/// A check that says when it begins, and ends when it is let go.
struct Gate {
    begun: Receiver<()>,
    release: SyncSender<()>,
}

/// Registers a check whose body blocks its thread.
fn gated(check: impl FnOnce(Box<dyn Fn() + Send + Sync>) -> Check) -> Gate {
    let ((begins, begun), (release, released)) = (channel(), sync_channel::<()>(16));
    let (begins, released) = (Mutex::new(begins), Mutex::new(released));
    check(Box::new(move || {
        begins.lock().unwrap().send(()).unwrap();
        // An error where the test has ended.
        let _ = released.lock().unwrap().recv();
    }))
    .register();
    Gate { begun, release }
}

#[test]
fn concurrent_requests_share_one_look() {
    let world = isolate();
    let handle = world.handle();
    let gate = gated(|body| Check::new("gated", body).timeout(Duration::from_secs(3_600)));
    let ask = || {
        let handle = handle.clone();
        thread::spawn(move || handle.run(|| text("gated")))
    };
    let first = ask();
    gate.begun.recv().unwrap();
    let others = [ask(), ask()];
    gate.release.send(()).unwrap();
    for asked in others.into_iter().chain([first]) {
        assert_eq!(asked.join().unwrap(), "gated: pass");
    }
    assert!(gate.begun.try_recv().is_err(), "one look");
}

fn hangs(check: impl FnOnce(Box<dyn Fn() + Send + Sync>) -> Check) {
    let world = isolate();
    let gate = gated(|body| check(body).timeout(Duration::from_millis(1)).critical());
    let mut first = look("hangs");
    // Its thread may not have begun within the limit.
    while first.level == Level::Warn {
        first = look("hangs");
    }
    assert_eq!(first.level, Level::Fail);
    assert!(
        first.message.starts_with("running since 20") && first.message.ends_with("its limit of 1ms"),
        "{first}"
    );
    gate.begun.recv().unwrap();
    for _ in 0..1_000 {
        assert_eq!(look("hangs").message, first.message);
    }
    assert!(gate.begun.try_recv().is_err(), "no second look begins");
    assert!(is_ready("hangs"), "a failed look, counted once");
    for ready in [true, false, false] {
        world.advance(SECOND);
        assert_eq!(is_ready("hangs"), ready);
    }
    gate.release.send(()).unwrap();
    // The next look begins when this one has ended.
    while gate.begun.try_recv().is_err() {
        world.advance(SECOND);
        look("hangs");
    }
    gate.release.send(()).unwrap();
}

#[test]
fn a_hanging_sync_check_uses_one_thread_and_fails_fast() {
    hangs(|body| Check::new("hangs", body));
}

#[test]
fn a_hanging_async_check_uses_one_task_and_fails_fast() {
    hangs(|body| {
        let body = Arc::new(body);
        Check::new_async("hangs", move || {
            let body = body.clone();
            async move { body() }
        })
    });
}

#[test]
fn an_answer_after_the_timeout_is_a_failure() {
    let world = isolate();
    let handle = world.handle();
    let gate = gated(|body| Check::new("slow", body));
    let asked = thread::spawn(move || handle.run(|| look("slow")));
    gate.begun.recv().unwrap();
    world.advance(Duration::from_secs(3));
    gate.release.send(()).unwrap();
    let status = asked.join().unwrap();
    assert_eq!(status.level, Level::Fail, "{status}");
}

/// A runtime that has nothing else to do moves its paused clock to the next timer at once.
#[tokio::test(start_paused = true)]
async fn the_limit_of_a_look_passes_in_real_time_under_a_paused_clock() {
    const HOUR: Duration = Duration::from_secs(3_600);
    for _world in [None, Some(isolate())] {
        let gate = gated(|body| Check::new("paused", body).timeout(HOUR));
        let mut asked = pin!(health::check_async("paused"));
        assert!(poll!(&mut asked).is_pending());
        tokio::time::sleep(2 * HOUR).await;
        assert!(poll!(&mut asked).is_pending());
        gate.release.send(()).unwrap();
        assert_eq!(asked.await.unwrap().to_string(), "paused: pass");
        assert!(health::unregister("paused"));
    }
}

#[test]
fn sixteen_threads_run_more_checks() {
    let _world = isolate();
    static RUN: AtomicUsize = AtomicUsize::new(0);
    for n in 0..40 {
        health::register(format!("many:{n}"), || RUN.fetch_add(1, Ordering::Relaxed).to_string());
    }
    let all = health::check_all();
    let many = all.iter().filter(|status| status.component.starts_with("many:"));
    assert_eq!(
        (many.filter(|status| status.level == Level::Pass).count(), RUN.load(Ordering::Relaxed)),
        (40, 40)
    );
}
