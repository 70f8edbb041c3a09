async fn quote(client: &Client, symbol: &str) -> Result<Quote, QuoteError> {
    use ::resilience::__private as __rt;
    #[__rt::linkme::distributed_slice(__rt::POINTS_0_1)]
    #[linkme(crate = __rt::linkme)]
    static __POINT: __rt::PointSite = __rt::PointSite::new(
        ::core::module_path!(),
        "quote",
        &[&__FALLBACK, &__TIMEOUT, &__RETRY, &__BREAKER, &__TIMEOUT_2],
    );
    static __FALLBACK: __rt::FallbackSite = __rt::FallbackSite::new(
        &__POINT,
        &["cached_quote"],
    );
    static __TIMEOUT: __rt::TimeoutSite = __rt::TimeoutSite::new(
        &__POINT,
        __rt::Timeout::new(::core::time::Duration::from_secs(10)).checked(),
    );
    const __POLICY: __rt::Retry = __rt::Retry::backoff(
        __rt::Retry::max(__rt::Retry::new(), 3),
        __rt::Backoff::Exponential(2f64),
    );
    static __RETRY: __rt::RetrySite = __rt::RetrySite::new(&__POINT, __POLICY);
    static __BREAKER: __rt::CircuitBreaker = __rt::CircuitBreaker::recovery(
            __rt::CircuitBreaker::threshold(__rt::CircuitBreaker::of(&__POINT), 5),
            ::core::time::Duration::from_secs(60),
        )
        .checked();
    static __TIMEOUT_2: __rt::TimeoutSite = __rt::TimeoutSite::new(
        &__POINT,
        __rt::Timeout::new(::core::time::Duration::from_secs(2)).checked(),
    );
    const _: () = __rt::check_waits(&__POLICY, ::core::time::Duration::from_secs(10));
    const _: () = __rt::check_attempt(
        ::core::time::Duration::from_secs(10),
        ::core::time::Duration::from_secs(2),
    );
    #[allow(unused_imports)]
    use __rt::Settled as _;
    let __outcome = '__fallback: {
        let (__outcome, __verdict) = match __rt::Timed::new(
                &__TIMEOUT,
                async {
                    let mut __retry = (&__RETRY).in_code().start();
                    let (__outcome, __verdict) = loop {
                        let __retrying = {
                            let (__outcome, __verdict) = '__breaker: {
                                let __permit = match (&__BREAKER).admit() {
                                    __rt::Ok(__permit) => __permit,
                                    __rt::Err(__rejected) => {
                                        break '__breaker __rt::refused_with_class(__rejected);
                                    }
                                };
                                let (__outcome, __verdict) = match __rt::Timed::new(
                                        &__TIMEOUT_2,
                                        __rt::Repeated::new(
                                            &__POINT,
                                            (&__retry).attempt(),
                                            async {
                                                if let __rt::Some(__outcome) = __rt::None::<
                                                    Result<Quote, QuoteError>,
                                                > {
                                                    return __outcome;
                                                }
                                                client.get(symbol).await?.json().await
                                            },
                                        ),
                                    )
                                    .await
                                {
                                    __rt::Ok(__outcome) => {
                                        let __verdict = __rt::Outcome::probe(&__outcome)
                                            .probed_verdict(&__POINT, (&__retry).attempt());
                                        (__outcome, __verdict)
                                    }
                                    __rt::Err(__rejected) => {
                                        __rt::refused_with_class(__rejected)
                                    }
                                };
                                let __verdict = __permit
                                    .settle(__verdict, __rt::Ruling::ByCategory);
                                (__outcome, __verdict)
                            };
                            match (&__RETRY).settle(__retry, __verdict) {
                                __rt::Ok(__verdict) => break (__outcome, __verdict),
                                __rt::Err(__retrying) => __retrying,
                            }
                        };
                        __retry = (&__RETRY).in_code().pause(__retrying).await;
                    };
                    (__outcome, __verdict)
                },
            )
            .await
        {
            __rt::Ok(__done) => __done,
            __rt::Err(__rejected) => __rt::refused_with_class(__rejected),
        };
        let __rt::Some(__class) = (&__FALLBACK)
            .handles(__verdict, __rt::Ruling::ByCategory) else {
            break '__fallback __outcome
        };
        let __answer = cached_quote(client, symbol);
        if let __rt::Some(__value) = __rt::instead(
            &__outcome,
            __rt::Step(__answer).__settle().await,
        ) {
            (&__FALLBACK).answered(&__class, 1u32);
            break '__fallback __rt::Outcome::success(__value);
        }
        (&__FALLBACK).failed();
        __outcome
    };
    #[allow(unreachable_code, clippy::needless_return)] return __outcome;
}
fn blocking(request: Request, seen: u32) -> Result<Quote, QuoteError> {
    use ::resilience::__private as __rt;
    #[__rt::linkme::distributed_slice(__rt::POINTS_0_1)]
    #[linkme(crate = __rt::linkme)]
    static __POINT: __rt::PointSite = __rt::PointSite::new(
        ::core::module_path!(),
        "blocking",
        &[&__FALLBACK, &__RETRY, &__BREAKER],
    );
    static __FALLBACK: __rt::FallbackSite = __rt::FallbackSite::new(
        &__POINT,
        &["cached_quote"],
    );
    static __BUDGETS: __rt::KeyedBudgets = {
        const fn __fresh() -> __rt::Keyed<__rt::Budget> {
            __rt::Keyed::new(__rt::Budget::new)
        }
        __rt::Site::new(__fresh(), __fresh)
    };
    static __RETRY: __rt::RetrySite = __rt::RetrySite::new(
            &__POINT,
            __rt::Retry::max(__rt::Retry::new(), 3)
                .on(&[__rt::Rule::max(__rt::Rule::new(__rt::Category::RateLimited), 5)])
                .checked(),
        )
        .per_key(&__BUDGETS);
    static __BREAKER: __rt::Site<__rt::Keyed<__rt::CircuitBreaker>> = {
        const fn __fresh() -> __rt::CircuitBreaker {
            __rt::CircuitBreaker::of(&__POINT).checked()
        }
        const fn __keyed() -> __rt::Keyed<__rt::CircuitBreaker> {
            __rt::Keyed::new(__fresh)
        }
        __rt::Site::new(__keyed(), __keyed)
    };
    let __outcome = '__fallback: {
        let __budget = __rt::Keyed::get(&__BUDGETS, &(request.host));
        let mut __retry = (&__RETRY).in_code().start();
        let (__outcome, __verdict) = loop {
            let __retrying = {
                let (__outcome, __verdict) = '__breaker: {
                    let __permit = match __rt::Keyed::admit(
                        &__BREAKER,
                        &(request.host),
                    ) {
                        __rt::Ok(__permit) => __permit,
                        __rt::Err(__rejected) => {
                            break '__breaker __rt::refused_with_class(__rejected);
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
                        let mut seen = __rt::ResetPerAttempt::start(&seen);
                        let __outcome = {
                            let __outcome = __rt::call_once(|| -> Result<
                                Quote,
                                QuoteError,
                            > {
                                seen += 1;
                                send(request, seen)
                            });
                            if __rt::Outcome::is_success(&__outcome)
                                && (&__permit).passes()
                            {
                                __permit.passed();
                                break '__breaker (__outcome, __rt::None);
                            }
                            __outcome
                        };
                        let __verdict = __rt::Outcome::probe(&__outcome)
                            .probed_verdict(&__POINT, (&__retry).attempt());
                        (__outcome, __verdict)
                    };
                    let __verdict = __permit
                        .settle(__verdict, __rt::unless(&__outcome, |e| e.is_client()));
                    (__outcome, __verdict)
                };
                match (&__RETRY)
                    .in_code()
                    .settle_with(
                        __retry,
                        __verdict,
                        __rt::when(&__outcome, &__verdict, |e| e.is_transient()),
                        __rt::Some(&*__budget),
                    )
                {
                    __rt::Ok(__verdict) => break (__outcome, __verdict),
                    __rt::Err(__retrying) => __retrying,
                }
            };
            __retry = (&__RETRY).in_code().sleep(__retrying);
        };
        let __rt::Some(__class) = (&__FALLBACK)
            .handles(__verdict, __rt::Ruling::ByCategory) else {
            break '__fallback __outcome
        };
        let __answer = cached_quote(request, seen);
        if let __rt::Some(__value) = __rt::instead(&__outcome, __answer) {
            (&__FALLBACK).answered(&__class, 1u32);
            break '__fallback __rt::Outcome::success(__value);
        }
        (&__FALLBACK).failed();
        __outcome
    };
    #[allow(unreachable_code, clippy::needless_return)] return __outcome;
}
