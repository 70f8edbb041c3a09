fn sync(id: u32, name: &str) -> Result<String, Error> {
    use ::resilience::__private as __rt;
    #[__rt::linkme::distributed_slice(__rt::POINTS_0_1)]
    #[linkme(crate = __rt::linkme)]
    static __POINT: __rt::PointSite = __rt::PointSite::new(
        ::core::module_path!(),
        "sync",
        &[&__RATE_LIMIT],
    );
    static __RATE_LIMIT: __rt::RateLimit = __rt::RateLimit::of(
            &__POINT,
            100,
            ::core::time::Duration::from_secs(1),
        )
        .checked();
    let __outcome = '__rate_limit: {
        if let __rt::Err(__rejected) = (&__RATE_LIMIT).pass_attempt(1) {
            break '__rate_limit __rt::refused(__rejected);
        }
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
        &[&__RETRY, &__RATE_LIMIT],
    );
    static __RETRY: __rt::RetrySite = __rt::RetrySite::new(&__POINT, __rt::Retry::new());
    static __RATE_LIMIT: __rt::RateLimit = __rt::RateLimit::wait(
            __rt::RateLimit::burst(
                __rt::RateLimit::of(&__POINT, 100, ::core::time::Duration::from_secs(1)),
                10,
            ),
            ::core::time::Duration::from_secs(2),
        )
        .checked();
    let mut __retry = (&__RETRY).in_code().start();
    let __outcome = loop {
        let __retrying = {
            let (__outcome, __verdict) = '__rate_limit: {
                if let __rt::Err(__rejected) = (&__RATE_LIMIT)
                    .await_pass((&__retry).attempt())
                    .await
                {
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
                            fetch(id, name).await
                        },
                    )
                    .await;
                let __verdict = __rt::Outcome::probe(&__outcome)
                    .probed_verdict(&__POINT, (&__retry).attempt());
                (__outcome, __verdict)
            };
            match (&__RETRY).settle(__retry, __verdict) {
                __rt::Ok(_) => break __outcome,
                __rt::Err(__retrying) => __retrying,
            }
        };
        __retry = (&__RETRY).in_code().pause(__retrying).await;
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
            &[&__RATE_LIMIT],
        );
        static __RATE_LIMIT: __rt::Site<__rt::Keyed<__rt::RateLimit>> = {
            const fn __fresh() -> __rt::RateLimit {
                __rt::RateLimit::of(&__POINT, 100, ::core::time::Duration::from_secs(1))
                    .checked()
            }
            const fn __keyed() -> __rt::Keyed<__rt::RateLimit> {
                __rt::Keyed::new(__fresh)
            }
            __rt::Site::new(__keyed(), __keyed)
        };
        let __outcome = '__rate_limit: {
            if let __rt::Err(__rejected) = __rt::Keyed::pass_attempt(
                &__RATE_LIMIT,
                &(self.host),
                1,
            ) {
                break '__rate_limit __rt::refused(__rejected);
            }
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
