async fn quote(client: &Client, symbol: &str) -> Result<Quote, QuoteError> {
    use ::resilience::__private as __resilience;
    #[__resilience::linkme::distributed_slice(__resilience::POINTS_0_1)]
    #[linkme(crate = __resilience::linkme)]
    static __RESILIENCE_POINT: __resilience::PointSite = __resilience::PointSite::new(
        ::core::module_path!(),
        "quote",
        &[
            &__RESILIENCE_FALLBACK,
            &__RESILIENCE_TIMEOUT,
            &__RESILIENCE_RETRY,
            &__RESILIENCE_BREAKER,
            &__RESILIENCE_TIMEOUT_2,
        ],
    );
    static __RESILIENCE_FALLBACK: __resilience::FallbackSite = __resilience::FallbackSite::new(
        &__RESILIENCE_POINT,
        &["cached_quote"],
    );
    static __RESILIENCE_TIMEOUT: __resilience::TimeoutSite = __resilience::TimeoutSite::new(
        &__RESILIENCE_POINT,
        __resilience::Timeout::new(::core::time::Duration::from_nanos(10000000000u64))
            .checked(),
    );
    const __RESILIENCE_POLICY: __resilience::Retry = __resilience::Retry::backoff(
        __resilience::Retry::max(__resilience::Retry::new(), 3),
        __resilience::Backoff::Exponential(2f64),
    );
    static __RESILIENCE_RETRY: __resilience::RetrySite = __resilience::RetrySite::new(
        &__RESILIENCE_POINT,
        __RESILIENCE_POLICY,
    );
    static __RESILIENCE_BREAKER: __resilience::CircuitBreaker = __resilience::CircuitBreaker::recovery(
            __resilience::CircuitBreaker::threshold(
                __resilience::CircuitBreaker::of(&__RESILIENCE_POINT),
                5,
            ),
            ::core::time::Duration::from_nanos(60000000000u64),
        )
        .checked();
    static __RESILIENCE_TIMEOUT_2: __resilience::TimeoutSite = __resilience::TimeoutSite::new(
        &__RESILIENCE_POINT,
        __resilience::Timeout::new(::core::time::Duration::from_nanos(2000000000u64))
            .checked(),
    );
    const _: () = __resilience::check_waits(
        &__RESILIENCE_POLICY,
        ::core::time::Duration::from_nanos(10000000000u64),
    );
    const _: () = __resilience::check_attempt(
        ::core::time::Duration::from_nanos(10000000000u64),
        ::core::time::Duration::from_nanos(2000000000u64),
    );
    let (__outcome, __verdict) = match __resilience::Timed::new(
            &__RESILIENCE_TIMEOUT,
            async {
                let mut __retry = (&__RESILIENCE_RETRY).start();
                let (__outcome, __verdict) = loop {
                    let __wait = {
                        let (__outcome, __verdict) = '__resilience_breaker: {
                            let __permit = match __resilience::Found(|| {
                                    &__RESILIENCE_BREAKER
                                })
                                .admit()
                            {
                                __resilience::Ok(__permit) => __permit,
                                __resilience::Err(__rejected) => {
                                    break '__resilience_breaker __resilience::refused_with_class(
                                        __rejected,
                                    );
                                }
                            };
                            let (__outcome, __verdict) = match __resilience::Timed::new(
                                    &__RESILIENCE_TIMEOUT_2,
                                    async {
                                        if let __resilience::Some(__outcome) = __resilience::None::<
                                            Result<Quote, QuoteError>,
                                        > {
                                            return __outcome;
                                        }
                                        client.get(symbol).await?.json().await
                                    },
                                )
                                .await
                            {
                                __resilience::Ok(__outcome) => {
                                    let __verdict = __resilience::Outcome::probe(&__outcome)
                                        .probed_verdict(&__RESILIENCE_POINT, (&__retry).attempt());
                                    (__outcome, __verdict)
                                }
                                __resilience::Err(__rejected) => {
                                    __resilience::refused_with_class(__rejected)
                                }
                            };
                            let __verdict = __permit
                                .settle(__verdict, __resilience::Ruling::ByCategory);
                            (__outcome, __verdict)
                        };
                        match (&__RESILIENCE_RETRY)
                            .settle(
                                &mut __retry,
                                __verdict,
                                __resilience::Ruling::ByCategory,
                                (&__RESILIENCE_RETRY).own_budget(),
                            )
                        {
                            __resilience::Ok(__verdict) => break (__outcome, __verdict),
                            __resilience::Err(__wait) => __wait,
                        }
                    };
                    (&__RESILIENCE_RETRY).pause(&__retry, __wait).await;
                };
                (__outcome, __verdict)
            },
        )
        .await
    {
        __resilience::Ok(__done) => __done,
        __resilience::Err(__rejected) => __resilience::refused_with_class(__rejected),
    };
    #[allow(unused_imports)]
    use __resilience::Settled as _;
    let __outcome = '__resilience_fallback: {
        let __resilience::Some(__class) = __verdict else {
            break '__resilience_fallback __outcome
        };
        if !(&__RESILIENCE_FALLBACK).applies(&__class, __resilience::Ruling::ByCategory)
        {
            break '__resilience_fallback __outcome;
        }
        {
            let __answer = cached_quote(client, symbol);
            if let __resilience::Some(__value) = __resilience::instead(
                &__outcome,
                __resilience::Step(__answer).__settle().await,
            ) {
                (&__RESILIENCE_FALLBACK).answered(&__class, 1u32);
                break '__resilience_fallback __resilience::Outcome::success(__value);
            }
        }
        (&__RESILIENCE_FALLBACK).failed();
        __outcome
    };
    #[allow(unreachable_code, clippy::needless_return)] return __outcome;
}
fn blocking(request: Request, seen: u32) -> Result<Quote, QuoteError> {
    use ::resilience::__private as __resilience;
    #[__resilience::linkme::distributed_slice(__resilience::POINTS_0_1)]
    #[linkme(crate = __resilience::linkme)]
    static __RESILIENCE_POINT: __resilience::PointSite = __resilience::PointSite::new(
        ::core::module_path!(),
        "blocking",
        &[&__RESILIENCE_FALLBACK, &__RESILIENCE_RETRY, &__RESILIENCE_BREAKER],
    );
    static __RESILIENCE_FALLBACK: __resilience::FallbackSite = __resilience::FallbackSite::new(
        &__RESILIENCE_POINT,
        &["cached_quote"],
    );
    static __RESILIENCE_BUDGETS: __resilience::KeyedBudgets = {
        const fn __fresh() -> __resilience::Keyed<__resilience::Budget> {
            __resilience::Keyed::new(__resilience::Budget::new)
        }
        __resilience::Site::new(__fresh(), __fresh)
    };
    static __RESILIENCE_RETRY: __resilience::RetrySite = __resilience::RetrySite::new(
            &__RESILIENCE_POINT,
            __resilience::Retry::max(__resilience::Retry::new(), 3)
                .on(
                    &[
                        __resilience::Rule::max(
                            __resilience::Rule::new(__resilience::Category::RateLimited),
                            5,
                        ),
                    ],
                )
                .checked(),
        )
        .per_key(&__RESILIENCE_BUDGETS);
    static __RESILIENCE_BREAKER: __resilience::KeyedBreakers = {
        const fn __fresh() -> __resilience::CircuitBreaker {
            __resilience::CircuitBreaker::of(&__RESILIENCE_POINT).checked()
        }
        const fn __keyed() -> __resilience::Keyed<__resilience::CircuitBreaker> {
            __resilience::Keyed::new(__fresh)
        }
        __resilience::KeyedBreakers::new(__keyed(), __keyed)
    };
    let __budget = __resilience::Keyed::get(&__RESILIENCE_BUDGETS, &(request.host));
    let mut __retry = (&__RESILIENCE_RETRY).start_remembering();
    let (__outcome, __verdict) = loop {
        let __wait = {
            let (__outcome, __verdict) = '__resilience_breaker: {
                let __permit = match __resilience::Keyed::admit(
                    &__RESILIENCE_BREAKER,
                    &(request.host),
                ) {
                    __resilience::Ok(__permit) => __permit,
                    __resilience::Err(__rejected) => {
                        break '__resilience_breaker __resilience::refused_with_class(
                            __rejected,
                        );
                    }
                };
                let (__outcome, __verdict) = {
                    #[allow(
                        clippy::shadow_reuse,
                        clippy::shadow_same,
                        clippy::shadow_unrelated
                    )]
                    let request = ::core::clone::Clone::clone(&request);
                    #[allow(
                        clippy::shadow_reuse,
                        clippy::shadow_same,
                        clippy::shadow_unrelated
                    )]
                    let mut seen = __resilience::StartsAgain::start(&seen);
                    let __outcome: Result<Quote, QuoteError> = __resilience::call_once(|| -> Result<
                        Quote,
                        QuoteError,
                    > {
                        seen += 1;
                        send(request, seen)
                    });
                    let __verdict = __resilience::Outcome::probe(&__outcome)
                        .probed_verdict(&__RESILIENCE_POINT, (&__retry).attempt());
                    (__outcome, __verdict)
                };
                let __verdict = __permit
                    .settle(
                        __verdict,
                        __resilience::unless(&__outcome, |e| e.is_client()),
                    );
                (__outcome, __verdict)
            };
            match (&__RESILIENCE_RETRY)
                .settle(
                    &mut __retry,
                    __verdict,
                    __resilience::when(&__outcome, &__verdict, |e| e.is_transient()),
                    __resilience::Some(&*__budget),
                )
            {
                __resilience::Ok(__verdict) => break (__outcome, __verdict),
                __resilience::Err(__wait) => __wait,
            }
        };
        (&__RESILIENCE_RETRY).sleep(&__retry, __wait);
    };
    let __outcome = '__resilience_fallback: {
        let __resilience::Some(__class) = __verdict else {
            break '__resilience_fallback __outcome
        };
        if !(&__RESILIENCE_FALLBACK).applies(&__class, __resilience::Ruling::ByCategory)
        {
            break '__resilience_fallback __outcome;
        }
        {
            let __answer = cached_quote(request, seen);
            if let __resilience::Some(__value) = __resilience::instead(
                &__outcome,
                __answer,
            ) {
                (&__RESILIENCE_FALLBACK).answered(&__class, 1u32);
                break '__resilience_fallback __resilience::Outcome::success(__value);
            }
        }
        (&__RESILIENCE_FALLBACK).failed();
        __outcome
    };
    #[allow(unreachable_code, clippy::needless_return)] return __outcome;
}
