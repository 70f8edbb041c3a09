fn sync(id: u32, name: String) -> Result<String, Error> {
    use ::resilience::__private as __resilience;
    #[__resilience::linkme::distributed_slice(__resilience::POINTS_0_1)]
    #[linkme(crate = __resilience::linkme)]
    static __RESILIENCE_POINT: __resilience::PointSite = __resilience::PointSite::new(
        ::core::module_path!(),
        "sync",
        &[&__RESILIENCE_TIMEOUT],
    );
    static __RESILIENCE_TIMEOUT: __resilience::TimeoutSite = __resilience::TimeoutSite::new(
            &__RESILIENCE_POINT,
            __resilience::Timeout::new(::core::time::Duration::from_nanos(2000000000u64))
                .checked(),
        )
        .thread();
    let __outcome = match (&__RESILIENCE_TIMEOUT)
        .on_thread(
            1,
            move || {
                let __outcome: Result<String, Error> = __resilience::call_once(|| -> Result<
                    String,
                    Error,
                > { fetch(id, name) });
                let __verdict = __resilience::Outcome::probe(&__outcome)
                    .probed_verdict(&__RESILIENCE_POINT, 1);
                __outcome
            },
        )
    {
        __resilience::Ok(__done) => __done,
        __resilience::Err(__rejected) => __resilience::refused(__rejected),
    };
    #[allow(unreachable_code, clippy::needless_return)] return __outcome;
}
async fn asynchronous(id: u32, name: &str) -> Result<String, Error> {
    use ::resilience::__private as __resilience;
    #[__resilience::linkme::distributed_slice(__resilience::POINTS_0_1)]
    #[linkme(crate = __resilience::linkme)]
    static __RESILIENCE_POINT: __resilience::PointSite = __resilience::PointSite::new(
        ::core::module_path!(),
        "asynchronous",
        &[&__RESILIENCE_TIMEOUT],
    );
    static __RESILIENCE_TIMEOUT: __resilience::TimeoutSite = __resilience::TimeoutSite::new(
        &__RESILIENCE_POINT,
        __resilience::Timeout::new(::core::time::Duration::from_nanos(2000000000u64))
            .checked(),
    );
    let __outcome = match __resilience::Timed::new(
            &__RESILIENCE_TIMEOUT,
            async {
                if let __resilience::Some(__outcome) = __resilience::None::<
                    Result<String, Error>,
                > {
                    return __outcome;
                }
                fetch(id, name).await
            },
        )
        .await
    {
        __resilience::Ok(__outcome) => {
            let __verdict = __resilience::Outcome::probe(&__outcome)
                .probed_verdict(&__RESILIENCE_POINT, 1);
            __outcome
        }
        __resilience::Err(__rejected) => __resilience::refused(__rejected),
    };
    #[allow(unreachable_code, clippy::needless_return)] return __outcome;
}
impl Service {
    async fn method(&self, id: u32) -> Result<String, Error> {
        use ::resilience::__private as __resilience;
        #[__resilience::linkme::distributed_slice(__resilience::POINTS_0_1)]
        #[linkme(crate = __resilience::linkme)]
        static __RESILIENCE_POINT: __resilience::PointSite = __resilience::PointSite::new(
            ::core::module_path!(),
            "method",
            &[&__RESILIENCE_TIMEOUT],
        );
        static __RESILIENCE_TIMEOUT: __resilience::TimeoutSite = __resilience::TimeoutSite::new(
            &__RESILIENCE_POINT,
            __resilience::Timeout::new(::core::time::Duration::from_nanos(2000000000u64))
                .strict()
                .checked(),
        );
        let __outcome = match __resilience::Timed::new(
                &__RESILIENCE_TIMEOUT,
                async {
                    if let __resilience::Some(__outcome) = __resilience::None::<
                        Result<String, Error>,
                    > {
                        return __outcome;
                    }
                    self.fetch(id).await
                },
            )
            .await
        {
            __resilience::Ok(__outcome) => {
                let __verdict = __resilience::Outcome::probe(&__outcome)
                    .probed_verdict(&__RESILIENCE_POINT, 1);
                __outcome
            }
            __resilience::Err(__rejected) => __resilience::refused(__rejected),
        };
        #[allow(unreachable_code, clippy::needless_return)] return __outcome;
    }
}
