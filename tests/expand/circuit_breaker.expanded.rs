fn sync(id: u32, name: &str) -> Result<String, Error> {
    use ::resilience::__private as __resilience;
    #[__resilience::linkme::distributed_slice(__resilience::POINTS_0_1)]
    #[linkme(crate = __resilience::linkme)]
    static __RESILIENCE_POINT: __resilience::PointSite = __resilience::PointSite::new(
        ::core::module_path!(),
        "sync",
        &[&__RESILIENCE_BREAKER],
    );
    static __RESILIENCE_BREAKER: __resilience::CircuitBreaker = __resilience::CircuitBreaker::recovery(
            __resilience::CircuitBreaker::threshold(
                __resilience::CircuitBreaker::of(&__RESILIENCE_POINT),
                5,
            ),
            ::core::time::Duration::from_nanos(60000000000u64),
        )
        .checked();
    let (r, _) = '__resilience_breaker: {
        let permit = match __resilience::Found(|| &__RESILIENCE_BREAKER).admit() {
            __resilience::Ok(permit) => permit,
            __resilience::Err(rejected) => {
                let rejected = rejected.of(&__RESILIENCE_POINT);
                break '__resilience_breaker __resilience::refused_outermost(rejected);
            }
        };
        let r: Result<String, Error> = __resilience::call_once(|| -> Result<
            String,
            Error,
        > { fetch(id, name) });
        #[allow(unused_imports)]
        use __resilience::{ByNothing as _, BySource as _, ByTrait as _};
        let verdict = match __resilience::Outcome::judge(&r) {
            __resilience::Ok(_) => __resilience::None,
            __resilience::Err(e) => {
                (&&__resilience::Probe(e)).seen(&__RESILIENCE_POINT, 1)
            }
        };
        let verdict = permit.settle(verdict, __resilience::Ruling::ByCategory);
        (r, verdict)
    };
    r
}
async fn asynchronous(id: u32, name: &str) -> Result<String, Error> {
    use ::resilience::__private as __resilience;
    #[__resilience::linkme::distributed_slice(__resilience::POINTS_0_1)]
    #[linkme(crate = __resilience::linkme)]
    static __RESILIENCE_POINT: __resilience::PointSite = __resilience::PointSite::new(
        ::core::module_path!(),
        "asynchronous",
        &[&__RESILIENCE_BREAKER],
    );
    static __RESILIENCE_BREAKER: __resilience::CircuitBreaker = __resilience::CircuitBreaker::recovery(
            __resilience::CircuitBreaker::threshold(
                __resilience::CircuitBreaker::of(&__RESILIENCE_POINT),
                5,
            ),
            ::core::time::Duration::from_nanos(60000000000u64),
        )
        .checked();
    let (r, _) = '__resilience_breaker: {
        let permit = match __resilience::Found(|| &__RESILIENCE_BREAKER).admit() {
            __resilience::Ok(permit) => permit,
            __resilience::Err(rejected) => {
                let rejected = rejected.of(&__RESILIENCE_POINT);
                break '__resilience_breaker __resilience::refused_outermost(rejected);
            }
        };
        let r: Result<String, Error> = async {
            if let __resilience::Some(r) = __resilience::None::<Result<String, Error>> {
                return r;
            }
            let r: Result<String, Error> = { fetch(id, name).await };
            #[allow(unreachable_code, clippy::needless_return, clippy::let_and_return)]
            return r;
        }
            .await;
        #[allow(unused_imports)]
        use __resilience::{ByNothing as _, BySource as _, ByTrait as _};
        let verdict = match __resilience::Outcome::judge(&r) {
            __resilience::Ok(_) => __resilience::None,
            __resilience::Err(e) => {
                (&&__resilience::Probe(e)).seen(&__RESILIENCE_POINT, 1)
            }
        };
        let verdict = permit.settle(verdict, __resilience::Ruling::ByCategory);
        (r, verdict)
    };
    r
}
impl Service {
    async fn method(&self, id: u32) -> Result<String, Error> {
        use ::resilience::__private as __resilience;
        #[__resilience::linkme::distributed_slice(__resilience::POINTS_0_1)]
        #[linkme(crate = __resilience::linkme)]
        static __RESILIENCE_POINT: __resilience::PointSite = __resilience::PointSite::new(
            ::core::module_path!(),
            "method",
            &[&__RESILIENCE_BREAKER],
        );
        static __RESILIENCE_BREAKER: __resilience::CircuitBreaker = __resilience::CircuitBreaker::recovery(
                __resilience::CircuitBreaker::threshold(
                    __resilience::CircuitBreaker::of(&__RESILIENCE_POINT),
                    5,
                ),
                ::core::time::Duration::from_nanos(60000000000u64),
            )
            .checked();
        let (r, _) = '__resilience_breaker: {
            let permit = match __resilience::Found(|| &__RESILIENCE_BREAKER).admit() {
                __resilience::Ok(permit) => permit,
                __resilience::Err(rejected) => {
                    let rejected = rejected.of(&__RESILIENCE_POINT);
                    break '__resilience_breaker __resilience::refused_outermost(
                        rejected,
                    );
                }
            };
            let r: Result<String, Error> = async {
                if let __resilience::Some(r) = __resilience::None::<
                    Result<String, Error>,
                > {
                    return r;
                }
                let r: Result<String, Error> = { self.fetch(id).await };
                #[allow(
                    unreachable_code,
                    clippy::needless_return,
                    clippy::let_and_return
                )] return r;
            }
                .await;
            #[allow(unused_imports)]
            use __resilience::{ByNothing as _, BySource as _, ByTrait as _};
            let verdict = match __resilience::Outcome::judge(&r) {
                __resilience::Ok(_) => __resilience::None,
                __resilience::Err(e) => {
                    (&&__resilience::Probe(e)).seen(&__RESILIENCE_POINT, 1)
                }
            };
            let verdict = permit.settle(verdict, __resilience::Ruling::ByCategory);
            (r, verdict)
        };
        r
    }
}
