fn sync(id: u32, name: &str) -> Result<String, Error> {
    use ::resilience::__private as __rt;
    #[__rt::linkme::distributed_slice(__rt::POINTS_0_1)]
    #[linkme(crate = __rt::linkme)]
    static __POINT: __rt::PointSite = __rt::PointSite::new(
        ::core::module_path!(),
        "sync",
        &[&__BREAKER],
    );
    static __BREAKER: __rt::CircuitBreaker = __rt::CircuitBreaker::recovery(
            __rt::CircuitBreaker::threshold(__rt::CircuitBreaker::of(&__POINT), 5),
            ::core::time::Duration::from_secs(60),
        )
        .checked();
    let __outcome = '__breaker: {
        let __permit = match (&__BREAKER).admit() {
            __rt::Ok(__permit) => __permit,
            __rt::Err(__rejected) => break '__breaker __rt::refused(__rejected),
        };
        let __outcome = __rt::call_once(|| -> Result<String, Error> { fetch(id, name) });
        let __verdict = __rt::Outcome::probe(&__outcome).probed_verdict(&__POINT, 1);
        let __verdict = __permit.settle(__verdict, __rt::Ruling::ByCategory);
        __outcome
    };
    #[allow(unreachable_code, clippy::needless_return)] return __outcome;
}
async fn asynchronous(id: u32, name: &str) -> Result<String, Error> {
    use ::resilience::__private as __rt;
    #[__rt::linkme::distributed_slice(__rt::POINTS_0_1)]
    #[linkme(crate = __rt::linkme)]
    static __POINT: __rt::PointSite = __rt::PointSite::new(
        ::core::module_path!(),
        "asynchronous",
        &[&__BREAKER],
    );
    static __BREAKER: __rt::CircuitBreaker = __rt::CircuitBreaker::recovery(
            __rt::CircuitBreaker::threshold(__rt::CircuitBreaker::of(&__POINT), 5),
            ::core::time::Duration::from_secs(60),
        )
        .checked();
    let __outcome = '__breaker: {
        let __permit = match (&__BREAKER).admit() {
            __rt::Ok(__permit) => __permit,
            __rt::Err(__rejected) => break '__breaker __rt::refused(__rejected),
        };
        let __outcome = {
            let __outcome = async {
                if let __rt::Some(__outcome) = __rt::None::<Result<String, Error>> {
                    return __outcome;
                }
                fetch(id, name).await
            }
                .await;
            if __rt::Outcome::is_success(&__outcome) && (&__permit).passes() {
                __permit.passed();
                break '__breaker __outcome;
            }
            __outcome
        };
        let __verdict = __rt::Outcome::probe(&__outcome).probed_verdict(&__POINT, 1);
        let __verdict = __permit.settle(__verdict, __rt::Ruling::ByCategory);
        __outcome
    };
    #[allow(unreachable_code, clippy::needless_return)] return __outcome;
}
impl Service {
    async fn method(&self, id: u32) -> Result<String, Error> {
        use ::resilience::__private as __rt;
        #[__rt::linkme::distributed_slice(__rt::POINTS_0_1)]
        #[linkme(crate = __rt::linkme)]
        static __POINT: __rt::PointSite = __rt::PointSite::new(
            ::core::module_path!(),
            "method",
            &[&__BREAKER],
        );
        static __BREAKER: __rt::CircuitBreaker = __rt::CircuitBreaker::recovery(
                __rt::CircuitBreaker::threshold(__rt::CircuitBreaker::of(&__POINT), 5),
                ::core::time::Duration::from_secs(60),
            )
            .checked();
        let __outcome = '__breaker: {
            let __permit = match (&__BREAKER).admit() {
                __rt::Ok(__permit) => __permit,
                __rt::Err(__rejected) => break '__breaker __rt::refused(__rejected),
            };
            let __outcome = {
                let __outcome = async {
                    if let __rt::Some(__outcome) = __rt::None::<Result<String, Error>> {
                        return __outcome;
                    }
                    self.fetch(id).await
                }
                    .await;
                if __rt::Outcome::is_success(&__outcome) && (&__permit).passes() {
                    __permit.passed();
                    break '__breaker __outcome;
                }
                __outcome
            };
            let __verdict = __rt::Outcome::probe(&__outcome).probed_verdict(&__POINT, 1);
            let __verdict = __permit.settle(__verdict, __rt::Ruling::ByCategory);
            __outcome
        };
        #[allow(unreachable_code, clippy::needless_return)] return __outcome;
    }
}
async fn measured(id: u32, name: &str) -> Result<String, Error> {
    use ::resilience::__private as __rt;
    #[__rt::linkme::distributed_slice(__rt::POINTS_0_1)]
    #[linkme(crate = __rt::linkme)]
    static __POINT: __rt::PointSite = __rt::PointSite::new(
        ::core::module_path!(),
        "measured",
        &[&__BREAKER],
    );
    static __BREAKER: __rt::CircuitBreaker = __rt::CircuitBreaker::slow_rate(
            __rt::CircuitBreaker::slow(
                __rt::CircuitBreaker::of(&__POINT),
                ::core::time::Duration::from_secs(2),
            ),
            0.8f64,
        )
        .checked();
    let __outcome = '__breaker: {
        let __permit = match (&__BREAKER).acquire() {
            __rt::Ok(__permit) => __permit,
            __rt::Err(__rejected) => break '__breaker __rt::refused(__rejected),
        };
        let (__outcome, __verdict) = (&__permit)
            .measured(async {
                let __outcome = async {
                    if let __rt::Some(__outcome) = __rt::None::<Result<String, Error>> {
                        return __outcome;
                    }
                    fetch(id, name).await
                }
                    .await;
                let __verdict = __rt::Outcome::probe(&__outcome)
                    .probed_verdict(&__POINT, 1);
                (__outcome, __verdict)
            })
            .await;
        let __verdict = __permit.settle(__verdict, __rt::Ruling::ByCategory);
        __outcome
    };
    #[allow(unreachable_code, clippy::needless_return)] return __outcome;
}
