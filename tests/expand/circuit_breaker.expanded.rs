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
    let __outcome = '__resilience_breaker: {
        let __permit = match __resilience::Found(|| &__RESILIENCE_BREAKER).admit() {
            __resilience::Ok(__permit) => __permit,
            __resilience::Err(__rejected) => {
                break '__resilience_breaker __resilience::refused(__rejected);
            }
        };
        let __outcome: Result<String, Error> = __resilience::call_once(|| -> Result<
            String,
            Error,
        > { fetch(id, name) });
        let __verdict = __resilience::Outcome::probe(&__outcome)
            .probed_verdict(&__RESILIENCE_POINT, 1);
        let __verdict = __permit.settle(__verdict, __resilience::Ruling::ByCategory);
        __outcome
    };
    #[allow(unreachable_code, clippy::needless_return)] return __outcome;
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
    let __outcome = '__resilience_breaker: {
        let __permit = match __resilience::Found(|| &__RESILIENCE_BREAKER).admit() {
            __resilience::Ok(__permit) => __permit,
            __resilience::Err(__rejected) => {
                break '__resilience_breaker __resilience::refused(__rejected);
            }
        };
        let __outcome = async {
            if let __resilience::Some(__outcome) = __resilience::None::<
                Result<String, Error>,
            > {
                return __outcome;
            }
            fetch(id, name).await
        }
            .await;
        let __verdict = __resilience::Outcome::probe(&__outcome)
            .probed_verdict(&__RESILIENCE_POINT, 1);
        let __verdict = __permit.settle(__verdict, __resilience::Ruling::ByCategory);
        __outcome
    };
    #[allow(unreachable_code, clippy::needless_return)] return __outcome;
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
        let __outcome = '__resilience_breaker: {
            let __permit = match __resilience::Found(|| &__RESILIENCE_BREAKER).admit() {
                __resilience::Ok(__permit) => __permit,
                __resilience::Err(__rejected) => {
                    break '__resilience_breaker __resilience::refused(__rejected);
                }
            };
            let __outcome = async {
                if let __resilience::Some(__outcome) = __resilience::None::<
                    Result<String, Error>,
                > {
                    return __outcome;
                }
                self.fetch(id).await
            }
                .await;
            let __verdict = __resilience::Outcome::probe(&__outcome)
                .probed_verdict(&__RESILIENCE_POINT, 1);
            let __verdict = __permit.settle(__verdict, __resilience::Ruling::ByCategory);
            __outcome
        };
        #[allow(unreachable_code, clippy::needless_return)] return __outcome;
    }
}
