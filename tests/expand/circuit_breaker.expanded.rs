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
    let r = '__resilience_breaker: {
        let permit = match __resilience::Found(|| &__RESILIENCE_BREAKER).admit() {
            __resilience::Ok(permit) => permit,
            __resilience::Err(rejected) => {
                break '__resilience_breaker __resilience::refused(rejected);
            }
        };
        let r: Result<String, Error> = __resilience::call_once(|| -> Result<
            String,
            Error,
        > { fetch(id, name) });
        let verdict = __resilience::Outcome::probe(&r)
            .probed_verdict(&__RESILIENCE_POINT, 1);
        let verdict = permit.settle(verdict, __resilience::Ruling::ByCategory);
        r
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
    let r = '__resilience_breaker: {
        let permit = match __resilience::Found(|| &__RESILIENCE_BREAKER).admit() {
            __resilience::Ok(permit) => permit,
            __resilience::Err(rejected) => {
                break '__resilience_breaker __resilience::refused(rejected);
            }
        };
        let r = async {
            if let __resilience::Some(r) = __resilience::None::<Result<String, Error>> {
                return r;
            }
            fetch(id, name).await
        }
            .await;
        let verdict = __resilience::Outcome::probe(&r)
            .probed_verdict(&__RESILIENCE_POINT, 1);
        let verdict = permit.settle(verdict, __resilience::Ruling::ByCategory);
        r
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
        let r = '__resilience_breaker: {
            let permit = match __resilience::Found(|| &__RESILIENCE_BREAKER).admit() {
                __resilience::Ok(permit) => permit,
                __resilience::Err(rejected) => {
                    break '__resilience_breaker __resilience::refused(rejected);
                }
            };
            let r = async {
                if let __resilience::Some(r) = __resilience::None::<
                    Result<String, Error>,
                > {
                    return r;
                }
                self.fetch(id).await
            }
                .await;
            let verdict = __resilience::Outcome::probe(&r)
                .probed_verdict(&__RESILIENCE_POINT, 1);
            let verdict = permit.settle(verdict, __resilience::Ruling::ByCategory);
            r
        };
        r
    }
}
