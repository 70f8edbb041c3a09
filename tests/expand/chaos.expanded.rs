async fn all(id: u32) -> Result<String, Error> {
    use ::resilience::__private as __rt;
    #[__rt::linkme::distributed_slice(__rt::POINTS_0_1)]
    #[linkme(crate = __rt::linkme)]
    static __POINT: __rt::PointSite = __rt::PointSite::new(
        ::core::module_path!(),
        "all",
        &[&__RETRY, &__CHAOS],
    );
    static __RETRY: __rt::RetrySite = __rt::RetrySite::new(
        &__POINT,
        __rt::Retry::max(__rt::Retry::new(), 3),
    );
    static __CHAOS: __rt::Chaos = __rt::Chaos::seed(
            __rt::Chaos::of(
                &__POINT,
                0.02f64,
                &[
                    __rt::chaos::Fault::Error,
                    __rt::chaos::Fault::LostAnswer,
                    __rt::chaos::Fault::Latency,
                    __rt::chaos::Fault::Panic,
                ],
            ),
            7,
        )
        .latency(
            ::core::time::Duration::from_millis(100),
            ::core::time::Duration::from_secs(2),
        )
        .checked();
    let mut __retry = (&__RETRY).in_code().start();
    let __outcome = loop {
        let __retrying = {
            let __outcome = '__chaos: {
                let __fault = (&__CHAOS).next();
                if (&__fault).is_error() {
                    break '__chaos __rt::injected::<Result<String, Error>>(Error::Down);
                }
                (&__fault).delay_async().await;
                let __outcome = __rt::Repeated::new(
                        &__POINT,
                        (&__retry).attempt(),
                        async {
                            if let __rt::Some(__outcome) = __rt::None::<
                                Result<String, Error>,
                            > {
                                return __outcome;
                            }
                            run(id).await
                        },
                    )
                    .await;
                if (&__fault).is_lost_answer() {
                    break '__chaos __rt::injected::<Result<String, Error>>(Error::Lost);
                }
                __outcome
            };
            let __verdict = __rt::Outcome::probe(&__outcome)
                .probed_verdict(&__POINT, (&__retry).attempt());
            match (&__RETRY).settle(__retry, __verdict) {
                __rt::Ok(_) => break __outcome,
                __rt::Err(__retrying) => __retrying,
            }
        };
        __retry = (&__RETRY).in_code().pause(__retrying).await;
    };
    #[allow(unreachable_code, clippy::needless_return)] return __outcome;
}
fn alone(id: u32) -> Result<String, Error> {
    use ::resilience::__private as __rt;
    #[__rt::linkme::distributed_slice(__rt::POINTS_0_1)]
    #[linkme(crate = __rt::linkme)]
    static __POINT: __rt::PointSite = __rt::PointSite::new(
        ::core::module_path!(),
        "alone",
        &[&__CHAOS],
    );
    static __CHAOS: __rt::Chaos = __rt::Chaos::of(
            &__POINT,
            0.02f64,
            &[__rt::chaos::Fault::Error],
        )
        .checked();
    let __outcome = '__chaos: {
        let __fault = (&__CHAOS).next();
        if (&__fault).is_error() {
            break '__chaos __rt::injected::<Result<String, Error>>(Error::Down);
        }
        let __outcome = __rt::call_once(|| -> Result<String, Error> { run(id) });
        __outcome
    };
    let __verdict = __rt::Outcome::probe(&__outcome).probed_verdict(&__POINT, 1);
    #[allow(unreachable_code, clippy::needless_return)] return __outcome;
}
