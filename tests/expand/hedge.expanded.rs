async fn plain(id: u32, name: &str) -> Result<String, Error> {
    use ::resilience::__private as __rt;
    #[__rt::linkme::distributed_slice(__rt::POINTS_0_1)]
    #[linkme(crate = __rt::linkme)]
    static __POINT: __rt::PointSite = __rt::PointSite::new(
        ::core::module_path!(),
        "plain",
        &[&__HEDGE],
    );
    static __HEDGE: __rt::Hedge = __rt::Hedge::of(
            &__POINT,
            __rt::After::Delay(::core::time::Duration::from_millis(50)),
        )
        .checked();
    let (__outcome, _) = __rt::hedge::Copies::new(
            (&__HEDGE).hedging(__rt::None),
            || async {
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
            },
            __rt::hedge::verdict,
        )
        .await;
    #[allow(unreachable_code, clippy::needless_return)] return __outcome;
}
async fn retried(id: u32, name: String) -> Result<String, Error> {
    use ::resilience::__private as __rt;
    #[__rt::linkme::distributed_slice(__rt::POINTS_0_1)]
    #[linkme(crate = __rt::linkme)]
    static __POINT: __rt::PointSite = __rt::PointSite::new(
        ::core::module_path!(),
        "retried",
        &[&__TIMEOUT, &__RETRY, &__HEDGE, &__TIMEOUT_2],
    );
    static __TIMEOUT: __rt::TimeoutSite = __rt::TimeoutSite::new(
        &__POINT,
        __rt::Timeout::new(::core::time::Duration::from_secs(10)).checked(),
    );
    const __POLICY: __rt::Retry = __rt::Retry::new();
    static __RETRY: __rt::RetrySite = __rt::RetrySite::new(&__POINT, __POLICY);
    static __HEDGE: __rt::Hedge = __rt::Hedge::max(
            __rt::Hedge::of(
                &__POINT,
                __rt::After::Delay(::core::time::Duration::from_millis(50)),
            ),
            2,
        )
        .checked();
    static __TIMEOUT_2: __rt::TimeoutSite = __rt::TimeoutSite::new(
        &__POINT,
        __rt::Timeout::new(::core::time::Duration::from_secs(1)).checked(),
    );
    const _: () = __rt::check_waits(&__POLICY, ::core::time::Duration::from_secs(10));
    const _: () = __rt::check_hedge(
        ::core::time::Duration::from_secs(10),
        ::core::time::Duration::from_millis(50),
    );
    const _: () = __rt::check_hedged(
        ::core::time::Duration::from_secs(1),
        ::core::time::Duration::from_millis(50),
    );
    const _: () = __rt::check_attempt(
        ::core::time::Duration::from_secs(10),
        ::core::time::Duration::from_secs(1),
    );
    let __outcome = match __rt::Timed::new(
            &__TIMEOUT,
            async {
                let mut __retry = (&__RETRY).in_code().start();
                let (__outcome, __verdict) = loop {
                    let __retrying = {
                        let (__outcome, __verdict) = __rt::hedge::Copies::new(
                                (&__HEDGE).hedging((&__RETRY).own_budget()),
                                || async {
                                    let (__outcome, __verdict) = {
                                        #[allow(
                                            clippy::shadow_reuse,
                                            clippy::shadow_same,
                                            clippy::shadow_unrelated
                                        )]
                                        let name = ::core::clone::Clone::clone(&name);
                                        let (__outcome, __verdict) = match __rt::Timed::new(
                                                &__TIMEOUT_2,
                                                __rt::Repeated::new(
                                                    &__POINT,
                                                    (&__retry).attempt(),
                                                    async {
                                                        if let __rt::Some(__outcome) = __rt::None::<
                                                            Result<String, Error>,
                                                        > {
                                                            return __outcome;
                                                        }
                                                        fetch(id, name).await
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
                                        (__outcome, __verdict)
                                    };
                                    (__outcome, __verdict)
                                },
                                __rt::hedge::verdict,
                            )
                            .await;
                        match (&__RETRY).settle(__retry, __verdict) {
                            __rt::Ok(__verdict) => break (__outcome, __verdict),
                            __rt::Err(__retrying) => __retrying,
                        }
                    };
                    __retry = (&__RETRY).in_code().pause(__retrying).await;
                };
                __outcome
            },
        )
        .await
    {
        __rt::Ok(__done) => __done,
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
            &[&__HEDGE],
        );
        static __HEDGE: __rt::Site<__rt::Keyed<__rt::Hedge>> = {
            const fn __fresh() -> __rt::Hedge {
                __rt::Hedge::of(&__POINT, __rt::After::Percentile(95u8)).checked()
            }
            const fn __keyed() -> __rt::Keyed<__rt::Hedge> {
                __rt::Keyed::new(__fresh)
            }
            __rt::Site::new(__keyed(), __keyed)
        };
        let (__outcome, _) = __rt::hedge::Copies::new(
                __rt::Keyed::hedging(&__HEDGE, &(self.host), __rt::None),
                || async {
                    let __outcome = async {
                        if let __rt::Some(__outcome) = __rt::None::<
                            Result<String, Error>,
                        > {
                            return __outcome;
                        }
                        self.fetch(id).await
                    }
                        .await;
                    let __verdict = __rt::Outcome::probe(&__outcome)
                        .probed_verdict(&__POINT, 1);
                    (__outcome, __verdict)
                },
                __rt::hedge::verdict,
            )
            .await;
        #[allow(unreachable_code, clippy::needless_return)] return __outcome;
    }
}
