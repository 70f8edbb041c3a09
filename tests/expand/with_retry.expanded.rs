fn sync(id: u32, name: &str) -> Result<String, Error> {
    use ::resilience::__private as __resilience;
    #[__resilience::linkme::distributed_slice(__resilience::POINTS_0_1)]
    #[linkme(crate = __resilience::linkme)]
    static __RESILIENCE_POINT: __resilience::PointSite = __resilience::PointSite::new(
        ::core::module_path!(),
        "sync",
        &[&__RESILIENCE_RETRY],
    );
    static __RESILIENCE_RETRY: __resilience::RetrySite = __resilience::RetrySite::new(
        &__RESILIENCE_POINT,
        __resilience::Retry::backoff(
            __resilience::Retry::max(__resilience::Retry::new(), 3),
            __resilience::Backoff::Exponential(2f64),
        ),
    );
    let mut retry = __RESILIENCE_RETRY.start();
    let r = loop {
        let wait = {
            let r: Result<String, Error> = __resilience::call_once(|| -> Result<
                String,
                Error,
            > { fetch(id, name) });
            let verdict = __resilience::Outcome::probe(&r)
                .probed_verdict(&__RESILIENCE_POINT, retry.attempt());
            match __RESILIENCE_RETRY
                .settle(
                    &mut retry,
                    verdict,
                    __resilience::Ruling::ByCategory,
                    __RESILIENCE_RETRY.own_budget(),
                )
            {
                __resilience::Ok(_) => break r,
                __resilience::Err(wait) => wait,
            }
        };
        __RESILIENCE_RETRY.sleep(&retry, wait);
    };
    r
}
async fn asynchronous(id: u32, name: &str) -> Result<String, Error> {
    use ::resilience::__private as __resilience;
    #[__resilience::linkme::distributed_slice(__resilience::POINTS_0_1)]
    #[linkme(crate = __resilience::linkme)]
    static __RESILIENCE_POINT: __resilience::PointSite = __resilience::PointSite::new(
        ::core::module_path!(),
        "asynchronous",
        &[&__RESILIENCE_RETRY],
    );
    static __RESILIENCE_RETRY: __resilience::RetrySite = __resilience::RetrySite::new(
        &__RESILIENCE_POINT,
        __resilience::Retry::backoff(
            __resilience::Retry::max(__resilience::Retry::new(), 3),
            __resilience::Backoff::Exponential(2f64),
        ),
    );
    let mut retry = __RESILIENCE_RETRY.start();
    let r = loop {
        let wait = {
            let r = async {
                if let __resilience::Some(r) = __resilience::None::<
                    Result<String, Error>,
                > {
                    return r;
                }
                fetch(id, name).await
            }
                .await;
            let verdict = __resilience::Outcome::probe(&r)
                .probed_verdict(&__RESILIENCE_POINT, retry.attempt());
            match __RESILIENCE_RETRY
                .settle(
                    &mut retry,
                    verdict,
                    __resilience::Ruling::ByCategory,
                    __RESILIENCE_RETRY.own_budget(),
                )
            {
                __resilience::Ok(_) => break r,
                __resilience::Err(wait) => wait,
            }
        };
        __RESILIENCE_RETRY.pause(&retry, wait).await;
    };
    r
}
impl Service {
    async fn method(&self, id: u32) -> Result<String, Error> {
        use ::resilience::__private as __resilience;
        #[__resilience::linkme::distributed_slice(__resilience::POINTS_0_1)]
        #[linkme(crate = __resilience::linkme)]
        static __RESILIENCE_POINT: __resilience::PointSite = __resilience::PointSite::new(
            ::core::module_path!(),
            "method",
            &[&__RESILIENCE_RETRY],
        );
        static __RESILIENCE_RETRY: __resilience::RetrySite = __resilience::RetrySite::new(
            &__RESILIENCE_POINT,
            __resilience::Retry::backoff(
                __resilience::Retry::max(__resilience::Retry::new(), 3),
                __resilience::Backoff::Exponential(2f64),
            ),
        );
        let mut retry = __RESILIENCE_RETRY.start();
        let r = loop {
            let wait = {
                let r = async {
                    if let __resilience::Some(r) = __resilience::None::<
                        Result<String, Error>,
                    > {
                        return r;
                    }
                    self.fetch(id).await
                }
                    .await;
                let verdict = __resilience::Outcome::probe(&r)
                    .probed_verdict(&__RESILIENCE_POINT, retry.attempt());
                match __RESILIENCE_RETRY
                    .settle(
                        &mut retry,
                        verdict,
                        __resilience::Ruling::ByCategory,
                        __RESILIENCE_RETRY.own_budget(),
                    )
                {
                    __resilience::Ok(_) => break r,
                    __resilience::Err(wait) => wait,
                }
            };
            __RESILIENCE_RETRY.pause(&retry, wait).await;
        };
        r
    }
}
