fn sync(id: u32, name: &str) -> Result<String, Error> {
    use ::resilience::__private as __rt;
    #[__rt::linkme::distributed_slice(__rt::POINTS_0_1)]
    #[linkme(crate = __rt::linkme)]
    static __POINT: __rt::PointSite = __rt::PointSite::new(
        ::core::module_path!(),
        "sync",
        &[&__CACHE],
    );
    static __CACHE: __rt::Cache = __rt::Cache::ttl(
            __rt::Cache::of(&__POINT),
            ::core::time::Duration::from_secs(60),
        )
        .checked();
    let __outcome = '__cache: {
        let __pending = match {
            #[allow(unused_imports)]
            use __rt::PartFallback as _;
            let __part_0 = &(id);
            let __part_1 = &(name);
            let __begun = (&__CACHE)
                .enter(
                    __rt::GenericArgs::NONE,
                    (
                        __rt::key_part(__rt::Part(__part_0).__part()),
                        __rt::key_part(__rt::Part(__part_1).__part()),
                    ),
                );
            __begun
        } {
            __rt::Ok(__pending) => __pending,
            __rt::Err((__kept, __verdict)) => break '__cache __kept,
        };
        let __lead = match __pending.lead_blocking() {
            __rt::Ok(__lead) => __lead,
            __rt::Err((__kept, __verdict)) => break '__cache __kept,
        };
        let __inside = (&__lead).enter();
        let __outcome = __rt::call_once(|| -> Result<String, Error> { fetch(id, name) });
        let __verdict = __rt::Outcome::probe(&__outcome).probed_verdict(&__POINT, 1);
        ::core::mem::drop(__inside);
        let __sharing = __rt::Sharing::of(&__outcome).__sharing();
        match __lead.end(__outcome, __verdict, __sharing) {
            (__outcome, __verdict) => __outcome,
        }
    };
    #[allow(unreachable_code, clippy::needless_return)] return __outcome;
}
async fn asynchronous(id: u32) -> Result<String, Error> {
    use ::resilience::__private as __rt;
    #[__rt::linkme::distributed_slice(__rt::POINTS_0_1)]
    #[linkme(crate = __rt::linkme)]
    static __POINT: __rt::PointSite = __rt::PointSite::new(
        ::core::module_path!(),
        "asynchronous",
        &[&__CACHE, &__RETRY],
    );
    static __CACHE: __rt::Cache = __rt::Cache::stale_if_error(
            __rt::Cache::ttl(
                __rt::Cache::of(&__POINT),
                ::core::time::Duration::from_secs(60),
            ),
            ::core::time::Duration::from_secs(3600),
        )
        .checked();
    static __RETRY: __rt::RetrySite = __rt::RetrySite::new(
        &__POINT,
        __rt::Retry::max(__rt::Retry::new(), 3),
    );
    let __outcome = '__cache: {
        let __pending = match {
            #[allow(unused_imports)]
            use __rt::PartFallback as _;
            let __part_0 = &(id);
            let __begun = (&__CACHE)
                .enter(
                    __rt::GenericArgs::NONE,
                    __rt::key_part(__rt::Part(__part_0).__part()),
                );
            __begun
        } {
            __rt::Ok(__pending) => __pending,
            __rt::Err((__kept, __verdict)) => break '__cache __kept,
        };
        let __lead = match __pending.lead().await {
            __rt::Ok(__lead) => __lead,
            __rt::Err((__kept, __verdict)) => break '__cache __kept,
        };
        let (__outcome, __verdict) = (&__lead)
            .leading(async {
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
                                    fetch(id).await
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
                (__outcome, __verdict)
            })
            .await;
        let __sharing = __rt::Sharing::of(&__outcome).__sharing();
        match __lead.end(__outcome, __verdict, __sharing) {
            (__outcome, __verdict) => __outcome,
        }
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
            &[&__CACHE],
        );
        static __CACHE: __rt::Instance<__rt::CacheConfig> = __rt::Instance::of(&__POINT);
        let __outcome = '__cache: {
            let __pending = match {
                #[allow(unused_imports)]
                use __rt::PartFallback as _;
                let __held = &(self.cache);
                let __instance: &__rt::Cache = __held;
                let __part_0 = &(self.host);
                let __part_1 = &(id);
                let __begun = (&__CACHE)
                    .enter_in(
                        __instance,
                        __rt::GenericArgs::of::<(::core::marker::PhantomData<Self>,)>(),
                        (
                            __rt::key_part(__rt::Part(__part_0).__part()),
                            __rt::key_part(__rt::Part(__part_1).__part()),
                        ),
                    );
                __begun
            } {
                __rt::Ok(__pending) => __pending,
                __rt::Err((__kept, __verdict)) => break '__cache __kept,
            };
            let __lead = match __pending.lead().await {
                __rt::Ok(__lead) => __lead,
                __rt::Err((__kept, __verdict)) => break '__cache __kept,
            };
            let (__outcome, __verdict) = (&__lead)
                .leading(async {
                    let __outcome = async {
                        if let __rt::Some(__outcome) = __rt::None::<
                            Result<String, Error>,
                        > {
                            return __outcome;
                        }
                        self.fetch(id).await
                    }
                        .await;
                    let __verdict = __rt::Outcome::probe(&__outcome)
                        .probed_verdict(&__POINT, 1);
                    (__outcome, __verdict)
                })
                .await;
            let __sharing = __rt::Sharing::of(&__outcome).__sharing();
            match __lead.end_weighed(__outcome, __verdict, __sharing, String::len) {
                (__outcome, __verdict) => __outcome,
            }
        };
        #[allow(unreachable_code, clippy::needless_return)] return __outcome;
    }
}
