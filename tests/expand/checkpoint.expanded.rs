fn sync(id: u32, name: &str) -> Result<String, Error> {
    use ::resilience::__private as __rt;
    #[__rt::linkme::distributed_slice(__rt::POINTS_0_1)]
    #[linkme(crate = __rt::linkme)]
    static __POINT: __rt::PointSite = __rt::PointSite::new(
        ::core::module_path!(),
        "sync",
        &[&__CHECKPOINT],
    );
    static __CHECKPOINT: __rt::CheckpointSite = __rt::CheckpointSite::new(
        &__POINT,
        __rt::Some("page:{id}:{name}"),
        __rt::Checkpoint::new(""),
    );
    let __outcome = '__checkpoint: {
        let __running = match (&__CHECKPOINT)
            .begin_blocking(
                __rt::Some(
                    __rt::Key::new()
                        .text("page:")
                        .value(&(id))
                        .text(":")
                        .value(&(name))
                        .finish(),
                ),
                __rt::None,
                __rt::None,
            )
        {
            __rt::Ok(__running) => __running,
            __rt::Err(__rt::Ok(__kept)) => break '__checkpoint __kept,
            __rt::Err(__rt::Err(__rejected)) => {
                break '__checkpoint __rt::refused(__rejected);
            }
        };
        let __entered = (&__running).enter();
        let __outcome = __rt::call_once(|| -> Result<String, Error> { fetch(id, name) });
        let __verdict = __rt::Outcome::probe(&__outcome).probed_verdict(&__POINT, 1);
        ::core::mem::drop(__entered);
        match __running.end_blocking(__outcome, __verdict) {
            __rt::Ok((__outcome, __verdict)) => __outcome,
            __rt::Err(__rejected) => __rt::refused(__rejected),
        }
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
        &[&__CHECKPOINT],
    );
    static __CHECKPOINT: __rt::CheckpointSite = __rt::CheckpointSite::new(
            &__POINT,
            __rt::Some("page:{id}:{name}"),
            __rt::Checkpoint::ttl(
                __rt::Checkpoint::new(""),
                ::core::time::Duration::from_secs(604800),
            ),
        )
        .undone(|__bytes| ::std::boxed::Box::pin(async move {
            #[allow(unused_imports)]
            use __rt::Settled as _;
            let __value = __rt::recorded::<
                <Result<String, Error> as __rt::Outcome>::Value,
            >(&__bytes)?;
            match __rt::Undone::error(
                __rt::Step(__rt::call1(remove, __value)).__settle().await,
            ) {
                __rt::None => __rt::Ok(()),
                __rt::Some(__error) => {
                    let __probe = __rt::Probe::new(&__error);
                    __rt::Err(
                        __rt::undo_failed(__probe.probed_class(), __probe.probed_text()),
                    )
                }
            }
        }));
    let __outcome = '__checkpoint: {
        let __running = match (&__CHECKPOINT)
            .begin(
                __rt::Some(
                    __rt::Key::new()
                        .text("page:")
                        .value(&(id))
                        .text(":")
                        .value(&(name))
                        .finish(),
                ),
                __rt::None,
                __rt::None,
            )
            .await
        {
            __rt::Ok(__running) => __running,
            __rt::Err(__rt::Ok(__kept)) => break '__checkpoint __kept,
            __rt::Err(__rt::Err(__rejected)) => {
                break '__checkpoint __rt::refused(__rejected);
            }
        };
        let (__outcome, __verdict) = __rt::InScope::new(
                (&__running).scope(),
                async {
                    let __outcome = async {
                        if let __rt::Some(__outcome) = __rt::None::<
                            Result<String, Error>,
                        > {
                            return __outcome;
                        }
                        fetch(id, name).await
                    }
                        .await;
                    let __verdict = __rt::Outcome::probe(&__outcome)
                        .probed_verdict(&__POINT, 1);
                    (__outcome, __verdict)
                },
            )
            .await;
        match __running.end(__outcome, __verdict).await {
            __rt::Ok((__outcome, __verdict)) => __outcome,
            __rt::Err(__rejected) => __rt::refused(__rejected),
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
            &[&__CHECKPOINT],
        );
        static __CHECKPOINT: __rt::CheckpointSite = __rt::CheckpointSite::new(
            &__POINT,
            __rt::Some("page:{self.tenant}:{id}"),
            __rt::Checkpoint::new(""),
        );
        let __outcome = '__checkpoint: {
            let __running = match (&__CHECKPOINT)
                .begin(
                    __rt::Some(
                        __rt::Key::new()
                            .text("page:")
                            .value(&(self.tenant))
                            .text(":")
                            .value(&(id))
                            .finish(),
                    ),
                    __rt::None,
                    __rt::None,
                )
                .await
            {
                __rt::Ok(__running) => __running,
                __rt::Err(__rt::Ok(__kept)) => break '__checkpoint __kept,
                __rt::Err(__rt::Err(__rejected)) => {
                    break '__checkpoint __rt::refused(__rejected);
                }
            };
            let (__outcome, __verdict) = __rt::InScope::new(
                    (&__running).scope(),
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
                        (__outcome, __verdict)
                    },
                )
                .await;
            match __running.end(__outcome, __verdict).await {
                __rt::Ok((__outcome, __verdict)) => __outcome,
                __rt::Err(__rejected) => __rt::refused(__rejected),
            }
        };
        #[allow(unreachable_code, clippy::needless_return)] return __outcome;
    }
}
