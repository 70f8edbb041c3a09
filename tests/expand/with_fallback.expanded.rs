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
    #[allow(unused_imports)]
    use __resilience::{ByNothing as _, BySource as _, ByTrait as _};
    let verdict = match __resilience::Outcome::judge(&r) {
        __resilience::Ok(_) => __resilience::None,
        __resilience::Err(e) => (&&__resilience::Probe(e)).seen(&__RESILIENCE_POINT, 1),
    };
    let (r, _) = '__resilience_fallback: {
        let __resilience::Some(class) = verdict else {
            break '__resilience_fallback (r, verdict)
        };
        if !__RESILIENCE_FALLBACK.applies(&class, __resilience::Ruling::ByCategory) {
            break '__resilience_fallback (r, verdict);
        }
        {
            let answer = cached(id, name);
            if let __resilience::Some(value) = __resilience::instead(&r, answer) {
                __RESILIENCE_FALLBACK.answered(&class, 1u32);
                break '__resilience_fallback (
                    __resilience::Outcome::success(value),
                    __resilience::None,
                );
            }
        }
        __RESILIENCE_FALLBACK.failed();
        (r, verdict)
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
    let r: Result<String, Error> = async {
        if let __resilience::Some(r) = __resilience::None::<Result<String, Error>> {
            return r;
        }
        let r: Result<String, Error> = { fetch(id, name).await };
        #[allow(unreachable_code, clippy::needless_return, clippy::let_and_return)]
        return r;
    }
        .await;
    #[allow(unused_imports)]
    use __resilience::{ByNothing as _, BySource as _, ByTrait as _};
    let verdict = match __resilience::Outcome::judge(&r) {
        __resilience::Ok(_) => __resilience::None,
        __resilience::Err(e) => (&&__resilience::Probe(e)).seen(&__RESILIENCE_POINT, 1),
    };
    #[allow(unused_imports)]
    use __resilience::Settled as _;
    let (r, _) = '__resilience_fallback: {
        let __resilience::Some(class) = verdict else {
            break '__resilience_fallback (r, verdict)
        };
        if !__RESILIENCE_FALLBACK.applies(&class, __resilience::Ruling::ByCategory) {
            break '__resilience_fallback (r, verdict);
        }
        {
            let answer = cached(id, name);
            if let __resilience::Some(value) = __resilience::instead(
                &r,
                __resilience::Step(answer).settle().await,
            ) {
                __RESILIENCE_FALLBACK.answered(&class, 1u32);
                break '__resilience_fallback (
                    __resilience::Outcome::success(value),
                    __resilience::None,
                );
            }
        }
        __RESILIENCE_FALLBACK.failed();
        (r, verdict)
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
        let r: Result<String, Error> = async {
            if let __resilience::Some(r) = __resilience::None::<Result<String, Error>> {
                return r;
            }
            let r: Result<String, Error> = { self.fetch(id).await };
            #[allow(unreachable_code, clippy::needless_return, clippy::let_and_return)]
            return r;
        }
            .await;
        #[allow(unused_imports)]
        use __resilience::{ByNothing as _, BySource as _, ByTrait as _};
        let verdict = match __resilience::Outcome::judge(&r) {
            __resilience::Ok(_) => __resilience::None,
            __resilience::Err(e) => {
                (&&__resilience::Probe(e)).seen(&__RESILIENCE_POINT, 1)
            }
        };
        #[allow(unused_imports)]
        use __resilience::Settled as _;
        let (r, _) = '__resilience_fallback: {
            let __resilience::Some(class) = verdict else {
                break '__resilience_fallback (r, verdict)
            };
            if !__RESILIENCE_FALLBACK.applies(&class, __resilience::Ruling::ByCategory) {
                break '__resilience_fallback (r, verdict);
            }
            {
                let answer = cached(self, id);
                if let __resilience::Some(value) = __resilience::instead(
                    &r,
                    __resilience::Step(answer).settle().await,
                ) {
                    __RESILIENCE_FALLBACK.answered(&class, 1u32);
                    break '__resilience_fallback (
                        __resilience::Outcome::success(value),
                        __resilience::None,
                    );
                }
            }
            __RESILIENCE_FALLBACK.failed();
            (r, verdict)
        };
        r
    }
}
