fn borrowed(plan: &Plan) -> Result<String, Error> {
    use ::resilience::__private as __rt;
    #[__rt::linkme::distributed_slice(__rt::POINTS_0_1)]
    #[linkme(crate = __rt::linkme)]
    static __POINT: __rt::PointSite = __rt::PointSite::new(
        ::core::module_path!(),
        "borrowed",
        &[&__DEGRADE],
    );
    static __DEGRADE: __rt::DegradeSite = __rt::DegradeSite::new(
        &__POINT,
        "plan",
        __rt::Degrade::new("").checked(),
    );
    let __outcome = '__degrade: {
        let __original = plan;
        let mut __simpler = __rt::None;
        let mut __first = __rt::None;
        let mut __level = 0_u32;
        loop {
            let (__outcome, __verdict) = {
                #[allow(
                    clippy::shadow_reuse,
                    clippy::shadow_same,
                    clippy::shadow_unrelated
                )]
                let plan = match &__simpler {
                    __rt::Some(__simpler) => __simpler,
                    __rt::None => __original,
                };
                let __outcome = __rt::call_once(|| -> Result<String, Error> {
                    run(plan)
                });
                let __verdict = __rt::Outcome::probe(&__outcome)
                    .probed_verdict(&__POINT, 1);
                (__outcome, __verdict)
            };
            if let __rt::Some(__class) = (&__DEGRADE).next(&__verdict, __level) {
                __simpler = __rt::Some(__original)
                    .and_then(|__original| __rt::Simplify::simplify(
                        __original,
                        __level + 1,
                    ));
                if ::core::option::Option::is_some(&__simpler) {
                    __level += 1;
                    __first = __first.or(__rt::Some((__outcome, __verdict)));
                    (&__DEGRADE).simplified(__class, __level);
                    continue;
                }
            }
            let (__outcome, __verdict) = (&__DEGRADE)
                .ended(__first, __outcome, __verdict);
            break '__degrade __outcome;
        }
    };
    #[allow(unreachable_code, clippy::needless_return)] return __outcome;
}
async fn owned(plan: Plan, id: u32) -> Result<String, Error> {
    use ::resilience::__private as __rt;
    #[__rt::linkme::distributed_slice(__rt::POINTS_0_1)]
    #[linkme(crate = __rt::linkme)]
    static __POINT: __rt::PointSite = __rt::PointSite::new(
        ::core::module_path!(),
        "owned",
        &[&__DEGRADE, &__RETRY],
    );
    static __DEGRADE: __rt::DegradeSite = __rt::DegradeSite::new(
            &__POINT,
            "plan",
            __rt::Degrade::max(__rt::Degrade::new(""), 2).checked(),
        )
        .on(&[__rt::Category::Timeout]);
    static __RETRY: __rt::RetrySite = __rt::RetrySite::new(
        &__POINT,
        __rt::Retry::max(__rt::Retry::new(), 3),
    );
    let __outcome = '__degrade: {
        let mut __original = __rt::Some(plan);
        let mut __simpler = __rt::None;
        let mut __first = __rt::None;
        let mut __level = 0_u32;
        loop {
            let (__outcome, __verdict) = {
                #[allow(
                    clippy::shadow_reuse,
                    clippy::shadow_same,
                    clippy::shadow_unrelated
                )]
                let plan = __rt::either(
                    ::core::option::Option::take(&mut __simpler),
                    || ::core::option::Option::take(&mut __original),
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
                                    run(&plan, id).await
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
                if __level == 0 {
                    __original = __rt::Some(plan);
                }
                (__outcome, __verdict)
            };
            if let __rt::Some(__class) = (&__DEGRADE).next(&__verdict, __level) {
                __simpler = ::core::option::Option::as_ref(&__original)
                    .and_then(|__original| __rt::Simplify::simplify(
                        __original,
                        __level + 1,
                    ));
                if ::core::option::Option::is_some(&__simpler) {
                    __level += 1;
                    __first = __first.or(__rt::Some((__outcome, __verdict)));
                    (&__DEGRADE).simplified(__class, __level);
                    __rt::let_others_run().await;
                    continue;
                }
            }
            let (__outcome, __verdict) = (&__DEGRADE)
                .ended(__first, __outcome, __verdict);
            break '__degrade __outcome;
        }
    };
    #[allow(unreachable_code, clippy::needless_return)] return __outcome;
}
