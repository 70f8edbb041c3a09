fn sync(id: u32, name: &str) -> Result<String, Error> {
    use ::resilience::__private as __resilience;
    #[__resilience::linkme::distributed_slice(__resilience::POINTS_0_1)]
    #[linkme(crate = __resilience::linkme)]
    static __RESILIENCE_POINT: __resilience::PointSite = __resilience::PointSite::new(
        ::core::module_path!(),
        "sync",
        &[&__RESILIENCE_JOB],
    );
    #[__resilience::linkme::distributed_slice(__resilience::JOBS_0_1)]
    #[linkme(crate = __resilience::linkme)]
    static __RESILIENCE_JOB: __resilience::JobSite = __resilience::JobSite::new(
        &__RESILIENCE_POINT,
        "import:{id}",
        __resilience::Job::new("import:{id}"),
        |provided| {
            let _ = provided;
            __resilience::Ok(())
        },
        |provided, args| {
            let _ = provided;
            #[allow(unused_mut)]
            let mut args = args;
            let __resilience_0 = args.take::<u32>("id")?;
            let __resilience_1 = args
                .take::<<str as ::std::borrow::ToOwned>::Owned>("name")?;
            let _ = args;
            __resilience::Ok(
                __resilience::Call::of_closure(move || {
                    let _ = sync(__resilience_0, &__resilience_1);
                }),
            )
        },
    );
    let r = '__resilience_job: {
        let running = match __RESILIENCE_JOB
            .begin_blocking(
                __resilience::Key::new().text("import:").value(&(id)).finish(),
                __resilience::Args::new().argument("id", &id).argument("name", &name),
                __resilience::None,
            )
        {
            __resilience::Ok(running) => running,
            __resilience::Err(__resilience::Ok(kept)) => break '__resilience_job kept,
            __resilience::Err(__resilience::Err(rejected)) => {
                break '__resilience_job __resilience::refused(rejected);
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
        match running.end_blocking(r, verdict, |_| __resilience::Wanted::Fail) {
            __resilience::Ok((r, verdict)) => r,
            __resilience::Err(rejected) => __resilience::refused(rejected),
        }
    };
    r
}
async fn asynchronous(id: u32, client: &Client) -> Result<String, Error> {
    use ::resilience::__private as __resilience;
    #[__resilience::linkme::distributed_slice(__resilience::POINTS_0_1)]
    #[linkme(crate = __resilience::linkme)]
    static __RESILIENCE_POINT: __resilience::PointSite = __resilience::PointSite::new(
        ::core::module_path!(),
        "asynchronous",
        &[&__RESILIENCE_JOB],
    );
    #[__resilience::linkme::distributed_slice(__resilience::JOBS_0_1)]
    #[linkme(crate = __resilience::linkme)]
    static __RESILIENCE_JOB: __resilience::JobSite = __resilience::JobSite::new(
        &__RESILIENCE_POINT,
        "import:{id}",
        __resilience::Job::new("import:{id}"),
        |provided| {
            let _ = provided;
            provided.get::<Client>()?;
            __resilience::Ok(())
        },
        |provided, args| {
            let _ = provided;
            #[allow(unused_mut)]
            let mut args = args;
            let __resilience_0 = args.take::<u32>("id")?;
            let __resilience_1 = provided
                .get::<Client>()
                .map_err(::std::string::ToString::to_string)?;
            let _ = args;
            __resilience::Ok(
                __resilience::Call::of_future(async move {
                    let _ = asynchronous(__resilience_0, &*__resilience_1).await;
                }),
            )
        },
    );
    let r = '__resilience_job: {
        let running = match __RESILIENCE_JOB
            .begin(
                __resilience::Key::new().text("import:").value(&(id)).finish(),
                __resilience::Args::new().argument("id", &id),
                __resilience::None,
            )
            .await
        {
            __resilience::Ok(running) => running,
            __resilience::Err(__resilience::Ok(kept)) => break '__resilience_job kept,
            __resilience::Err(__resilience::Err(rejected)) => {
                break '__resilience_job __resilience::refused(rejected);
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
                        client.fetch(id).await
                    }
                        .await;
                    let verdict = __resilience::Outcome::probe(&r)
                        .probed_verdict(&__RESILIENCE_POINT, 1);
                    (r, verdict)
                },
            )
            .await;
        match running.end(r, verdict, |_| __resilience::Wanted::Fail).await {
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
            &[&__RESILIENCE_JOB],
        );
        #[__resilience::linkme::distributed_slice(__resilience::JOBS_0_1)]
        #[linkme(crate = __resilience::linkme)]
        static __RESILIENCE_JOB: __resilience::JobSite = __resilience::JobSite::new(
            &__RESILIENCE_POINT,
            "import:{id}",
            __resilience::Job::new("import:{id}"),
            |provided| {
                let _ = provided;
                provided.get::<Service>()?;
                __resilience::Ok(())
            },
            |provided, args| {
                let _ = provided;
                #[allow(unused_mut)]
                let mut args = args;
                let __resilience_0 = provided
                    .get::<Service>()
                    .map_err(::std::string::ToString::to_string)?;
                let __resilience_1 = args.take::<u32>("id")?;
                let _ = args;
                __resilience::Ok(
                    __resilience::Call::of_future(async move {
                        let _ = <Service>::method(&*__resilience_0, __resilience_1)
                            .await;
                    }),
                )
            },
        );
        let r = '__resilience_job: {
            let running = match __RESILIENCE_JOB
                .begin(
                    __resilience::Key::new().text("import:").value(&(id)).finish(),
                    __resilience::Args::new().argument("id", &id),
                    __resilience::None,
                )
                .await
            {
                __resilience::Ok(running) => running,
                __resilience::Err(__resilience::Ok(kept)) => break '__resilience_job kept,
                __resilience::Err(__resilience::Err(rejected)) => {
                    break '__resilience_job __resilience::refused(rejected);
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
            match running.end(r, verdict, |_| __resilience::Wanted::Fail).await {
                __resilience::Ok((r, verdict)) => r,
                __resilience::Err(rejected) => __resilience::refused(rejected),
            }
        };
        r
    }
}
