fn borrowed(model: &str) -> Result<String, Error> {
    use ::resilience::__private as __rt;
    #[__rt::linkme::distributed_slice(__rt::POINTS_0_1)]
    #[linkme(crate = __rt::linkme)]
    static __POINT: __rt::PointSite = __rt::PointSite::new(
        ::core::module_path!(),
        "borrowed",
        &[&__FAILOVER, &__BREAKER],
    );
    static __FAILOVER: __rt::Failover = __rt::Failover::of(
            &__POINT,
            "model",
            || __rt::failover::names(&["a", "b"]),
        )
        .checked();
    static __BREAKER: __rt::Site<__rt::Keyed<__rt::CircuitBreaker>> = {
        const fn __fresh() -> __rt::CircuitBreaker {
            __rt::CircuitBreaker::threshold(__rt::CircuitBreaker::of(&__POINT), 5)
                .checked()
        }
        const fn __keyed() -> __rt::Keyed<__rt::CircuitBreaker> {
            __rt::Keyed::new(__fresh)
        }
        __rt::Site::new(__keyed(), __keyed)
    };
    let __outcome = '__failover: {
        let __listed = &["a", "b"];
        let __values = __rt::failover::values(__listed);
        let mut __walk = (&__FAILOVER).start(__values, &model);
        let __own = model;
        let mut __kept = __rt::None;
        loop {
            let (__outcome, __verdict) = {
                #[allow(
                    clippy::shadow_reuse,
                    clippy::shadow_same,
                    clippy::shadow_unrelated
                )]
                let model: &str = match (&__walk).listed(__values) {
                    __rt::None => __own,
                    __rt::Some(__value) => __value,
                };
                let (__outcome, __verdict) = '__breaker: {
                    let __permit = match __rt::Keyed::admit(&__BREAKER, &(model)) {
                        __rt::Ok(__permit) => __permit,
                        __rt::Err(__rejected) => {
                            break '__breaker __rt::refused_with_class(__rejected);
                        }
                    };
                    let __outcome = __rt::call_once(|| -> Result<String, Error> {
                        run(model)
                    });
                    let __verdict = __rt::Outcome::probe(&__outcome)
                        .probed_verdict(&__POINT, 1);
                    let __verdict = __permit.settle(__verdict, __rt::Ruling::ByCategory);
                    (__outcome, __verdict)
                };
                (__outcome, __verdict)
            };
            if (&mut __walk).continues(__values, &__verdict) {
                __kept = __rt::Some(
                    __rt::failover::keep(__kept, (__outcome, __verdict)),
                );
                continue;
            }
            let (__outcome, __verdict) = __walk
                .ended(__values, __kept, __outcome, __verdict);
            break '__failover __outcome;
        }
    };
    #[allow(unreachable_code, clippy::needless_return)] return __outcome;
}
async fn owned(endpoint: Endpoint, tenant: u32) -> Result<String, Error> {
    use ::resilience::__private as __rt;
    #[__rt::linkme::distributed_slice(__rt::POINTS_0_1)]
    #[linkme(crate = __rt::linkme)]
    static __POINT: __rt::PointSite = __rt::PointSite::new(
        ::core::module_path!(),
        "owned",
        &[&__FAILOVER, &__RETRY, &__RATE_LIMIT],
    );
    const _: () = __rt::failover::check(&ENDPOINTS);
    static __FAILOVER: __rt::Failover = __rt::Failover::sticky(
            __rt::Failover::of(
                &__POINT,
                "endpoint",
                || __rt::failover::names(&ENDPOINTS),
            ),
            ::core::time::Duration::from_secs(60),
        )
        .on(&[__rt::Category::Timeout])
        .checked();
    static __BUDGETS: __rt::KeyedBudgets = {
        const fn __fresh() -> __rt::Keyed<__rt::Budget> {
            __rt::Keyed::new(__rt::Budget::new)
        }
        __rt::Site::new(__fresh(), __fresh)
    };
    static __RETRY: __rt::RetrySite = __rt::RetrySite::new(
            &__POINT,
            __rt::Retry::max(__rt::Retry::new(), 3),
        )
        .per_key(&__BUDGETS);
    static __RATE_LIMIT: __rt::Site<__rt::Keyed<__rt::RateLimit>> = {
        const fn __fresh() -> __rt::RateLimit {
            __rt::RateLimit::of(&__POINT, 10, ::core::time::Duration::from_secs(1))
                .checked()
        }
        const fn __keyed() -> __rt::Keyed<__rt::RateLimit> {
            __rt::Keyed::new(__fresh)
        }
        __rt::Site::new(__keyed(), __keyed)
    };
    let __outcome = '__failover: {
        let __listed = &ENDPOINTS;
        let __values = __rt::failover::values(__listed);
        let mut __walk = (&__FAILOVER)
            .start_keyed(__values, &endpoint, &__rt::KeyAndValue(&(tenant), &endpoint));
        let mut __own = __rt::Some(endpoint);
        let mut __kept = __rt::None;
        loop {
            let (__outcome, __verdict) = {
                #[allow(
                    clippy::shadow_reuse,
                    clippy::shadow_same,
                    clippy::shadow_unrelated
                )]
                let endpoint: Endpoint = match (&__walk).listed(__values) {
                    __rt::None => __rt::failover::taken(&mut __own),
                    __rt::Some(__value) => __rt::failover::Listable::argument(__value),
                };
                let __budget = __rt::Keyed::get(
                    &__BUDGETS,
                    &(__rt::KeyAndValue(&(tenant), &endpoint)),
                );
                let mut __retry = (&__RETRY).in_code().start();
                let (__outcome, __verdict) = loop {
                    let __retrying = {
                        let (__outcome, __verdict) = '__rate_limit: {
                            if let __rt::Err(__rejected) = __rt::Keyed::pass_attempt(
                                &__RATE_LIMIT,
                                &(__rt::KeyAndValue(&(tenant), &endpoint)),
                                (&__retry).attempt(),
                            ) {
                                break '__rate_limit __rt::refused_with_class(__rejected);
                            }
                            let __outcome = __rt::Repeated::new(
                                    &__POINT,
                                    (&__retry).attempt(),
                                    async {
                                        if let __rt::Some(__outcome) = __rt::None::<
                                            Result<String, Error>,
                                        > {
                                            return __outcome;
                                        }
                                        run(&endpoint, tenant).await
                                    },
                                )
                                .await;
                            let __verdict = __rt::Outcome::probe(&__outcome)
                                .probed_verdict(&__POINT, (&__retry).attempt());
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
                            __rt::Ok(__verdict) => break (__outcome, __verdict),
                            __rt::Err(__retrying) => __retrying,
                        }
                    };
                    __retry = (&__RETRY).in_code().pause(__retrying).await;
                };
                (__outcome, __verdict)
            };
            if (&mut __walk).continues(__values, &__verdict) {
                __kept = __rt::Some(
                    __rt::failover::keep(__kept, (__outcome, __verdict)),
                );
                __rt::let_others_run().await;
                continue;
            }
            let (__outcome, __verdict) = __walk
                .ended(__values, __kept, __outcome, __verdict);
            break '__failover __outcome;
        }
    };
    #[allow(unreachable_code, clippy::needless_return)] return __outcome;
}
