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
    let (r, verdict) = match __resilience::Timed::new(
            &__RESILIENCE_TIMEOUT,
            async {
                let mut retry = __RESILIENCE_RETRY.start();
                let (r, verdict) = loop {
                    let wait = {
                        let (r, verdict) = '__resilience_breaker: {
                            let permit = match __resilience::Found(|| {
                                    &__RESILIENCE_BREAKER
                                })
                                .admit()
                            {
                                __resilience::Ok(permit) => permit,
                                __resilience::Err(rejected) => {
                                    break '__resilience_breaker __resilience::refused_with_class(
                                        rejected,
                                    );
                                }
                            };
                            let (r, verdict) = match __resilience::Timed::new(
                                    &__RESILIENCE_TIMEOUT_2,
                                    async {
                                        if let __resilience::Some(r) = __resilience::None::<
                                            Result<Quote, QuoteError>,
                                        > {
                                            return r;
                                        }
                                        client.get(symbol).await?.json().await
                                    },
                                )
                                .await
                            {
                                __resilience::Ok(r) => {
                                    let verdict = __resilience::Outcome::probe(&r)
                                        .probed_verdict(&__RESILIENCE_POINT, retry.attempt());
                                    (r, verdict)
                                }
                                __resilience::Err(rejected) => {
                                    __resilience::refused_with_class(rejected)
                                }
                            };
                            let verdict = permit
                                .settle(verdict, __resilience::Ruling::ByCategory);
                            (r, verdict)
                        };
                        match __RESILIENCE_RETRY
                            .settle(
                                &mut retry,
                                verdict,
                                __resilience::Ruling::ByCategory,
                                __RESILIENCE_RETRY.own_budget(),
                            )
                        {
                            __resilience::Ok(verdict) => break (r, verdict),
                            __resilience::Err(wait) => wait,
                        }
                    };
                    __RESILIENCE_RETRY.pause(&retry, wait).await;
                };
                (r, verdict)
            },
        )
        .await
    {
        __resilience::Ok(done) => done,
        __resilience::Err(rejected) => __resilience::refused_with_class(rejected),
    };
    #[allow(unused_imports)]
    use __resilience::Settled as _;
    let r = '__resilience_fallback: {
        let __resilience::Some(class) = verdict else { break '__resilience_fallback r };
        if !__RESILIENCE_FALLBACK.applies(&class, __resilience::Ruling::ByCategory) {
            break '__resilience_fallback r;
        }
        {
            let answer = cached_quote(client, symbol);
            if let __resilience::Some(value) = __resilience::instead(
                &r,
                __resilience::Step(answer).settle().await,
            ) {
                __RESILIENCE_FALLBACK.answered(&class, 1u32);
                break '__resilience_fallback __resilience::Outcome::success(value);
            }
        }
        __RESILIENCE_FALLBACK.failed();
        r
    };
    r
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
        const fn fresh() -> __resilience::Keyed<__resilience::Budget> {
            __resilience::Keyed::new(__resilience::Budget::new)
        }
        __resilience::Site::new(fresh(), fresh)
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
        const fn fresh() -> __resilience::CircuitBreaker {
            __resilience::CircuitBreaker::of(&__RESILIENCE_POINT).checked()
        }
        const fn keyed() -> __resilience::Keyed<__resilience::CircuitBreaker> {
            __resilience::Keyed::new(fresh)
        }
        __resilience::KeyedBreakers::new(keyed(), keyed)
    };
    let budget = __RESILIENCE_BUDGETS.get(&(request.host));
    let mut retry = __RESILIENCE_RETRY.start_remembering();
    let (r, verdict) = loop {
        let wait = {
            let (r, verdict) = '__resilience_breaker: {
                let permit = match __RESILIENCE_BREAKER.admit(&(request.host)) {
                    __resilience::Ok(permit) => permit,
                    __resilience::Err(rejected) => {
                        break '__resilience_breaker __resilience::refused_with_class(
                            rejected,
                        );
                    }
                };
                let (r, verdict) = {
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
                    let r: Result<Quote, QuoteError> = __resilience::call_once(|| -> Result<
                        Quote,
                        QuoteError,
                    > {
                        seen += 1;
                        send(request, seen)
                    });
                    let verdict = __resilience::Outcome::probe(&r)
                        .probed_verdict(&__RESILIENCE_POINT, retry.attempt());
                    (r, verdict)
                };
                let verdict = permit
                    .settle(verdict, __resilience::unless(&r, |e| e.is_client()));
                (r, verdict)
            };
            match __RESILIENCE_RETRY
                .settle(
                    &mut retry,
                    verdict,
                    __resilience::when(&r, &verdict, |e| e.is_transient()),
                    __resilience::Some(&*budget),
                )
            {
                __resilience::Ok(verdict) => break (r, verdict),
                __resilience::Err(wait) => wait,
            }
        };
        __RESILIENCE_RETRY.sleep(&retry, wait);
    };
    let r = '__resilience_fallback: {
        let __resilience::Some(class) = verdict else { break '__resilience_fallback r };
        if !__RESILIENCE_FALLBACK.applies(&class, __resilience::Ruling::ByCategory) {
            break '__resilience_fallback r;
        }
        {
            let answer = cached_quote(request, seen);
            if let __resilience::Some(value) = __resilience::instead(&r, answer) {
                __RESILIENCE_FALLBACK.answered(&class, 1u32);
                break '__resilience_fallback __resilience::Outcome::success(value);
            }
        }
        __RESILIENCE_FALLBACK.failed();
        r
    };
    r
}
