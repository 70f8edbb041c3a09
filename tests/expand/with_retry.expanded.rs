fn sync(id: u32, name: &str) -> Result<String, Error> {
    use ::resilience::__private as __resilience;
    #[__resilience::linkme::distributed_slice(__resilience::POINTS_0_1)]
    #[linkme(crate = __resilience::linkme)]
    static __RESILIENCE_POINT: __resilience::PointSite = __resilience::PointSite::new(
        ::core::module_path!(),
        "sync",
        &[&__RESILIENCE_RETRY],
    );
    static __RESILIENCE_RETRY: __resilience::RetrySite = __resilience::RetrySite::new(
        &__RESILIENCE_POINT,
        __resilience::Retry::backoff(
            __resilience::Retry::max(__resilience::Retry::new(), 3),
            __resilience::Backoff::Exponential(2f64),
        ),
    );
    let mut retry = __RESILIENCE_RETRY.start();
    let (r, _) = loop {
        let wait = {
            let r: Result<String, Error> = __resilience::call_once(|| -> Result<
                String,
                Error,
            > { fetch(id, name) });
            #[allow(unused_imports)]
            use __resilience::{ByNothing as _, BySource as _, ByTrait as _};
            let verdict = match __resilience::Outcome::judge(&r) {
                __resilience::Ok(_) => __resilience::None,
                __resilience::Err(e) => {
                    (&&__resilience::Probe(e)).seen(&__RESILIENCE_POINT, retry.attempt())
                }
            };
            match __RESILIENCE_RETRY
                .settle(&mut retry, verdict, __resilience::Ruling::ByCategory)
            {
                __resilience::Ok(verdict) => break (r, verdict),
                __resilience::Err(wait) => wait,
            }
        };
        __RESILIENCE_RETRY.sleep(&retry, wait);
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
        &[&__RESILIENCE_RETRY],
    );
    static __RESILIENCE_RETRY: __resilience::RetrySite = __resilience::RetrySite::new(
        &__RESILIENCE_POINT,
        __resilience::Retry::backoff(
            __resilience::Retry::max(__resilience::Retry::new(), 3),
            __resilience::Backoff::Exponential(2f64),
        ),
    );
    let mut retry = __RESILIENCE_RETRY.start();
    let (r, _) = loop {
        let wait = {
            let r: Result<String, Error> = async {
                if let __resilience::Some(r) = __resilience::None::<
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
            let verdict = match __resilience::Outcome::judge(&r) {
                __resilience::Ok(_) => __resilience::None,
                __resilience::Err(e) => {
                    (&&__resilience::Probe(e)).seen(&__RESILIENCE_POINT, retry.attempt())
                }
            };
            match __RESILIENCE_RETRY
                .settle(&mut retry, verdict, __resilience::Ruling::ByCategory)
            {
                __resilience::Ok(verdict) => break (r, verdict),
                __resilience::Err(wait) => wait,
            }
        };
        __RESILIENCE_RETRY.pause(&retry, wait).await;
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
            &[&__RESILIENCE_RETRY],
        );
        static __RESILIENCE_RETRY: __resilience::RetrySite = __resilience::RetrySite::new(
            &__RESILIENCE_POINT,
            __resilience::Retry::backoff(
                __resilience::Retry::max(__resilience::Retry::new(), 3),
                __resilience::Backoff::Exponential(2f64),
            ),
        );
        let mut retry = __RESILIENCE_RETRY.start();
        let (r, _) = loop {
            let wait = {
                let r: Result<String, Error> = async {
                    if let __resilience::Some(r) = __resilience::None::<
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
                let verdict = match __resilience::Outcome::judge(&r) {
                    __resilience::Ok(_) => __resilience::None,
                    __resilience::Err(e) => {
                        (&&__resilience::Probe(e))
                            .seen(&__RESILIENCE_POINT, retry.attempt())
                    }
                };
                match __RESILIENCE_RETRY
                    .settle(&mut retry, verdict, __resilience::Ruling::ByCategory)
                {
                    __resilience::Ok(verdict) => break (r, verdict),
                    __resilience::Err(wait) => wait,
                }
            };
            __RESILIENCE_RETRY.pause(&retry, wait).await;
        };
        r
    }
}
