fn sync(id: u32, name: &str) -> Result<String, Error> {
    use ::resilience::__private as __resilience;
    #[__resilience::linkme::distributed_slice(__resilience::POINTS_0_1)]
    #[linkme(crate = __resilience::linkme)]
    static __RESILIENCE_POINT: __resilience::PointSite = __resilience::PointSite::new(
        ::core::module_path!(),
        "sync",
        &[&__RESILIENCE_CHECKPOINT],
    );
    static __RESILIENCE_CHECKPOINT: __resilience::CheckpointSite = __resilience::CheckpointSite::new(
        &__RESILIENCE_POINT,
        __resilience::Some("page:{id}:{name}"),
        __resilience::Checkpoint::new(""),
    );
    let __outcome = '__resilience_checkpoint: {
        let __running = match (&__RESILIENCE_CHECKPOINT)
            .begin_blocking(
                __resilience::Some(
                    __resilience::Key::new()
                        .text("page:")
                        .value(&(id))
                        .text(":")
                        .value(&(name))
                        .finish(),
                ),
                __resilience::None,
                __resilience::None,
            )
        {
            __resilience::Ok(__running) => __running,
            __resilience::Err(__resilience::Ok(__kept)) => {
                break '__resilience_checkpoint __kept;
            }
            __resilience::Err(__resilience::Err(__rejected)) => {
                break '__resilience_checkpoint __resilience::refused(__rejected);
            }
        };
        let __entered = (&__running).enter();
        let __outcome: Result<String, Error> = __resilience::call_once(|| -> Result<
            String,
            Error,
        > { fetch(id, name) });
        let __verdict = __resilience::Outcome::probe(&__outcome)
            .probed_verdict(&__RESILIENCE_POINT, 1);
        ::core::mem::drop(__entered);
        match __running.end_blocking(__outcome, __verdict) {
            __resilience::Ok((__outcome, __verdict)) => __outcome,
            __resilience::Err(__rejected) => __resilience::refused(__rejected),
        }
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
        &[&__RESILIENCE_CHECKPOINT],
    );
    static __RESILIENCE_CHECKPOINT: __resilience::CheckpointSite = __resilience::CheckpointSite::new(
            &__RESILIENCE_POINT,
            __resilience::Some("page:{id}:{name}"),
            __resilience::Checkpoint::ttl(
                __resilience::Checkpoint::new(""),
                ::core::time::Duration::from_nanos(604800000000000u64),
            ),
        )
        .undone();
    #[__resilience::linkme::distributed_slice(__resilience::UNDOS_0_1)]
    #[linkme(crate = __resilience::linkme)]
    static __RESILIENCE_UNDO: __resilience::UndoSite = __resilience::UndoSite::new(
        &__RESILIENCE_POINT,
        &[],
        |__bytes| ::std::boxed::Box::pin(async move {
            #[allow(unused_imports)]
            use __resilience::Settled as _;
            let __value = __resilience::recorded::<
                <Result<String, Error> as __resilience::Outcome>::Value,
            >(&__bytes)?;
            __resilience::undone(
                __resilience::Undone::worked(
                    __resilience::Step(__resilience::call1(remove, __value))
                        .__settle()
                        .await,
                ),
            )
        }),
    );
    let __outcome = '__resilience_checkpoint: {
        let __running = match (&__RESILIENCE_CHECKPOINT)
            .begin(
                __resilience::Some(
                    __resilience::Key::new()
                        .text("page:")
                        .value(&(id))
                        .text(":")
                        .value(&(name))
                        .finish(),
                ),
                __resilience::None,
                __resilience::None,
            )
            .await
        {
            __resilience::Ok(__running) => __running,
            __resilience::Err(__resilience::Ok(__kept)) => {
                break '__resilience_checkpoint __kept;
            }
            __resilience::Err(__resilience::Err(__rejected)) => {
                break '__resilience_checkpoint __resilience::refused(__rejected);
            }
        };
        let (__outcome, __verdict) = __resilience::InScope::new(
                (&__running).scope(),
                async {
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
                    (__outcome, __verdict)
                },
            )
            .await;
        match __running.end(__outcome, __verdict).await {
            __resilience::Ok((__outcome, __verdict)) => __outcome,
            __resilience::Err(__rejected) => __resilience::refused(__rejected),
        }
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
            &[&__RESILIENCE_CHECKPOINT],
        );
        static __RESILIENCE_CHECKPOINT: __resilience::CheckpointSite = __resilience::CheckpointSite::new(
            &__RESILIENCE_POINT,
            __resilience::Some("page:{self.tenant}:{id}"),
            __resilience::Checkpoint::new(""),
        );
        let __outcome = '__resilience_checkpoint: {
            let __running = match (&__RESILIENCE_CHECKPOINT)
                .begin(
                    __resilience::Some(
                        __resilience::Key::new()
                            .text("page:")
                            .value(&(self.tenant))
                            .text(":")
                            .value(&(id))
                            .finish(),
                    ),
                    __resilience::None,
                    __resilience::None,
                )
                .await
            {
                __resilience::Ok(__running) => __running,
                __resilience::Err(__resilience::Ok(__kept)) => {
                    break '__resilience_checkpoint __kept;
                }
                __resilience::Err(__resilience::Err(__rejected)) => {
                    break '__resilience_checkpoint __resilience::refused(__rejected);
                }
            };
            let (__outcome, __verdict) = __resilience::InScope::new(
                    (&__running).scope(),
                    async {
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
                        (__outcome, __verdict)
                    },
                )
                .await;
            match __running.end(__outcome, __verdict).await {
                __resilience::Ok((__outcome, __verdict)) => __outcome,
                __resilience::Err(__rejected) => __resilience::refused(__rejected),
            }
        };
        #[allow(unreachable_code, clippy::needless_return)] return __outcome;
    }
}
