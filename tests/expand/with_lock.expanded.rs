fn sync(id: u32, name: &str) -> Result<String, Error> {
    use ::resilience::__private as __rt;
    #[__rt::linkme::distributed_slice(__rt::POINTS_0_1)]
    #[linkme(crate = __rt::linkme)]
    static __POINT: __rt::PointSite = __rt::PointSite::new(
        ::core::module_path!(),
        "sync",
        &[&__WITH_LOCK],
    );
    static __WITH_LOCK: __rt::with_lock::LockSite = __rt::with_lock::LockSite::new(
            &__POINT,
            "task:{id}",
        )
        .checked();
    let __outcome = '__with_lock: {
        let __held__with_lock = match (&__WITH_LOCK)
            .acquire(__rt::Key::new().text("task:").value(&(id)).finish(), 1)
        {
            __rt::Ok(__lock) => __lock,
            __rt::Err(__rejected) => break '__with_lock __rt::refused(__rejected),
        };
        let __holding = __rt::with_lock::hold(&__held__with_lock);
        let __outcome = __rt::call_once(|| -> Result<String, Error> { fetch(id, name) });
        let __verdict = __rt::Outcome::probe(&__outcome).probed_verdict(&__POINT, 1);
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
        &[&__RETRY, &__WITH_LOCK],
    );
    static __RETRY: __rt::RetrySite = __rt::RetrySite::new(&__POINT, __rt::Retry::new());
    static __WITH_LOCK: __rt::with_lock::LockSite = __rt::with_lock::LockSite::wait(
            __rt::with_lock::LockSite::new(&__POINT, "task:{id}:{name}"),
            ::core::time::Duration::from_secs(5),
        )
        .shared()
        .checked();
    let mut __retry = (&__RETRY).in_code().start();
    let __outcome = loop {
        let __retrying = {
            let (__outcome, __verdict) = '__with_lock: {
                let __held__with_lock = match (&__WITH_LOCK)
                    .acquire_async(
                        __rt::Key::new()
                            .text("task:")
                            .value(&(id))
                            .text(":")
                            .value(&(name))
                            .finish(),
                        (&__retry).attempt(),
                    )
                    .await
                {
                    __rt::Ok(__lock) => __lock,
                    __rt::Err(__rejected) => {
                        break '__with_lock __rt::refused_with_class(__rejected);
                    }
                };
                let (__outcome, __verdict) = __rt::with_lock::holding(
                        &__held__with_lock,
                        async {
                            let __outcome = __rt::Repeated::new(
                                    &__POINT,
                                    (&__retry).attempt(),
                                    async {
                                        if let __rt::Some(__outcome) = __rt::None::<
                                            Result<String, Error>,
                                        > {
                                            return __outcome;
                                        }
                                        fetch(id, name).await
                                    },
                                )
                                .await;
                            let __verdict = __rt::Outcome::probe(&__outcome)
                                .probed_verdict(&__POINT, (&__retry).attempt());
                            (__outcome, __verdict)
                        },
                    )
                    .await;
                (__outcome, __verdict)
            };
            match (&__RETRY).settle(__retry, __verdict) {
                __rt::Ok(_) => break __outcome,
                __rt::Err(__retrying) => __retrying,
            }
        };
        __retry = (&__RETRY).in_code().pause(__retrying).await;
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
            &[&__WITH_LOCK],
        );
        static __WITH_LOCK: __rt::with_lock::LockSite = __rt::with_lock::LockSite::new(
                &__POINT,
                "..",
            )
            .common()
            .checked();
        let __outcome = '__with_lock: {
            let __held__with_lock = match (&__WITH_LOCK)
                .acquire_async(__rt::Key::new().value(&(self.name)).finish(), 1)
                .await
            {
                __rt::Ok(__lock) => __lock,
                __rt::Err(__rejected) => break '__with_lock __rt::refused(__rejected),
            };
            let __outcome = __rt::with_lock::holding(
                    &__held__with_lock,
                    async {
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
                        __outcome
                    },
                )
                .await;
            __outcome
        };
        #[allow(unreachable_code, clippy::needless_return)] return __outcome;
    }
}
fn leased(id: u32) -> Result<String, Error> {
    use ::resilience::__private as __rt;
    #[__rt::linkme::distributed_slice(__rt::POINTS_0_1)]
    #[linkme(crate = __rt::linkme)]
    static __POINT: __rt::PointSite = __rt::PointSite::new(
        ::core::module_path!(),
        "leased",
        &[&__WITH_LOCK],
    );
    static __WITH_LOCK: __rt::with_lock::LockSite = __rt::with_lock::LockSite::new(
            &__POINT,
            "task:{id}",
        )
        .leased()
        .checked();
    let __outcome = '__with_lock: {
        let __held__with_lock = match (&__WITH_LOCK)
            .acquire_lease(
                __rt::Key::new().text("task:").value(&(id)).finish(),
                1,
                __rt::IntoStore::into_store(STORE),
            )
        {
            __rt::Ok(__lock) => __lock,
            __rt::Err(__rejected) => break '__with_lock __rt::refused(__rejected),
        };
        let __holding = __rt::with_lock::hold(&__held__with_lock);
        let __outcome = __rt::call_once(|| -> Result<String, Error> { fetch(id) });
        let __verdict = __rt::Outcome::probe(&__outcome).probed_verdict(&__POINT, 1);
        ::core::mem::drop(__holding);
        __held__with_lock.end_blocking();
        __outcome
    };
    #[allow(unreachable_code, clippy::needless_return)] return __outcome;
}
async fn leased_later(id: u32) -> Result<String, Error> {
    use ::resilience::__private as __rt;
    #[__rt::linkme::distributed_slice(__rt::POINTS_0_1)]
    #[linkme(crate = __rt::linkme)]
    static __POINT: __rt::PointSite = __rt::PointSite::new(
        ::core::module_path!(),
        "leased_later",
        &[&__WITH_LOCK],
    );
    static __WITH_LOCK: __rt::with_lock::LockSite = __rt::with_lock::LockSite::lease(
            __rt::with_lock::LockSite::new(&__POINT, "task:{id}"),
            ::core::time::Duration::from_secs(10),
        )
        .leased()
        .checked();
    let __outcome = '__with_lock: {
        let __held__with_lock = match (&__WITH_LOCK)
            .acquire_lease_async(
                __rt::Key::new().text("task:").value(&(id)).finish(),
                1,
                __rt::IntoStore::into_store(&*STORE),
            )
            .await
        {
            __rt::Ok(__lock) => __lock,
            __rt::Err(__rejected) => break '__with_lock __rt::refused(__rejected),
        };
        let __outcome = __rt::with_lock::holding(
                &__held__with_lock,
                async {
                    let __outcome = async {
                        if let __rt::Some(__outcome) = __rt::None::<
                            Result<String, Error>,
                        > {
                            return __outcome;
                        }
                        fetch(id).await
                    }
                        .await;
                    let __verdict = __rt::Outcome::probe(&__outcome)
                        .probed_verdict(&__POINT, 1);
                    __outcome
                },
            )
            .await;
        __held__with_lock.end().await;
        __outcome
    };
    #[allow(unreachable_code, clippy::needless_return)] return __outcome;
}
