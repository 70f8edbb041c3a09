fn sync(id: u32, name: String) -> Result<String, Error> {
    use ::resilience::__private as __resilience;
    #[__resilience::linkme::distributed_slice(__resilience::POINTS_0_1)]
    #[linkme(crate = __resilience::linkme)]
    static __RESILIENCE_POINT: __resilience::PointSite = __resilience::PointSite::new(
        ::core::module_path!(),
        "sync",
        &[&__RESILIENCE_TIMEOUT],
    );
    static __RESILIENCE_TIMEOUT: __resilience::TimeoutSite = __resilience::TimeoutSite::new(
        &__RESILIENCE_POINT,
        __resilience::Timeout::new(::core::time::Duration::from_nanos(2000000000u64))
            .checked(),
    );
    let (r, _) = match __RESILIENCE_TIMEOUT
        .on_thread(
            1,
            move || {
                let r: Result<String, Error> = __resilience::call_once(|| -> Result<
                    String,
                    Error,
                > { fetch(id, name) });
                #[allow(unused_imports)]
                use __resilience::{ByNothing as _, BySource as _, ByTrait as _};
                let verdict = match __resilience::Outcome::judge(&r) {
                    __resilience::Ok(_) => __resilience::None,
                    __resilience::Err(e) => {
                        (&&__resilience::Probe(e)).seen(&__RESILIENCE_POINT, 1)
                    }
                };
                (r, verdict)
            },
        )
    {
        __resilience::Ok(done) => done,
        __resilience::Err(rejected) => __resilience::refused_outermost(rejected),
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
        &[&__RESILIENCE_TIMEOUT],
    );
    static __RESILIENCE_TIMEOUT: __resilience::TimeoutSite = __resilience::TimeoutSite::new(
        &__RESILIENCE_POINT,
        __resilience::Timeout::new(::core::time::Duration::from_nanos(2000000000u64))
            .checked(),
    );
    let (r, _) = match __resilience::Timed::new(
            &__RESILIENCE_TIMEOUT,
            async {
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
            },
        )
        .await
    {
        __resilience::Ok(r) => {
            let r: Result<String, Error> = r;
            #[allow(unused_imports)]
            use __resilience::{ByNothing as _, BySource as _, ByTrait as _};
            let verdict = match __resilience::Outcome::judge(&r) {
                __resilience::Ok(_) => __resilience::None,
                __resilience::Err(e) => {
                    (&&__resilience::Probe(e)).seen(&__RESILIENCE_POINT, 1)
                }
            };
            (r, verdict)
        }
        __resilience::Err(rejected) => __resilience::refused_outermost(rejected),
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
            &[&__RESILIENCE_TIMEOUT],
        );
        static __RESILIENCE_TIMEOUT: __resilience::TimeoutSite = __resilience::TimeoutSite::new(
            &__RESILIENCE_POINT,
            __resilience::Timeout::new(::core::time::Duration::from_nanos(2000000000u64))
                .strict()
                .checked(),
        );
        let (r, _) = match __resilience::Timed::new(
                &__RESILIENCE_TIMEOUT,
                async {
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
                },
            )
            .await
        {
            __resilience::Ok(r) => {
                let r: Result<String, Error> = r;
                #[allow(unused_imports)]
                use __resilience::{ByNothing as _, BySource as _, ByTrait as _};
                let verdict = match __resilience::Outcome::judge(&r) {
                    __resilience::Ok(_) => __resilience::None,
                    __resilience::Err(e) => {
                        (&&__resilience::Probe(e)).seen(&__RESILIENCE_POINT, 1)
                    }
                };
                (r, verdict)
            }
            __resilience::Err(rejected) => __resilience::refused_outermost(rejected),
        };
        r
    }
}
