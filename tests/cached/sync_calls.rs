//! Sync calls wait on their threads, for calls of either kind.

use super::*;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

/// Waits until `count` calls wait for another one.
fn until_waiting(cache: &Cache, count: usize) {
    while cache.snapshot().waiting < count {
        thread::yield_now();
    }
}

#[test]
fn threads_share_one_body() {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    static END: Mutex<Option<Receiver<()>>> = Mutex::new(None);
    #[cached(ttl = 60s)]
    fn slow(n: u32) -> Result<u32, Fails> {
        CALLS.fetch_add(1, Ordering::Relaxed);
        let end = END.lock().unwrap().take().expect("one body");
        let _ = end.recv();
        if n == 1 { Ok(7) } else { Err(Fails(Category::Unavailable)) }
    }
    let world = testing::isolate();
    for n in [1, 2] {
        let (send, end) = channel();
        *END.lock().unwrap() = Some(end);
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let handle = world.handle();
                thread::spawn(move || handle.run(|| slow(n)))
            })
            .collect();
        until_waiting(cache("sync_calls::slow"), 7);
        send.send(()).unwrap();
        let answers: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        let expected = if n == 1 { Ok(7) } else { Err(Fails(Category::Unavailable)) };
        assert_eq!((answers, CALLS.swap(0, Ordering::Relaxed)), (vec![expected; 8], 1));
    }
}

#[test]
fn a_body_that_panics_hands_over_to_another_thread() {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    static END: Mutex<Option<Receiver<()>>> = Mutex::new(None);
    #[cached(ttl = 60s)]
    fn slow() -> Result<u32, Fails> {
        if CALLS.fetch_add(1, Ordering::Relaxed) == 0 {
            let end = END.lock().unwrap().take().expect("one body");
            let _ = end.recv();
            panic!("the first body panics");
        }
        Ok(7)
    }
    let world = testing::isolate();
    let (send, end) = channel();
    *END.lock().unwrap() = Some(end);
    let start = || {
        let handle = world.handle();
        thread::spawn(move || handle.run(slow))
    };
    let threads = [start(), start(), start()];
    until_waiting(cache("sync_calls::slow#2"), 2);
    send.send(()).unwrap();
    let answers: Vec<_> = threads.into_iter().filter_map(|thread| thread.join().ok()).collect();
    assert_eq!((answers, CALLS.load(Ordering::Relaxed)), (vec![Ok(7); 2], 2));
}

#[test]
fn a_sync_call_waits_no_longer_than_wait() {
    static ENDS: Mutex<Vec<Sender<()>>> = Mutex::new(Vec::new());
    #[cached(ttl = 60s, wait = 5s)]
    fn stuck() -> Result<u32, Fails> {
        let mut ends = ENDS.lock().unwrap();
        if ends.is_empty() {
            let (send, end) = channel();
            ends.push(send);
            drop(ends);
            let _ = end.recv();
            return Ok(1);
        }
        Ok(2)
    }
    let world = testing::isolate();
    let start = || {
        let handle = world.handle();
        thread::spawn(move || handle.run(stuck))
    };
    let first = start();
    while ENDS.lock().unwrap().is_empty() {
        thread::yield_now();
    }
    let second = start();
    until_waiting(cache("sync_calls::stuck"), 1);
    // Its timer may be made a moment after it has joined.
    while !second.is_finished() {
        world.advance(5 * SECOND);
        thread::yield_now();
    }
    assert_eq!(second.join().unwrap(), Ok(2));
    ENDS.lock().unwrap().clear();
    assert_eq!(first.join().unwrap(), Ok(1));
}

#[test]
fn a_sync_call_inside_itself_runs_its_own_body() {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    #[cached(ttl = 60s)]
    fn inside(n: u32) -> Result<u32, Fails> {
        if CALLS.fetch_add(1, Ordering::Relaxed) < 3 { inside(n) } else { Ok(n) }
    }
    let _world = testing::isolate();
    assert_eq!((inside(5), CALLS.load(Ordering::Relaxed)), (Ok(5), 4));
}

#[test]
fn a_helper_thread_belongs_to_the_same_call() {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    #[cached(ttl = 60s)]
    #[resilience::timeout(60s, thread)]
    fn inside(n: u32) -> Result<u32, Fails> {
        if CALLS.fetch_add(1, Ordering::Relaxed) < 2 { inside(n) } else { Ok(n) }
    }
    let _world = testing::isolate();
    assert_eq!((inside(5), CALLS.load(Ordering::Relaxed)), (Ok(5), 3));
}

#[test]
fn a_sync_and_an_async_call_share_a_flight() {
    static SHARED: Cache = Cache::new("shared flight").ttl(Duration::from_secs(60));
    let world = testing::isolate();
    let mut asynchronous = Box::pin(SHARED.call_async("a", async || {
        tokio::task::yield_now().await;
        Ok::<u32, Fails>(7)
    }));
    assert!(poll(asynchronous.as_mut()).is_pending());
    let handle = world.handle();
    let sync = thread::spawn(move || handle.run(|| SHARED.call("a", || Ok::<u32, Fails>(1))));
    until_waiting(&SHARED, 1);
    assert_eq!(poll(asynchronous.as_mut()), Poll::Ready(Ok(7)));
    assert_eq!(sync.join().unwrap(), Ok(7));
}

#[test]
fn a_change_while_the_body_runs_wins_over_its_value() {
    #[cached(ttl = 60s, key = id, name = "changed meanwhile")]
    fn changed(id: u32, change: &dyn Fn(&Cache)) -> Result<u32, Fails> {
        change(point("changed meanwhile").unwrap().cache().unwrap());
        Ok(id)
    }
    let _world = testing::isolate();
    let shared = point("changed meanwhile").unwrap().cache().unwrap();
    let kept = || shared.get::<u32>(&1_u32, Duration::MAX);
    type Change<'a> = &'a dyn Fn(&Cache);
    let changes: [(Change<'_>, Option<u32>); 5] = [
        (&|cache| cache.invalidate(&1_u32), None),
        (&|cache| cache.clear(), None),
        (&|_| resilience::clear_caches(), None),
        (&|cache| cache.put(&1_u32, 77_u32), Some(77)),
        (&|cache| cache.invalidate(&2_u32), Some(1)),
    ];
    for (change, expected) in changes {
        shared.clear();
        assert_eq!((changed(1, change), kept()), (Ok(1), expected));
    }
}
