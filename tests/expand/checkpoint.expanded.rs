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
    let r = '__resilience_checkpoint: {
        let running = match __RESILIENCE_CHECKPOINT
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
            __resilience::Ok(running) => running,
            __resilience::Err(__resilience::Ok(kept)) => {
                break '__resilience_checkpoint kept;
            }
            __resilience::Err(__resilience::Err(rejected)) => {
                break '__resilience_checkpoint __resilience::refused(rejected);
            }
        };
        let entered = running.enter();
        let r: Result<String, Error> = __resilience::call_once(|| -> Result<
            String,
            Error,
        > { fetch(id, name) });
        let verdict = __resilience::Outcome::probe(&r)
            .probed_verdict(&__RESILIENCE_POINT, 1);
        ::core::mem::drop(entered);
        match running.end_blocking(r, verdict) {
            __resilience::Ok((r, verdict)) => r,
            __resilience::Err(rejected) => __resilience::refused(rejected),
        }
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
        |bytes| ::std::boxed::Box::pin(async move {
            #[allow(unused_imports)]
            use __resilience::Settled as _;
            let value = __resilience::recorded::<
                <Result<String, Error> as __resilience::Outcome>::Value,
            >(&bytes)?;
            __resilience::undone(
                __resilience::Undone::worked(
                    __resilience::Step(__resilience::call1(remove, value)).settle().await,
                ),
            )
        }),
    );
    let r = '__resilience_checkpoint: {
        let running = match __RESILIENCE_CHECKPOINT
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
            __resilience::Ok(running) => running,
            __resilience::Err(__resilience::Ok(kept)) => {
                break '__resilience_checkpoint kept;
            }
            __resilience::Err(__resilience::Err(rejected)) => {
                break '__resilience_checkpoint __resilience::refused(rejected);
            }
        };
        let (r, verdict) = __resilience::InScope::new(
                running.scope(),
                async {
                    let r = async {
                        if let __resilience::Some(r) = __resilience::None::<
                            Result<String, Error>,
                        > {
                            return r;
                        }
                        fetch(id, name).await
                    }
                        .await;
                    let verdict = __resilience::Outcome::probe(&r)
                        .probed_verdict(&__RESILIENCE_POINT, 1);
                    (r, verdict)
                },
            )
            .await;
        match running.end(r, verdict).await {
            __resilience::Ok((r, verdict)) => r,
            __resilience::Err(rejected) => __resilience::refused(rejected),
        }
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
            &[&__RESILIENCE_CHECKPOINT],
        );
        static __RESILIENCE_CHECKPOINT: __resilience::CheckpointSite = __resilience::CheckpointSite::new(
            &__RESILIENCE_POINT,
            __resilience::Some("page:{self.tenant}:{id}"),
            __resilience::Checkpoint::new(""),
        );
        let r = '__resilience_checkpoint: {
            let running = match __RESILIENCE_CHECKPOINT
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
                __resilience::Ok(running) => running,
                __resilience::Err(__resilience::Ok(kept)) => {
                    break '__resilience_checkpoint kept;
                }
                __resilience::Err(__resilience::Err(rejected)) => {
                    break '__resilience_checkpoint __resilience::refused(rejected);
                }
            };
            let (r, verdict) = __resilience::InScope::new(
                    running.scope(),
                    async {
                        let r = async {
                            if let __resilience::Some(r) = __resilience::None::<
                                Result<String, Error>,
                            > {
                                return r;
                            }
                            self.fetch(id).await
                        }
                            .await;
                        let verdict = __resilience::Outcome::probe(&r)
                            .probed_verdict(&__RESILIENCE_POINT, 1);
                        (r, verdict)
                    },
                )
                .await;
            match running.end(r, verdict).await {
                __resilience::Ok((r, verdict)) => r,
                __resilience::Err(rejected) => __resilience::refused(rejected),
            }
        };
        r
    }
}
