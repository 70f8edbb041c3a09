//! Functions of all shapes, and hedges as values.

use super::*;

struct Service {
    host: String,
    calls: AtomicU32,
}

impl Service {
    fn new() -> Self {
        Self { host: "a.example".into(), calls: AtomicU32::new(0) }
    }

    async fn slow_once(&self) -> u32 {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        if call == 0 {
            std::future::pending::<()>().await;
        }
        call
    }

    #[hedge(after = 10ms, idempotent, key = self.host, name = "Service::method")]
    async fn method(&self, ids: &[u64], (a, b): (u32, u32)) -> Result<String, Failure> {
        let call = self.slow_once().await;
        Ok(format!("{} {call} {} {}", self.host, ids.len(), a + b))
    }

    #[hedge(after = 10ms, idempotent, clone(name), name = "Service::moves")]
    async fn moves(self: Arc<Self>, name: String, mut count: u32) -> Result<String, Failure> {
        count += self.slow_once().await;
        let moved = name;
        Ok(format!("{moved} {count}"))
    }

    #[hedge(after = 10ms, idempotent, name = "Service::future")]
    fn future(&self) -> impl Future<Output = Outcome> + Send {
        async { Ok(self.slow_once().await) }
    }

    #[hedge(after = 10ms, idempotent, name = "Service::boxed")]
    fn boxed(&self) -> Pin<Box<dyn Future<Output = Outcome> + Send + '_>> {
        Box::pin(async move { Ok(self.slow_once().await) })
    }
}

#[async_trait::async_trait]
trait Get {
    async fn get(&self, name: String) -> Result<String, Failure>;
}

#[async_trait::async_trait]
impl Get for Service {
    #[hedge(after = 10ms, idempotent, name = "Get::get")]
    #[timeout(60s)]
    async fn get(&self, name: String) -> Result<String, Failure> {
        if name.is_empty() {
            return Err(Failure::Own(Category::Invalid));
        }
        let call = self.slow_once().await;
        Ok(format!("{name} {call}"))
    }
}

#[hedge(after = 10ms, idempotent)]
async fn generic<T: AsRef<str> + Sync + ?Sized, const N: usize>(
    text: &T,
    service: &Service,
) -> Option<usize> {
    service.slow_once().await;
    Some(text.as_ref().len() + N)
}

#[hedge(after = 10ms, idempotent)]
async fn opaque(service: &Service) -> Result<impl std::fmt::Display, Failure> {
    let call = service.slow_once().await;
    if call > 9 {
        Err(Failure::Own(Category::Invalid))?
    }
    Ok(call)
}

#[tokio::test(start_paused = true)]
async fn functions_of_every_shape_are_supported() {
    let service = || Arc::new(Service::new());
    assert_eq!(service().method(&[1, 2], (3, 4)).await.unwrap(), "a.example 1 2 7");
    let spawned = tokio::spawn(service().moves("Ada".into(), 10));
    assert_eq!(spawned.await.unwrap().unwrap(), "Ada 11");
    assert_eq!(service().future().await, Ok(1));
    assert_eq!(service().boxed().await, Ok(1));
    assert_eq!(service().get("Ada".into()).await.unwrap(), "Ada 1");
    assert!(service().get(String::new()).await.is_err());
    assert_eq!(generic::<str, 3>("rust", &service()).await, Some(7));
    assert_eq!(opaque(&service()).await.unwrap().to_string(), "1");
}

#[test]
fn a_call_dropped_at_any_poll_frees_its_resources() {
    #[with_retry(max = 1, base = 0s, name = "dropped")]
    #[hedge(after = 10ms, max = 2, idempotent)]
    #[circuit_breaker(threshold = 5)]
    #[bulkhead(4, wait = 1s)]
    async fn dropped(steps: &AtomicU32) -> Outcome {
        for _ in 0..3 {
            steps.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
        DOWN
    }
    for polls in 0..40 {
        let world = testing::isolate();
        let steps = AtomicU32::new(0);
        {
            let mut call = pin!(dropped(&steps));
            for _ in 0..polls {
                if poll(call.as_mut()).is_ready() {
                    break;
                }
                world.advance(MS * 8);
            }
        }
        let (in_use, hedge) = {
            let point = point("dropped").unwrap();
            (point.bulkhead().unwrap().snapshot().in_use, point.hedge().unwrap().snapshot())
        };
        assert_eq!((in_use, hedge.denied), (0, 0), "after {polls} polls");
        let tokens = u64::from(point("dropped").unwrap().budget().unwrap().tokens());
        assert!((500 - 5 - 5 * hedge.hedged..=500 - 5 * hedge.hedged).contains(&tokens), "{tokens}: {hedge}");
    }
}
