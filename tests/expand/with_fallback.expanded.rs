fn sync(id: u32, name: &str) -> Result<String, Error> {
    use ::resilience::__private as __resilience;
    #[__resilience::linkme::distributed_slice(__resilience::POINTS_0_1)]
    #[linkme(crate = __resilience::linkme)]
    static __RESILIENCE_POINT: __resilience::PointSite = __resilience::PointSite::new(
        ::core::module_path!(),
        "sync",
        &[&__RESILIENCE_FALLBACK],
    );
    static __RESILIENCE_FALLBACK: __resilience::FallbackSite = __resilience::FallbackSite::new(
        &__RESILIENCE_POINT,
        &["cached"],
    );
    let __outcome: Result<String, Error> = __resilience::call_once(|| -> Result<
        String,
        Error,
    > { fetch(id, name) });
    let __verdict = __resilience::Outcome::probe(&__outcome)
        .probed_verdict(&__RESILIENCE_POINT, 1);
    let __outcome = '__resilience_fallback: {
        let __resilience::Some(__class) = __verdict else {
            break '__resilience_fallback __outcome
        };
        if !(&__RESILIENCE_FALLBACK).applies(&__class, __resilience::Ruling::ByCategory)
        {
            break '__resilience_fallback __outcome;
        }
        {
            let __answer = cached(id, name);
            if let __resilience::Some(__value) = __resilience::instead(
                &__outcome,
                __answer,
            ) {
                (&__RESILIENCE_FALLBACK).answered(&__class, 1u32);
                break '__resilience_fallback __resilience::Outcome::success(__value);
            }
        }
        (&__RESILIENCE_FALLBACK).failed();
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
        &[&__RESILIENCE_FALLBACK],
    );
    static __RESILIENCE_FALLBACK: __resilience::FallbackSite = __resilience::FallbackSite::new(
        &__RESILIENCE_POINT,
        &["cached"],
    );
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
    #[allow(unused_imports)]
    use __resilience::Settled as _;
    let __outcome = '__resilience_fallback: {
        let __resilience::Some(__class) = __verdict else {
            break '__resilience_fallback __outcome
        };
        if !(&__RESILIENCE_FALLBACK).applies(&__class, __resilience::Ruling::ByCategory)
        {
            break '__resilience_fallback __outcome;
        }
        {
            let __answer = cached(id, name);
            if let __resilience::Some(__value) = __resilience::instead(
                &__outcome,
                __resilience::Step(__answer).__settle().await,
            ) {
                (&__RESILIENCE_FALLBACK).answered(&__class, 1u32);
                break '__resilience_fallback __resilience::Outcome::success(__value);
            }
        }
        (&__RESILIENCE_FALLBACK).failed();
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
            &[&__RESILIENCE_FALLBACK],
        );
        static __RESILIENCE_FALLBACK: __resilience::FallbackSite = __resilience::FallbackSite::new(
            &__RESILIENCE_POINT,
            &["cached"],
        );
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
            .probed_verdict(&__RESILIENCE_POINT, 1);
        #[allow(unused_imports)]
        use __resilience::Settled as _;
        let __outcome = '__resilience_fallback: {
            let __resilience::Some(__class) = __verdict else {
                break '__resilience_fallback __outcome
            };
            if !(&__RESILIENCE_FALLBACK)
                .applies(&__class, __resilience::Ruling::ByCategory)
            {
                break '__resilience_fallback __outcome;
            }
            {
                let __answer = cached(self, id);
                if let __resilience::Some(__value) = __resilience::instead(
                    &__outcome,
                    __resilience::Step(__answer).__settle().await,
                ) {
                    (&__RESILIENCE_FALLBACK).answered(&__class, 1u32);
                    break '__resilience_fallback __resilience::Outcome::success(__value);
                }
            }
            (&__RESILIENCE_FALLBACK).failed();
            __outcome
        };
        #[allow(unreachable_code, clippy::needless_return)] return __outcome;
    }
}
