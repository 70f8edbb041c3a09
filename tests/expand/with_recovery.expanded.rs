fn sync(id: u32, name: &str) -> Result<String, Error> {
    use ::resilience::__private as __rt;
    #[__rt::linkme::distributed_slice(__rt::POINTS_0_1)]
    #[linkme(crate = __rt::linkme)]
    static __POINT: __rt::PointSite = __rt::PointSite::new(
        ::core::module_path!(),
        "sync",
        &[&__RECOVERY],
    );
    static __RECOVERY: __rt::RecoverySite = __rt::RecoverySite::new(
            &__POINT,
            &[
                (
                    __rt::Condition::Category(__rt::Category::Corrupt),
                    __rt::Recovery::Rollback,
                ),
            ],
        )
        .otherwise(__rt::Recovery::Escalate);
    let __outcome = __rt::call_once(|| -> Result<String, Error> { fetch(id, name) });
    let __verdict = __rt::Outcome::probe(&__outcome).probed_verdict(&__POINT, 1);
    let __outcome = '__recovery: {
        let __rt::Some(__class) = &__verdict else { break '__recovery __outcome };
        let __strategy = (&__RECOVERY).decide(__class);
        let _ = __strategy;
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
        &[&__RECOVERY],
    );
    static __RECOVERY: __rt::RecoverySite = __rt::RecoverySite::new(
            &__POINT,
            &[
                (
                    __rt::Condition::Category(__rt::Category::Corrupt),
                    __rt::Recovery::Rollback,
                ),
                (__rt::Condition::AtLeast(__rt::Severity::High), __rt::Recovery::Manual),
            ],
        )
        .with_undo();
    let __outcome = async {
        if let __rt::Some(__outcome) = __rt::None::<Result<String, Error>> {
            return __outcome;
        }
        fetch(id, name).await
    }
        .await;
    let __verdict = __rt::Outcome::probe(&__outcome).probed_verdict(&__POINT, 1);
    let __outcome = '__recovery: {
        let __rt::Some(__class) = &__verdict else { break '__recovery __outcome };
        let __strategy = (&__RECOVERY).decide(__class);
        if let __rt::Recovery::Rollback = __strategy {
            #[allow(unused_imports)]
            use __rt::Settled as _;
            let __answer = remove(id, name);
            let __worked = ::core::option::Option::is_none(
                &__rt::Undone::error(__rt::Step(__answer).__settle().await),
            );
            (&__RECOVERY).undone(__worked);
        }
        let _ = __strategy;
        __outcome
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
            &[&__RECOVERY, &__RETRY],
        );
        static __RECOVERY: __rt::RecoverySite = __rt::RecoverySite::new(
                &__POINT,
                &[
                    (
                        __rt::Condition::Category(__rt::Category::NotFound),
                        __rt::Recovery::Skip,
                    ),
                ],
            )
            .otherwise(__rt::Recovery::Retry);
        static __RETRY: __rt::RetrySite = __rt::RetrySite::new(
            &__POINT,
            __rt::Retry::backoff(
                __rt::Retry::max(__rt::Retry::new(), 3),
                __rt::Backoff::Exponential(2f64),
            ),
        );
        let mut __again = (&__RETRY).begin();
        let (__outcome, __verdict) = loop {
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
                        break (__outcome, __rt::None);
                    }
                    __outcome
                };
                let __verdict = __rt::Outcome::probe(&__outcome)
                    .probed_verdict(&__POINT, (&__retry).attempt());
                match (&__RETRY).settle(__retry, __verdict) {
                    __rt::Ok(__verdict) => break (__outcome, __verdict),
                    __rt::Err(__retrying) => __retrying,
                }
            };
            __again = __rt::Some((&__RETRY).again(__retrying));
        };
        let __outcome = '__recovery: {
            let __rt::Some(__class) = &__verdict else { break '__recovery __outcome };
            let __strategy = (&__RECOVERY).decide(__class);
            if let __rt::Recovery::Skip = __strategy {
                break '__recovery __rt::Skip::skipped(&__outcome);
            }
            let _ = __strategy;
            __outcome
        };
        #[allow(unreachable_code, clippy::needless_return)] return __outcome;
    }
}
