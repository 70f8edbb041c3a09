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
    let r: Result<String, Error> = __resilience::call_once(|| -> Result<String, Error> {
        fetch(id, name)
    });
    let verdict = __resilience::Outcome::probe(&r)
        .probed_verdict(&__RESILIENCE_POINT, 1);
    let r = '__resilience_recovery: {
        let __resilience::Some(class) = &verdict else { break '__resilience_recovery r };
        let strategy = __RESILIENCE_RECOVERY.decide(class);
        let _ = strategy;
        r
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
    let r = async {
        if let __resilience::Some(r) = __resilience::None::<Result<String, Error>> {
            return r;
        }
        fetch(id, name).await
    }
        .await;
    let verdict = __resilience::Outcome::probe(&r)
        .probed_verdict(&__RESILIENCE_POINT, 1);
    let r = '__resilience_recovery: {
        let __resilience::Some(class) = &verdict else { break '__resilience_recovery r };
        let strategy = __RESILIENCE_RECOVERY.decide(class);
        if let __resilience::Recovery::Rollback = strategy {
            #[allow(unused_imports)]
            use __resilience::Settled as _;
            if let __resilience::Err(error) = __resilience::Outcome::judge(&r) {
                let _ = error;
                let answer = remove(id, name);
                let worked = __resilience::Undone::worked(
                    __resilience::Step(answer).settle().await,
                );
                __RESILIENCE_RECOVERY.undone(worked);
            }
        }
        let _ = strategy;
        r
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
        let mut retry = __RESILIENCE_RETRY.start();
        let (r, verdict) = loop {
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
                    __resilience::Ok(verdict) => break (r, verdict),
                    __resilience::Err(wait) => wait,
                }
            };
            __RESILIENCE_RETRY.pause(&retry, wait).await;
        };
        let r = '__resilience_recovery: {
            let __resilience::Some(class) = &verdict else {
                break '__resilience_recovery r
            };
            let strategy = __RESILIENCE_RECOVERY.decide(class);
            if let __resilience::Recovery::Skip = strategy {
                break '__resilience_recovery __resilience::Skip::skipped(&r);
            }
            let _ = strategy;
            r
        };
        r
    }
}
