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
        |__provided| {
            let _ = __provided;
            __resilience::Ok(())
        },
        |__args| {
            #[allow(unused_mut)]
            let mut __args = __args;
            let _ = __resilience::Args::take::<u32>(&mut __args, "id")?;
            let _ = __resilience::Args::take::<
                <str as ::std::borrow::ToOwned>::Owned,
            >(&mut __args, "name")?;
            let _ = __args;
            __resilience::Ok(())
        },
        |__provided, __args| {
            let _ = __provided;
            #[allow(unused_mut)]
            let mut __args = __args;
            let __resilience_0 = __resilience::Args::take::<u32>(&mut __args, "id")?;
            let __resilience_1 = __resilience::Args::take::<
                <str as ::std::borrow::ToOwned>::Owned,
            >(&mut __args, "name")?;
            let _ = __args;
            __resilience::Ok(
                __resilience::Call::of_closure(move || {
                    let _ = sync(__resilience_0, &__resilience_1);
                }),
            )
        },
    );
    let __outcome = '__resilience_job: {
        let __running = match (&__RESILIENCE_JOB)
            .begin_blocking(
                __resilience::Key::new().text("import:").value(&(id)).finish(),
                {
                    let __args = __resilience::Args::new();
                    let __args = __args.argument("id", &id);
                    let __args = __args.argument("name", &name);
                    __args
                },
                __resilience::None,
            )
        {
            __resilience::Ok(__running) => __running,
            __resilience::Err(__resilience::Ok(__kept)) => break '__resilience_job __kept,
            __resilience::Err(__resilience::Err(__rejected)) => {
                break '__resilience_job __resilience::refused(__rejected);
            }
        };
        let (__running, (__outcome, __verdict)) = __running
            .run(|| {
                let __outcome: Result<String, Error> = __resilience::call_once(|| -> Result<
                    String,
                    Error,
                > { fetch(id, name) });
                let __verdict = __resilience::Outcome::probe(&__outcome)
                    .probed_verdict(&__RESILIENCE_POINT, 1);
                (__outcome, __verdict)
            });
        match __running
            .end_blocking(__outcome, __verdict, |_| __resilience::Wanted::Fail)
        {
            __resilience::Ok((__outcome, __verdict)) => __outcome,
            __resilience::Err(__rejected) => __resilience::refused(__rejected),
        }
    };
    #[allow(unreachable_code, clippy::needless_return)] return __outcome;
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
        |__provided| {
            let _ = __provided;
            __provided.get::<Client>()?;
            __resilience::Ok(())
        },
        |__args| {
            #[allow(unused_mut)]
            let mut __args = __args;
            let _ = __resilience::Args::take::<u32>(&mut __args, "id")?;
            let _ = __args;
            __resilience::Ok(())
        },
        |__provided, __args| {
            let _ = __provided;
            #[allow(unused_mut)]
            let mut __args = __args;
            let __resilience_0 = __resilience::Args::take::<u32>(&mut __args, "id")?;
            let __resilience_1 = __provided
                .get::<Client>()
                .map_err(::std::string::ToString::to_string)?;
            let _ = __args;
            __resilience::Ok(
                __resilience::Call::of_future(async move {
                    let _ = asynchronous(__resilience_0, &*__resilience_1).await;
                }),
            )
        },
    );
    let __outcome = '__resilience_job: {
        let __running = match (&__RESILIENCE_JOB)
            .begin(
                __resilience::Key::new().text("import:").value(&(id)).finish(),
                {
                    let __args = __resilience::Args::new();
                    let __args = __args.argument("id", &id);
                    __args
                },
                __resilience::None,
            )
            .await
        {
            __resilience::Ok(__running) => __running,
            __resilience::Err(__resilience::Ok(__kept)) => break '__resilience_job __kept,
            __resilience::Err(__resilience::Err(__rejected)) => {
                break '__resilience_job __resilience::refused(__rejected);
            }
        };
        let __caught = __resilience::InScope::new(
                (&__running).scope(),
                __resilience::Caught::new(async {
                    let __outcome = async {
                        if let __resilience::Some(__outcome) = __resilience::None::<
                            Result<String, Error>,
                        > {
                            return __outcome;
                        }
                        client.fetch(id).await
                    }
                        .await;
                    let __verdict = __resilience::Outcome::probe(&__outcome)
                        .probed_verdict(&__RESILIENCE_POINT, 1);
                    (__outcome, __verdict)
                }),
            )
            .await;
        let (__running, (__outcome, __verdict)) = __running.ran(__caught).await;
        match __running.end(__outcome, __verdict, |_| __resilience::Wanted::Fail).await {
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
            &[&__RESILIENCE_JOB],
        );
        #[__resilience::linkme::distributed_slice(__resilience::JOBS_0_1)]
        #[linkme(crate = __resilience::linkme)]
        static __RESILIENCE_JOB: __resilience::JobSite = __resilience::JobSite::new(
            &__RESILIENCE_POINT,
            "import:{id}",
            __resilience::Job::new("import:{id}"),
            |__provided| {
                let _ = __provided;
                __provided.get::<Service>()?;
                __resilience::Ok(())
            },
            |__args| {
                #[allow(unused_mut)]
                let mut __args = __args;
                let _ = __resilience::Args::take::<u32>(&mut __args, "id")?;
                let _ = __args;
                __resilience::Ok(())
            },
            |__provided, __args| {
                let _ = __provided;
                #[allow(unused_mut)]
                let mut __args = __args;
                let __resilience_0 = __provided
                    .get::<Service>()
                    .map_err(::std::string::ToString::to_string)?;
                let __resilience_1 = __resilience::Args::take::<u32>(&mut __args, "id")?;
                let _ = __args;
                __resilience::Ok(
                    __resilience::Call::of_future(async move {
                        let _ = <Service>::method(&*__resilience_0, __resilience_1)
                            .await;
                    }),
                )
            },
        );
        let __outcome = '__resilience_job: {
            let __running = match (&__RESILIENCE_JOB)
                .begin(
                    __resilience::Key::new().text("import:").value(&(id)).finish(),
                    {
                        let __args = __resilience::Args::new();
                        let __args = __args.argument("id", &id);
                        __args
                    },
                    __resilience::None,
                )
                .await
            {
                __resilience::Ok(__running) => __running,
                __resilience::Err(__resilience::Ok(__kept)) => {
                    break '__resilience_job __kept;
                }
                __resilience::Err(__resilience::Err(__rejected)) => {
                    break '__resilience_job __resilience::refused(__rejected);
                }
            };
            let __caught = __resilience::InScope::new(
                    (&__running).scope(),
                    __resilience::Caught::new(async {
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
                    }),
                )
                .await;
            let (__running, (__outcome, __verdict)) = __running.ran(__caught).await;
            match __running
                .end(__outcome, __verdict, |_| __resilience::Wanted::Fail)
                .await
            {
                __resilience::Ok((__outcome, __verdict)) => __outcome,
                __resilience::Err(__rejected) => __resilience::refused(__rejected),
            }
        };
        #[allow(unreachable_code, clippy::needless_return)] return __outcome;
    }
}
