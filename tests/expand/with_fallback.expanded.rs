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
    let r: Result<String, Error> = __resilience::call_once(|| -> Result<String, Error> {
        fetch(id, name)
    });
    let verdict = __resilience::Outcome::probe(&r)
        .probed_verdict(&__RESILIENCE_POINT, 1);
    let r = '__resilience_fallback: {
        let __resilience::Some(class) = verdict else { break '__resilience_fallback r };
        if !__RESILIENCE_FALLBACK.applies(&class, __resilience::Ruling::ByCategory) {
            break '__resilience_fallback r;
        }
        {
            let answer = cached(id, name);
            if let __resilience::Some(value) = __resilience::instead(&r, answer) {
                __RESILIENCE_FALLBACK.answered(&class, 1u32);
                break '__resilience_fallback __resilience::Outcome::success(value);
            }
        }
        __RESILIENCE_FALLBACK.failed();
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
        &[&__RESILIENCE_FALLBACK],
    );
    static __RESILIENCE_FALLBACK: __resilience::FallbackSite = __resilience::FallbackSite::new(
        &__RESILIENCE_POINT,
        &["cached"],
    );
    let r = async {
        if let __resilience::Some(r) = __resilience::None::<Result<String, Error>> {
            return r;
        }
        fetch(id, name).await
    }
        .await;
    let verdict = __resilience::Outcome::probe(&r)
        .probed_verdict(&__RESILIENCE_POINT, 1);
    #[allow(unused_imports)]
    use __resilience::Settled as _;
    let r = '__resilience_fallback: {
        let __resilience::Some(class) = verdict else { break '__resilience_fallback r };
        if !__RESILIENCE_FALLBACK.applies(&class, __resilience::Ruling::ByCategory) {
            break '__resilience_fallback r;
        }
        {
            let answer = cached(id, name);
            if let __resilience::Some(value) = __resilience::instead(
                &r,
                __resilience::Step(answer).settle().await,
            ) {
                __RESILIENCE_FALLBACK.answered(&class, 1u32);
                break '__resilience_fallback __resilience::Outcome::success(value);
            }
        }
        __RESILIENCE_FALLBACK.failed();
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
            &[&__RESILIENCE_FALLBACK],
        );
        static __RESILIENCE_FALLBACK: __resilience::FallbackSite = __resilience::FallbackSite::new(
            &__RESILIENCE_POINT,
            &["cached"],
        );
        let r = async {
            if let __resilience::Some(r) = __resilience::None::<Result<String, Error>> {
                return r;
            }
            self.fetch(id).await
        }
            .await;
        let verdict = __resilience::Outcome::probe(&r)
            .probed_verdict(&__RESILIENCE_POINT, 1);
        #[allow(unused_imports)]
        use __resilience::Settled as _;
        let r = '__resilience_fallback: {
            let __resilience::Some(class) = verdict else {
                break '__resilience_fallback r
            };
            if !__RESILIENCE_FALLBACK.applies(&class, __resilience::Ruling::ByCategory) {
                break '__resilience_fallback r;
            }
            {
                let answer = cached(self, id);
                if let __resilience::Some(value) = __resilience::instead(
                    &r,
                    __resilience::Step(answer).settle().await,
                ) {
                    __RESILIENCE_FALLBACK.answered(&class, 1u32);
                    break '__resilience_fallback __resilience::Outcome::success(value);
                }
            }
            __RESILIENCE_FALLBACK.failed();
            r
        };
        r
    }
}
