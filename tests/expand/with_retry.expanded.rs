fn sync(id: u32, name: &str) -> Result<String, Error> {
    use ::resilience::__private as __rt;
    #[__rt::linkme::distributed_slice(__rt::POINTS_0_1)]
    #[linkme(crate = __rt::linkme)]
    static __POINT: __rt::PointSite = __rt::PointSite::new(
        ::core::module_path!(),
        "sync",
        &[&__RETRY],
    );
    static __RETRY: __rt::RetrySite = __rt::RetrySite::new(
        &__POINT,
        __rt::Retry::backoff(
            __rt::Retry::max(__rt::Retry::new(), 3),
            __rt::Backoff::Exponential(2f64),
        ),
    );
    let mut __retry = (&__RETRY).in_code().start();
    let __outcome = loop {
        let __retrying = {
            let __outcome = __rt::call_once(|| -> Result<String, Error> {
                fetch(id, name)
            });
            let __verdict = __rt::Outcome::probe(&__outcome)
                .probed_verdict(&__POINT, (&__retry).attempt());
            match (&__RETRY).settle(__retry, __verdict) {
                __rt::Ok(_) => break __outcome,
                __rt::Err(__retrying) => __retrying,
            }
        };
        __retry = (&__RETRY).in_code().sleep(__retrying);
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
        &[&__RETRY],
    );
    static __RETRY: __rt::RetrySite = __rt::RetrySite::new(
        &__POINT,
        __rt::Retry::backoff(
            __rt::Retry::max(__rt::Retry::new(), 3),
            __rt::Backoff::Exponential(2f64),
        ),
    );
    let mut __again = (&__RETRY).begin();
    let __outcome = loop {
        let __retrying = {
            let (__retry, __outcome) = __rt::attempt(
                    __again,
                    async {
                        if let __rt::Some(__outcome) = __rt::None::<
                            Result<String, Error>,
                        > {
                            return __outcome;
                        }
                        fetch(id, name).await
                    },
                )
                .await;
            let __outcome = {
                if __rt::Outcome::is_success(&__outcome) && (&__RETRY).ended(&__retry) {
                    break __outcome;
                }
                __outcome
            };
            let __verdict = __rt::Outcome::probe(&__outcome)
                .probed_verdict(&__POINT, (&__retry).attempt());
            match (&__RETRY).settle(__retry, __verdict) {
                __rt::Ok(_) => break __outcome,
                __rt::Err(__retrying) => __retrying,
            }
        };
        __again = __rt::Some((&__RETRY).again(__retrying));
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
            &[&__RETRY],
        );
        static __RETRY: __rt::RetrySite = __rt::RetrySite::new(
            &__POINT,
            __rt::Retry::backoff(
                __rt::Retry::max(__rt::Retry::new(), 3),
                __rt::Backoff::Exponential(2f64),
            ),
        );
        let mut __again = (&__RETRY).begin();
        let __outcome = loop {
            let __retrying = {
                let (__retry, __outcome) = __rt::attempt(
                        __again,
                        async {
                            if let __rt::Some(__outcome) = __rt::None::<
                                Result<String, Error>,
                            > {
                                return __outcome;
                            }
                            self.fetch(id).await
                        },
                    )
                    .await;
                let __outcome = {
                    if __rt::Outcome::is_success(&__outcome)
                        && (&__RETRY).ended(&__retry)
                    {
                        break __outcome;
                    }
                    __outcome
                };
                let __verdict = __rt::Outcome::probe(&__outcome)
                    .probed_verdict(&__POINT, (&__retry).attempt());
                match (&__RETRY).settle(__retry, __verdict) {
                    __rt::Ok(_) => break __outcome,
                    __rt::Err(__retrying) => __retrying,
                }
            };
            __again = __rt::Some((&__RETRY).again(__retrying));
        };
        #[allow(unreachable_code, clippy::needless_return)] return __outcome;
    }
}
async fn throttled(id: u32) -> Result<String, Error> {
    use ::resilience::__private as __rt;
    #[__rt::linkme::distributed_slice(__rt::POINTS_0_1)]
    #[linkme(crate = __rt::linkme)]
    static __POINT: __rt::PointSite = __rt::PointSite::new(
        ::core::module_path!(),
        "throttled",
        &[&__RETRY],
    );
    static __RETRY: __rt::RetrySite = __rt::RetrySite::new(
            &__POINT,
            __rt::Retry::max(__rt::Retry::new(), 3),
        )
        .throttled(__rt::Some(2f64));
    let __outcome = '__retry: {
        let __throttled = match (&__RETRY).ask((&__RETRY).own_budget()) {
            __rt::Ok(__throttled) => __throttled,
            __rt::Err(__rejected) => break '__retry __rt::refused(__rejected),
        };
        let mut __retry = (&__RETRY).in_code().start();
        let __outcome = loop {
            let __retrying = {
                let __attempt = (&__throttled).attempt();
                let __outcome = __rt::Repeated::new(
                        &__POINT,
                        (&__retry).attempt(),
                        async {
                            if let __rt::Some(__outcome) = __rt::None::<
                                Result<String, Error>,
                            > {
                                return __outcome;
                            }
                            fetch(id).await
                        },
                    )
                    .await;
                let __verdict = __rt::Outcome::probe(&__outcome)
                    .probed_verdict(&__POINT, (&__retry).attempt());
                __attempt.ended(&__verdict);
                match (&__RETRY).settle(__retry, __verdict) {
                    __rt::Ok(_) => break __outcome,
                    __rt::Err(__retrying) => __retrying,
                }
            };
            __retry = (&__RETRY).in_code().pause(__retrying).await;
        };
        __outcome
    };
    #[allow(unreachable_code, clippy::needless_return)] return __outcome;
}
fn shared(id: u32) -> Result<String, Error> {
    use ::resilience::__private as __rt;
    #[__rt::linkme::distributed_slice(__rt::POINTS_0_1)]
    #[linkme(crate = __rt::linkme)]
    static __POINT: __rt::PointSite = __rt::PointSite::new(
        ::core::module_path!(),
        "shared",
        &[&__RETRY],
    );
    static __RETRY: __rt::RetrySite = __rt::RetrySite::new(
        &__POINT,
        __rt::Retry::budget_of(
            __rt::Retry::max(__rt::Retry::new(), 3),
            __rt::BudgetOf::Shared(&SEARCH),
        ),
    );
    let __outcome = '__retry: {
        let __throttled = match __rt::MayRefuse::<Result<String, Error>>::NEW
            .probed_ask(
                || (&__RETRY).ask_named((&__RETRY).in_code().budget()),
                (&__RETRY).unthrottled(),
            )
        {
            __rt::Ok(__throttled) => __throttled,
            __rt::Err(__refused) => break '__retry __refused.0,
        };
        let mut __retry = (&__RETRY).in_code().start();
        let __outcome = loop {
            let __retrying = {
                let __attempt = (&__throttled).attempt();
                let __share = (&__RETRY)
                    .in_code()
                    .share((&__RETRY).in_code().budget())
                    .admitted(&__throttled);
                let __inside = (&__share).enter();
                let __outcome = __rt::call_once(|| -> Result<String, Error> {
                    fetch(id)
                });
                let __verdict = __rt::Outcome::probe(&__outcome)
                    .probed_verdict(&__POINT, (&__retry).attempt());
                __inside.leave();
                (&__share).ended(__attempt, &__verdict);
                match (&__RETRY)
                    .in_code()
                    .settle_with(__retry, __verdict, __rt::Ruling::ByCategory, &__share)
                {
                    __rt::Ok(_) => break __outcome,
                    __rt::Err(__retrying) => __retrying,
                }
            };
            __retry = (&__RETRY).in_code().sleep(__retrying);
        };
        __outcome
    };
    #[allow(unreachable_code, clippy::needless_return)] return __outcome;
}
async fn shared_later(id: u32) -> Result<String, Error> {
    use ::resilience::__private as __rt;
    #[__rt::linkme::distributed_slice(__rt::POINTS_0_1)]
    #[linkme(crate = __rt::linkme)]
    static __POINT: __rt::PointSite = __rt::PointSite::new(
        ::core::module_path!(),
        "shared_later",
        &[&__RETRY],
    );
    static __RETRY: __rt::RetrySite = __rt::RetrySite::new(
        &__POINT,
        __rt::Retry::budget_of(
            __rt::Retry::max(__rt::Retry::new(), 3),
            __rt::BudgetOf::Shared(&SEARCH),
        ),
    );
    let __outcome = '__retry: {
        let __throttled = match __rt::MayRefuse::<Result<String, Error>>::NEW
            .probed_ask(
                || (&__RETRY).ask_named((&__RETRY).in_code().budget()),
                (&__RETRY).unthrottled(),
            )
        {
            __rt::Ok(__throttled) => __throttled,
            __rt::Err(__refused) => break '__retry __refused.0,
        };
        let mut __retry = (&__RETRY).in_code().start();
        let __outcome = loop {
            let __retrying = {
                let __attempt = (&__throttled).attempt();
                let __share = (&__RETRY)
                    .in_code()
                    .share((&__RETRY).in_code().budget())
                    .admitted(&__throttled);
                let __outcome = __rt::Repeated::new(
                        &__POINT,
                        (&__retry).attempt(),
                        __rt::sharing(
                            &__share,
                            async {
                                if let __rt::Some(__outcome) = __rt::None::<
                                    Result<String, Error>,
                                > {
                                    return __outcome;
                                }
                                fetch(id).await
                            },
                        ),
                    )
                    .await;
                let __verdict = __rt::Outcome::probe(&__outcome)
                    .probed_verdict(&__POINT, (&__retry).attempt());
                (&__share).ended(__attempt, &__verdict);
                match (&__RETRY)
                    .in_code()
                    .settle_with(__retry, __verdict, __rt::Ruling::ByCategory, &__share)
                {
                    __rt::Ok(_) => break __outcome,
                    __rt::Err(__retrying) => __retrying,
                }
            };
            __retry = (&__RETRY).in_code().pause(__retrying).await;
        };
        __outcome
    };
    #[allow(unreachable_code, clippy::needless_return)] return __outcome;
}
