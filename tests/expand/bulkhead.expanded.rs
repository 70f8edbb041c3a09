fn sync(id: u32, name: &str) -> Result<String, Error> {
    use ::resilience::__private as __rt;
    #[__rt::linkme::distributed_slice(__rt::POINTS_0_1)]
    #[linkme(crate = __rt::linkme)]
    static __POINT: __rt::PointSite = __rt::PointSite::new(
        ::core::module_path!(),
        "sync",
        &[&__BULKHEAD],
    );
    static __BULKHEAD: __rt::Bulkhead = __rt::Bulkhead::of(&__POINT, 16).checked();
    let __outcome = '__bulkhead: {
        let __held__bulkhead = match (&__BULKHEAD).enter_attempt(1) {
            __rt::Ok(__slot) => __slot,
            __rt::Err(__rejected) => break '__bulkhead __rt::refused(__rejected),
        };
        let __outcome = __rt::call_once(|| -> Result<String, Error> { fetch(id, name) });
        let __verdict = __rt::Outcome::probe(&__outcome).probed_verdict(&__POINT, 1);
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
        &[&__BULKHEAD],
    );
    static __BULKHEAD: __rt::Bulkhead = __rt::Bulkhead::queue(
            __rt::Bulkhead::wait(
                __rt::Bulkhead::of(&__POINT, 16),
                ::core::time::Duration::from_millis(100),
            ),
            32,
        )
        .checked();
    let __outcome = '__bulkhead: {
        let __held__bulkhead = match (&__BULKHEAD).await_attempt(1).await {
            __rt::Ok(__slot) => __slot,
            __rt::Err(__rejected) => break '__bulkhead __rt::refused(__rejected),
        };
        let __outcome = __rt::bulkhead::holding(
                &__held__bulkhead,
                async {
                    let __outcome = async {
                        if let __rt::Some(__outcome) = __rt::None::<
                            Result<String, Error>,
                        > {
                            return __outcome;
                        }
                        fetch(id, name).await
                    }
                        .await;
                    let __verdict = __rt::Outcome::probe(&__outcome)
                        .probed_verdict(&__POINT, 1);
                    __outcome
                },
            )
            .await;
        __outcome
    };
    #[allow(unreachable_code, clippy::needless_return)] return __outcome;
}
async fn adaptive(id: u32) -> Result<String, Error> {
    use ::resilience::__private as __rt;
    #[__rt::linkme::distributed_slice(__rt::POINTS_0_1)]
    #[linkme(crate = __rt::linkme)]
    static __POINT: __rt::PointSite = __rt::PointSite::new(
        ::core::module_path!(),
        "adaptive",
        &[&__BULKHEAD],
    );
    static __BULKHEAD: __rt::Bulkhead = __rt::Bulkhead::cap(
            __rt::Bulkhead::floor(
                __rt::Bulkhead::wait(
                        __rt::Bulkhead::of_adaptive(&__POINT),
                        ::core::time::Duration::from_secs(1),
                    )
                    .adaptive(),
                2,
            ),
            100,
        )
        .checked();
    let __outcome = '__bulkhead: {
        let __held__bulkhead = match (&__BULKHEAD).await_attempt(1).await {
            __rt::Ok(__slot) => __slot,
            __rt::Err(__rejected) => break '__bulkhead __rt::refused(__rejected),
        };
        let (__outcome, __verdict) = __rt::bulkhead::holding(
                &__held__bulkhead,
                async {
                    let __outcome = async {
                        if let __rt::Some(__outcome) = __rt::None::<
                            Result<String, Error>,
                        > {
                            return __outcome;
                        }
                        fetch(id).await
                    }
                        .await;
                    let __verdict = __rt::Outcome::probe(&__outcome)
                        .probed_verdict(&__POINT, 1);
                    (__outcome, __verdict)
                },
            )
            .await;
        __rt::bulkhead::SlotOf::ended(&__held__bulkhead, __verdict);
        __outcome
    };
    #[allow(unreachable_code, clippy::needless_return)] return __outcome;
}
fn on_thread(id: u32, name: String) -> Result<String, Error> {
    use ::resilience::__private as __rt;
    #[__rt::linkme::distributed_slice(__rt::POINTS_0_1)]
    #[linkme(crate = __rt::linkme)]
    static __POINT: __rt::PointSite = __rt::PointSite::new(
        ::core::module_path!(),
        "on_thread",
        &[&__BULKHEAD, &__TIMEOUT],
    );
    static __BULKHEAD: __rt::Bulkhead = __rt::Bulkhead::wait(
            __rt::Bulkhead::of(&__POINT, 16),
            ::core::time::Duration::from_secs(1),
        )
        .checked();
    static __TIMEOUT: __rt::TimeoutSite = __rt::TimeoutSite::new(
            &__POINT,
            __rt::Timeout::new(::core::time::Duration::from_secs(2)).checked(),
        )
        .thread();
    let __outcome = '__bulkhead: {
        let __held__bulkhead = match (&__BULKHEAD).enter_attempt(1) {
            __rt::Ok(__slot) => __rt::Arc::new(__slot),
            __rt::Err(__rejected) => break '__bulkhead __rt::refused(__rejected),
        };
        let __holding = __rt::bulkhead::hold(&__held__bulkhead);
        let (__outcome, __verdict) = {
            let __held__bulkhead = ::core::clone::Clone::clone(&__held__bulkhead);
            let (__outcome, __verdict) = match (&__TIMEOUT)
                .on_thread(
                    1,
                    move || {
                        __rt::keep(&__held__bulkhead);
                        let __outcome = __rt::call_once(|| -> Result<String, Error> {
                            fetch(id, name)
                        });
                        let __verdict = __rt::Outcome::probe(&__outcome)
                            .probed_verdict(&__POINT, 1);
                        (__outcome, __verdict)
                    },
                )
            {
                __rt::Ok(__done) => __done,
                __rt::Err(__rejected) => __rt::refused_with_class(__rejected),
            };
            (__outcome, __verdict)
        };
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
            &[&__BULKHEAD],
        );
        static __BULKHEAD: __rt::Site<__rt::Keyed<__rt::Bulkhead>> = {
            const fn __fresh() -> __rt::Bulkhead {
                __rt::Bulkhead::of(&__POINT, 16).checked()
            }
            const fn __keyed() -> __rt::Keyed<__rt::Bulkhead> {
                __rt::Keyed::new(__fresh)
            }
            __rt::Site::new(__keyed(), __keyed)
        };
        let __outcome = '__bulkhead: {
            let __held__bulkhead = match __rt::Keyed::enter_attempt(
                &__BULKHEAD,
                &(self.host),
                1,
            ) {
                __rt::Ok(__slot) => __slot,
                __rt::Err(__rejected) => break '__bulkhead __rt::refused(__rejected),
            };
            let __outcome = async {
                if let __rt::Some(__outcome) = __rt::None::<Result<String, Error>> {
                    return __outcome;
                }
                self.fetch(id).await
            }
                .await;
            let __verdict = __rt::Outcome::probe(&__outcome).probed_verdict(&__POINT, 1);
            __outcome
        };
        #[allow(unreachable_code, clippy::needless_return)] return __outcome;
    }
}
