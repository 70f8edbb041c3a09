fn sync(id: u32, name: &str) -> Result<String, Error> {
    use ::resilience::__private as __resilience;
    #[__resilience::linkme::distributed_slice(__resilience::POINTS_0_1)]
    #[linkme(crate = __resilience::linkme)]
    static __RESILIENCE_POINT: __resilience::PointSite = __resilience::PointSite::new(
        ::core::module_path!(),
        "sync",
        &[&__RESILIENCE_RECOVERY],
    );
    static __RESILIENCE_RECOVERY: __resilience::RecoverySite = __resilience::RecoverySite::new(
            &__RESILIENCE_POINT,
            &[
                (
                    __resilience::Condition::Category(__resilience::Category::Corrupt),
                    __resilience::Recovery::Rollback,
                ),
            ],
        )
        .otherwise(__resilience::Recovery::Escalate);
    let __outcome: Result<String, Error> = __resilience::call_once(|| -> Result<
        String,
        Error,
    > { fetch(id, name) });
    let __verdict = __resilience::Outcome::probe(&__outcome)
        .probed_verdict(&__RESILIENCE_POINT, 1);
    let __outcome = '__resilience_recovery: {
        let __resilience::Some(__class) = &__verdict else {
            break '__resilience_recovery __outcome
        };
        let __strategy = (&__RESILIENCE_RECOVERY).decide(__class);
        let _ = __strategy;
        __outcome
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
        &[&__RESILIENCE_RECOVERY],
    );
    static __RESILIENCE_RECOVERY: __resilience::RecoverySite = __resilience::RecoverySite::new(
            &__RESILIENCE_POINT,
            &[
                (
                    __resilience::Condition::Category(__resilience::Category::Corrupt),
                    __resilience::Recovery::Rollback,
                ),
                (
                    __resilience::Condition::AtLeast(__resilience::Severity::High),
                    __resilience::Recovery::Manual,
                ),
            ],
        )
        .with_undo();
    let __outcome = async {
        if let __resilience::Some(__outcome) = __resilience::None::<
            Result<String, Error>,
        > {
            return __outcome;
        }
        fetch(id, name).await
    }
        .await;
    let __verdict = __resilience::Outcome::probe(&__outcome)
        .probed_verdict(&__RESILIENCE_POINT, 1);
    let __outcome = '__resilience_recovery: {
        let __resilience::Some(__class) = &__verdict else {
            break '__resilience_recovery __outcome
        };
        let __strategy = (&__RESILIENCE_RECOVERY).decide(__class);
        if let __resilience::Recovery::Rollback = __strategy {
            #[allow(unused_imports)]
            use __resilience::Settled as _;
            let __answer = remove(id, name);
            let __worked = __resilience::Undone::worked(
                __resilience::Step(__answer).__settle().await,
            );
            (&__RESILIENCE_RECOVERY).undone(__worked);
        }
        let _ = __strategy;
        __outcome
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
            &[&__RESILIENCE_RECOVERY, &__RESILIENCE_RETRY],
        );
        static __RESILIENCE_RECOVERY: __resilience::RecoverySite = __resilience::RecoverySite::new(
                &__RESILIENCE_POINT,
                &[
                    (
                        __resilience::Condition::Category(
                            __resilience::Category::NotFound,
                        ),
                        __resilience::Recovery::Skip,
                    ),
                ],
            )
            .otherwise(__resilience::Recovery::Retry);
        static __RESILIENCE_RETRY: __resilience::RetrySite = __resilience::RetrySite::new(
            &__RESILIENCE_POINT,
            __resilience::Retry::backoff(
                __resilience::Retry::max(__resilience::Retry::new(), 3),
                __resilience::Backoff::Exponential(2f64),
            ),
        );
        let mut __retry = (&__RESILIENCE_RETRY).start();
        let (__outcome, __verdict) = loop {
            let __wait = {
                let __outcome = async {
                    if let __resilience::Some(__outcome) = __resilience::None::<
                        Result<String, Error>,
                    > {
                        return __outcome;
                    }
                    self.fetch(id).await
                }
                    .await;
                let __verdict = __resilience::Outcome::probe(&__outcome)
                    .probed_verdict(&__RESILIENCE_POINT, (&__retry).attempt());
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
        let __outcome = '__resilience_recovery: {
            let __resilience::Some(__class) = &__verdict else {
                break '__resilience_recovery __outcome
            };
            let __strategy = (&__RESILIENCE_RECOVERY).decide(__class);
            if let __resilience::Recovery::Skip = __strategy {
                break '__resilience_recovery __resilience::Skip::skipped(&__outcome);
            }
            let _ = __strategy;
            __outcome
        };
        #[allow(unreachable_code, clippy::needless_return)] return __outcome;
    }
}
