fn sync(id: u32, name: &str) -> Result<String, Error> {
    use ::resilience::__private as __rt;
    #[__rt::linkme::distributed_slice(__rt::POINTS_0_1)]
    #[linkme(crate = __rt::linkme)]
    static __POINT: __rt::PointSite = __rt::PointSite::new(
        ::core::module_path!(),
        "sync",
        &[&__FALLBACK],
    );
    static __FALLBACK: __rt::FallbackSite = __rt::FallbackSite::new(
        &__POINT,
        &["cached"],
    );
    let __outcome = '__fallback: {
        let __outcome = __rt::call_once(|| -> Result<String, Error> { fetch(id, name) });
        let __verdict = __rt::Outcome::probe(&__outcome).probed_verdict(&__POINT, 1);
        let __rt::Some(__class) = (&__FALLBACK)
            .handles(__verdict, __rt::Ruling::ByCategory) else {
            break '__fallback __outcome
        };
        let __answer = cached(id, name);
        if let __rt::Some(__value) = __rt::instead(&__outcome, __answer) {
            (&__FALLBACK).answered(&__class, 1u32);
            break '__fallback __rt::Outcome::success(__value);
        }
        (&__FALLBACK).failed();
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
        &[&__FALLBACK],
    );
    static __FALLBACK: __rt::FallbackSite = __rt::FallbackSite::new(
        &__POINT,
        &["cached"],
    );
    #[allow(unused_imports)]
    use __rt::Settled as _;
    let __outcome = '__fallback: {
        let __outcome = async {
            if let __rt::Some(__outcome) = __rt::None::<Result<String, Error>> {
                return __outcome;
            }
            fetch(id, name).await
        }
            .await;
        let __verdict = __rt::Outcome::probe(&__outcome).probed_verdict(&__POINT, 1);
        let __rt::Some(__class) = (&__FALLBACK)
            .handles(__verdict, __rt::Ruling::ByCategory) else {
            break '__fallback __outcome
        };
        let __answer = cached(id, name);
        if let __rt::Some(__value) = __rt::instead(
            &__outcome,
            __rt::Step(__answer).__settle().await,
        ) {
            (&__FALLBACK).answered(&__class, 1u32);
            break '__fallback __rt::Outcome::success(__value);
        }
        (&__FALLBACK).failed();
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
            &[&__FALLBACK],
        );
        static __FALLBACK: __rt::FallbackSite = __rt::FallbackSite::new(
            &__POINT,
            &["cached"],
        );
        #[allow(unused_imports)]
        use __rt::Settled as _;
        let __outcome = '__fallback: {
            let __outcome = async {
                if let __rt::Some(__outcome) = __rt::None::<Result<String, Error>> {
                    return __outcome;
                }
                self.fetch(id).await
            }
                .await;
            let __verdict = __rt::Outcome::probe(&__outcome).probed_verdict(&__POINT, 1);
            let __rt::Some(__class) = (&__FALLBACK)
                .handles(__verdict, __rt::Ruling::ByCategory) else {
                break '__fallback __outcome
            };
            let __answer = cached(self, id);
            if let __rt::Some(__value) = __rt::instead(
                &__outcome,
                __rt::Step(__answer).__settle().await,
            ) {
                (&__FALLBACK).answered(&__class, 1u32);
                break '__fallback __rt::Outcome::success(__value);
            }
            (&__FALLBACK).failed();
            __outcome
        };
        #[allow(unreachable_code, clippy::needless_return)] return __outcome;
    }
}
