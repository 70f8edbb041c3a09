fn sync(id: u32, name: &str) -> Result<String, Error> {
    use ::resilience::__private as __resilience;
    #[__resilience::linkme::distributed_slice(__resilience::POINTS_0_1)]
    #[linkme(crate = __resilience::linkme)]
    static __RESILIENCE_POINT: __resilience::PointSite = __resilience::PointSite::new(
        ::core::module_path!(),
        "sync",
        (::core::file!(), ::core::line!(), ::core::column!()),
        &[&__RESILIENCE_BREAKER],
    );
    static __RESILIENCE_BREAKER: __resilience::Site<__resilience::CircuitBreaker> = {
        const fn fresh() -> __resilience::CircuitBreaker {
            __resilience::CircuitBreaker::recovery(
                    __resilience::CircuitBreaker::threshold(
                        __resilience::CircuitBreaker::of(&__RESILIENCE_POINT),
                        5,
                    ),
                    ::core::time::Duration::from_nanos(60000000000u64),
                )
                .checked()
        }
        __resilience::Site::new(fresh(), fresh)
    };
    let (r, _) = '__resilience_breaker: {
        let permit = match __RESILIENCE_BREAKER.admit() {
            ::core::result::Result::Ok(permit) => permit,
            ::core::result::Result::Err(rejected) => {
                break '__resilience_breaker __resilience::refused_outermost(rejected);
            }
        };
        let (r, verdict) = {
            let r: Result<String, Error> = __resilience::call_once(|| -> Result<
                String,
                Error,
            > { fetch(id, name) });
            #[allow(unused_imports)]
            use __resilience::{ByNothing as _, BySource as _, ByTrait as _};
            let verdict = __resilience::verdict(
                &r,
                |e| __resilience::seen(
                    &__RESILIENCE_POINT,
                    1,
                    &[],
                    (&&__resilience::Probe(e)).classification(),
                ),
            );
            (r, verdict)
        };
        if let ::core::option::Option::Some(class) = &verdict {
            permit
                .settle(
                    ::core::option::Option::Some(class),
                    __resilience::Ruling::ByCategory,
                );
            break '__resilience_breaker (r, verdict);
        }
        permit.settle(::core::option::Option::None, __resilience::Ruling::ByCategory);
        (r, ::core::option::Option::None)
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
        (::core::file!(), ::core::line!(), ::core::column!()),
        &[&__RESILIENCE_BREAKER],
    );
    static __RESILIENCE_BREAKER: __resilience::Site<__resilience::CircuitBreaker> = {
        const fn fresh() -> __resilience::CircuitBreaker {
            __resilience::CircuitBreaker::recovery(
                    __resilience::CircuitBreaker::threshold(
                        __resilience::CircuitBreaker::of(&__RESILIENCE_POINT),
                        5,
                    ),
                    ::core::time::Duration::from_nanos(60000000000u64),
                )
                .checked()
        }
        __resilience::Site::new(fresh(), fresh)
    };
    let (r, _) = '__resilience_breaker: {
        let permit = match __RESILIENCE_BREAKER.admit() {
            ::core::result::Result::Ok(permit) => permit,
            ::core::result::Result::Err(rejected) => {
                break '__resilience_breaker __resilience::refused_outermost(rejected);
            }
        };
        let (r, verdict) = {
            let r: Result<String, Error> = async {
                if let ::core::option::Option::Some(r) = ::core::option::Option::None::<
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
            let verdict = __resilience::verdict(
                &r,
                |e| __resilience::seen(
                    &__RESILIENCE_POINT,
                    1,
                    &[],
                    (&&__resilience::Probe(e)).classification(),
                ),
            );
            (r, verdict)
        };
        if let ::core::option::Option::Some(class) = &verdict {
            permit
                .settle(
                    ::core::option::Option::Some(class),
                    __resilience::Ruling::ByCategory,
                );
            break '__resilience_breaker (r, verdict);
        }
        permit.settle(::core::option::Option::None, __resilience::Ruling::ByCategory);
        (r, ::core::option::Option::None)
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
            (::core::file!(), ::core::line!(), ::core::column!()),
            &[&__RESILIENCE_BREAKER],
        );
        static __RESILIENCE_BREAKER: __resilience::Site<__resilience::CircuitBreaker> = {
            const fn fresh() -> __resilience::CircuitBreaker {
                __resilience::CircuitBreaker::recovery(
                        __resilience::CircuitBreaker::threshold(
                            __resilience::CircuitBreaker::of(&__RESILIENCE_POINT),
                            5,
                        ),
                        ::core::time::Duration::from_nanos(60000000000u64),
                    )
                    .checked()
            }
            __resilience::Site::new(fresh(), fresh)
        };
        let (r, _) = '__resilience_breaker: {
            let permit = match __RESILIENCE_BREAKER.admit() {
                ::core::result::Result::Ok(permit) => permit,
                ::core::result::Result::Err(rejected) => {
                    break '__resilience_breaker __resilience::refused_outermost(rejected);
                }
            };
            let (r, verdict) = {
                let r: Result<String, Error> = async {
                    if let ::core::option::Option::Some(r) = ::core::option::Option::None::<
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
                let verdict = __resilience::verdict(
                    &r,
                    |e| __resilience::seen(
                        &__RESILIENCE_POINT,
                        1,
                        &[],
                        (&&__resilience::Probe(e)).classification(),
                    ),
                );
                (r, verdict)
            };
            if let ::core::option::Option::Some(class) = &verdict {
                permit
                    .settle(
                        ::core::option::Option::Some(class),
                        __resilience::Ruling::ByCategory,
                    );
                break '__resilience_breaker (r, verdict);
            }
            permit
                .settle(::core::option::Option::None, __resilience::Ruling::ByCategory);
            (r, ::core::option::Option::None)
        };
        r
    }
}
