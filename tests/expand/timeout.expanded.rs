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
