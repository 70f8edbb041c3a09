fn sync(id: u32, name: &str) -> Result<String, Error> {
    use ::resilience::__private as __resilience;
    #[__resilience::linkme::distributed_slice(__resilience::POINTS_0_1)]
    #[linkme(crate = __resilience::linkme)]
    static __RESILIENCE_POINT: __resilience::PointSite = __resilience::PointSite::new(
        ::core::module_path!(),
        "sync",
        (::core::file!(), ::core::line!(), ::core::column!()),
        &[&__RESILIENCE_RETRY],
    );
    const __RESILIENCE_POLICY: __resilience::Retry = __resilience::Retry::backoff(
            __resilience::Retry::max(__resilience::Retry::new(), 3),
            __resilience::Backoff::Exponential(2f64),
        )
        .checked();
    static __RESILIENCE_STATE: __resilience::RetryState = __resilience::RetryState::new();
    static __RESILIENCE_RETRY: __resilience::RetrySite = __resilience::RetrySite::new(
        &__RESILIENCE_POINT,
        __RESILIENCE_POLICY,
        &__RESILIENCE_STATE,
    );
    let (r, _) = {
        let mut __resilience_retry = __RESILIENCE_RETRY.start();
        loop {
            let wait = {
                __RESILIENCE_RETRY.begin(&__resilience_retry);
                let (r, verdict) = {
                    let r: Result<String, Error> = __resilience::call_once(|| -> Result<
                        String,
                        Error,
                    > { fetch(id, name) });
                    #[allow(unused_imports)]
                    use __resilience::{ByNothing as _, BySource as _, ByTrait as _};
                    let verdict = __resilience::verdict(
                        &r,
                        |e| __resilience::seen(
                            &__RESILIENCE_POINT,
                            __RESILIENCE_RETRY.attempt(&__resilience_retry),
                            &[],
                            (&&__resilience::Probe(e)).classification(),
                        ),
                    );
                    (r, verdict)
                };
                let ::core::option::Option::Some(class) = verdict else {
                    __RESILIENCE_RETRY.succeeded(__resilience_retry);
                    break (r, ::core::option::Option::None);
                };
                match __RESILIENCE_RETRY
                    .failed(
                        &mut __resilience_retry,
                        &class,
                        __resilience::Ruling::ByCategory,
                    )
                {
                    ::core::option::Option::Some(wait) => wait,
                    ::core::option::Option::None => break (r, verdict),
                }
            };
            __resilience::sleep(wait);
        }
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
        (::core::file!(), ::core::line!(), ::core::column!()),
        &[&__RESILIENCE_RETRY],
    );
    const __RESILIENCE_POLICY: __resilience::Retry = __resilience::Retry::backoff(
            __resilience::Retry::max(__resilience::Retry::new(), 3),
            __resilience::Backoff::Exponential(2f64),
        )
        .checked();
    static __RESILIENCE_STATE: __resilience::RetryState = __resilience::RetryState::new();
    static __RESILIENCE_RETRY: __resilience::RetrySite = __resilience::RetrySite::new(
        &__RESILIENCE_POINT,
        __RESILIENCE_POLICY,
        &__RESILIENCE_STATE,
    );
    let (r, _) = {
        let mut __resilience_retry = __RESILIENCE_RETRY.start();
        loop {
            let wait = {
                __RESILIENCE_RETRY.begin(&__resilience_retry);
                let (r, verdict) = {
                    let r: Result<String, Error> = async {
                        if let ::core::option::Option::Some(r) = ::core::option::Option::None::<
                            Result<String, Error>,
                        > {
                            return r;
                        }
                        let r: Result<String, Error> = { fetch(id, name).await };
                        #[allow(
                            unreachable_code,
                            clippy::needless_return,
                            clippy::let_and_return
                        )] return r;
                    }
                        .await;
                    #[allow(unused_imports)]
                    use __resilience::{ByNothing as _, BySource as _, ByTrait as _};
                    let verdict = __resilience::verdict(
                        &r,
                        |e| __resilience::seen(
                            &__RESILIENCE_POINT,
                            __RESILIENCE_RETRY.attempt(&__resilience_retry),
                            &[],
                            (&&__resilience::Probe(e)).classification(),
                        ),
                    );
                    (r, verdict)
                };
                let ::core::option::Option::Some(class) = verdict else {
                    __RESILIENCE_RETRY.succeeded(__resilience_retry);
                    break (r, ::core::option::Option::None);
                };
                match __RESILIENCE_RETRY
                    .failed(
                        &mut __resilience_retry,
                        &class,
                        __resilience::Ruling::ByCategory,
                    )
                {
                    ::core::option::Option::Some(wait) => wait,
                    ::core::option::Option::None => break (r, verdict),
                }
            };
            __resilience::pause(wait).await;
        }
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
            (::core::file!(), ::core::line!(), ::core::column!()),
            &[&__RESILIENCE_RETRY],
        );
        const __RESILIENCE_POLICY: __resilience::Retry = __resilience::Retry::backoff(
                __resilience::Retry::max(__resilience::Retry::new(), 3),
                __resilience::Backoff::Exponential(2f64),
            )
            .checked();
        static __RESILIENCE_STATE: __resilience::RetryState = __resilience::RetryState::new();
        static __RESILIENCE_RETRY: __resilience::RetrySite = __resilience::RetrySite::new(
            &__RESILIENCE_POINT,
            __RESILIENCE_POLICY,
            &__RESILIENCE_STATE,
        );
        let (r, _) = {
            let mut __resilience_retry = __RESILIENCE_RETRY.start();
            loop {
                let wait = {
                    __RESILIENCE_RETRY.begin(&__resilience_retry);
                    let (r, verdict) = {
                        let r: Result<String, Error> = async {
                            if let ::core::option::Option::Some(r) = ::core::option::Option::None::<
                                Result<String, Error>,
                            > {
                                return r;
                            }
                            let r: Result<String, Error> = { self.fetch(id).await };
                            #[allow(
                                unreachable_code,
                                clippy::needless_return,
                                clippy::let_and_return
                            )] return r;
                        }
                            .await;
                        #[allow(unused_imports)]
                        use __resilience::{ByNothing as _, BySource as _, ByTrait as _};
                        let verdict = __resilience::verdict(
                            &r,
                            |e| __resilience::seen(
                                &__RESILIENCE_POINT,
                                __RESILIENCE_RETRY.attempt(&__resilience_retry),
                                &[],
                                (&&__resilience::Probe(e)).classification(),
                            ),
                        );
                        (r, verdict)
                    };
                    let ::core::option::Option::Some(class) = verdict else {
                        __RESILIENCE_RETRY.succeeded(__resilience_retry);
                        break (r, ::core::option::Option::None);
                    };
                    match __RESILIENCE_RETRY
                        .failed(
                            &mut __resilience_retry,
                            &class,
                            __resilience::Ruling::ByCategory,
                        )
                    {
                        ::core::option::Option::Some(wait) => wait,
                        ::core::option::Option::None => break (r, verdict),
                    }
                };
                __resilience::pause(wait).await;
            }
        };
        r
    }
}
