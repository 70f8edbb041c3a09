fn sync(id: u32, name: String) -> Result<String, Error> {
    use ::resilience::__private as __rt;
    #[__rt::linkme::distributed_slice(__rt::POINTS_0_1)]
    #[linkme(crate = __rt::linkme)]
    static __POINT: __rt::PointSite = __rt::PointSite::new(
        ::core::module_path!(),
        "sync",
        &[&__TIMEOUT],
    );
    static __TIMEOUT: __rt::TimeoutSite = __rt::TimeoutSite::new(
            &__POINT,
            __rt::Timeout::new(::core::time::Duration::from_secs(2)).checked(),
        )
        .thread();
    let __outcome = match (&__TIMEOUT)
        .on_thread(
            1,
            move || {
                let __outcome = __rt::call_once(|| -> Result<String, Error> {
                    fetch(id, name)
                });
                let __verdict = __rt::Outcome::probe(&__outcome)
                    .probed_verdict(&__POINT, 1);
                __outcome
            },
        )
    {
        __rt::Ok(__done) => __done,
        __rt::Err(__rejected) => __rt::refused(__rejected),
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
        &[&__TIMEOUT],
    );
    static __TIMEOUT: __rt::TimeoutSite = __rt::TimeoutSite::new(
        &__POINT,
        __rt::Timeout::new(::core::time::Duration::from_secs(2)).checked(),
    );
    let __outcome = match __rt::Timed::new(
            &__TIMEOUT,
            async {
                if let __rt::Some(__outcome) = __rt::None::<Result<String, Error>> {
                    return __outcome;
                }
                fetch(id, name).await
            },
        )
        .await
    {
        __rt::Ok(__outcome) => {
            let __verdict = __rt::Outcome::probe(&__outcome).probed_verdict(&__POINT, 1);
            __outcome
        }
        __rt::Err(__rejected) => __rt::refused(__rejected),
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
            &[&__TIMEOUT],
        );
        static __TIMEOUT: __rt::TimeoutSite = __rt::TimeoutSite::new(
            &__POINT,
            __rt::Timeout::new(::core::time::Duration::from_secs(2)).strict().checked(),
        );
        let __outcome = match __rt::Timed::new(
                &__TIMEOUT,
                async {
                    if let __rt::Some(__outcome) = __rt::None::<Result<String, Error>> {
                        return __outcome;
                    }
                    self.fetch(id).await
                },
            )
            .await
        {
            __rt::Ok(__outcome) => {
                let __verdict = __rt::Outcome::probe(&__outcome)
                    .probed_verdict(&__POINT, 1);
                __outcome
            }
            __rt::Err(__rejected) => __rt::refused(__rejected),
        };
        #[allow(unreachable_code, clippy::needless_return)] return __outcome;
    }
}
async fn follows(id: u32, name: &str) -> Result<String, Error> {
    use ::resilience::__private as __rt;
    #[__rt::linkme::distributed_slice(__rt::POINTS_0_1)]
    #[linkme(crate = __rt::linkme)]
    static __POINT: __rt::PointSite = __rt::PointSite::new(
        ::core::module_path!(),
        "follows",
        &[&__TIMEOUT],
    );
    static __TIMEOUT: __rt::AdaptiveTimeout = __rt::AdaptiveTimeout::of(
            &__POINT,
            ::core::time::Duration::from_millis(100),
            ::core::time::Duration::from_secs(10),
        )
        .checked();
    let __outcome = match (&__TIMEOUT)
        .within(
            1,
            async {
                let __outcome = async {
                    if let __rt::Some(__outcome) = __rt::None::<Result<String, Error>> {
                        return __outcome;
                    }
                    fetch(id, name).await
                }
                    .await;
                let __verdict = __rt::Outcome::probe(&__outcome)
                    .probed_verdict(&__POINT, 1);
                __rt::timeout::Ended::new(__outcome, &__verdict)
            },
        )
        .await
    {
        __rt::Ok(__done) => __done,
        __rt::Err(__rejected) => __rt::refused(__rejected),
    };
    #[allow(unreachable_code, clippy::needless_return)] return __outcome;
}
fn follows_on_thread(id: u32, name: String) -> Result<String, Error> {
    use ::resilience::__private as __rt;
    #[__rt::linkme::distributed_slice(__rt::POINTS_0_1)]
    #[linkme(crate = __rt::linkme)]
    static __POINT: __rt::PointSite = __rt::PointSite::new(
        ::core::module_path!(),
        "follows_on_thread",
        &[&__RETRY, &__TIMEOUT],
    );
    static __BUDGETS: __rt::KeyedBudgets = {
        const fn __fresh() -> __rt::Keyed<__rt::Budget> {
            __rt::Keyed::new(__rt::Budget::new)
        }
        __rt::Site::new(__fresh(), __fresh)
    };
    static __RETRY: __rt::RetrySite = __rt::RetrySite::new(&__POINT, __rt::Retry::new())
        .per_key(&__BUDGETS);
    static __TIMEOUT: __rt::Site<__rt::Keyed<__rt::AdaptiveTimeout>> = {
        const fn __fresh() -> __rt::AdaptiveTimeout {
            __rt::AdaptiveTimeout::of(
                    &__POINT,
                    ::core::time::Duration::from_millis(100),
                    ::core::time::Duration::from_secs(10),
                )
                .thread()
                .checked()
        }
        const fn __keyed() -> __rt::Keyed<__rt::AdaptiveTimeout> {
            __rt::Keyed::new(__fresh)
        }
        __rt::Site::new(__keyed(), __keyed)
    };
    let __budget = __rt::Keyed::get(&__BUDGETS, &(name));
    let mut __retry = (&__RETRY).in_code().start();
    let __outcome = loop {
        let __retrying = {
            let (__outcome, __verdict) = {
                __rt::CopyPerAttempt::taken(&id);
                __rt::CopyPerAttempt::taken(&name);
                let (__outcome, __verdict) = {
                    let __timeout = __rt::Keyed::get(&__TIMEOUT, &(name));
                    match (&*__timeout)
                        .on_thread(
                            (&__retry).attempt(),
                            {
                                let __retry = (&__retry).elsewhere();
                                move || {
                                    let __outcome = __rt::call_once(|| -> Result<String, Error> {
                                        fetch(id, name)
                                    });
                                    let __verdict = __rt::Outcome::probe(&__outcome)
                                        .probed_verdict(&__POINT, (&__retry).attempt());
                                    __rt::timeout::Ended::new(
                                        (__outcome, __verdict),
                                        &__verdict,
                                    )
                                }
                            },
                        )
                    {
                        __rt::Ok(__done) => __done,
                        __rt::Err(__rejected) => __rt::refused_with_class(__rejected),
                    }
                };
                (__outcome, __verdict)
            };
            match (&__RETRY)
                .in_code()
                .settle_with(
                    __retry,
                    __verdict,
                    __rt::Ruling::ByCategory,
                    __rt::Some(&*__budget),
                )
            {
                __rt::Ok(_) => break __outcome,
                __rt::Err(__retrying) => __retrying,
            }
        };
        __retry = (&__RETRY).in_code().sleep(__retrying);
    };
    #[allow(unreachable_code, clippy::needless_return)] return __outcome;
}
