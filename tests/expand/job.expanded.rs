fn sync(id: u32, name: &str) -> Result<String, Error> {
    use ::resilience::__private as __rt;
    #[__rt::linkme::distributed_slice(__rt::POINTS_0_1)]
    #[linkme(crate = __rt::linkme)]
    static __POINT: __rt::PointSite = __rt::PointSite::new(
        ::core::module_path!(),
        "sync",
        &[&__JOB],
    );
    #[__rt::linkme::distributed_slice(__rt::JOBS_0_1)]
    #[linkme(crate = __rt::linkme)]
    static __JOB: __rt::JobSite = __rt::JobSite::new(
        &__POINT,
        "import:{id}",
        __rt::Job::new("import:{id}"),
        |__provided| { __rt::Ok(()) },
        |__args| {
            let _ = __rt::Args::take::<u32>(__args, "id")?;
            let _ = __rt::Args::take::<
                <str as ::std::borrow::ToOwned>::Owned,
            >(__args, "name")?;
            __rt::Ok(())
        },
        |__provided, __args| {
            let __argument_0 = __rt::Args::take::<u32>(__args, "id")?;
            let __argument_1 = __rt::Args::take::<
                <str as ::std::borrow::ToOwned>::Owned,
            >(__args, "name")?;
            __rt::Ok(
                __rt::Call::of_closure(move || {
                    let _ = sync(__argument_0, &__argument_1);
                }),
            )
        },
    );
    let __outcome = '__job: {
        let __running = match (&__JOB)
            .begin_blocking(
                __rt::Key::new().text("import:").value(&(id)).finish(),
                __rt::Args::new().argument("id", &id).argument("name", &name),
                __rt::None,
            )
        {
            __rt::Ok(__running) => __running,
            __rt::Err(__rt::Ok(__kept)) => break '__job __kept,
            __rt::Err(__rt::Err(__rejected)) => break '__job __rt::refused(__rejected),
        };
        let (__running, (__outcome, __verdict)) = __running
            .run(|| {
                let __outcome = __rt::call_once(|| -> Result<String, Error> {
                    fetch(id, name)
                });
                let __verdict = __rt::Outcome::probe(&__outcome)
                    .probed_verdict(&__POINT, 1);
                (__outcome, __verdict)
            });
        let __running = __running
            .saying(|| __rt::Outcome::probe(&__outcome).probed_text());
        match __running.end_blocking(__outcome, __verdict, |_| __rt::OnFailure::Fail) {
            __rt::Ok((__outcome, __verdict)) => __outcome,
            __rt::Err(__rejected) => __rt::refused(__rejected),
        }
    };
    #[allow(unreachable_code, clippy::needless_return)] return __outcome;
}
async fn asynchronous(id: u32, client: &Client) -> Result<String, Error> {
    use ::resilience::__private as __rt;
    #[__rt::linkme::distributed_slice(__rt::POINTS_0_1)]
    #[linkme(crate = __rt::linkme)]
    static __POINT: __rt::PointSite = __rt::PointSite::new(
        ::core::module_path!(),
        "asynchronous",
        &[&__JOB],
    );
    #[__rt::linkme::distributed_slice(__rt::JOBS_0_1)]
    #[linkme(crate = __rt::linkme)]
    static __JOB: __rt::JobSite = __rt::JobSite::new(
        &__POINT,
        "import:{id}",
        __rt::Job::new("import:{id}"),
        |__provided| {
            __provided.get::<Client>()?;
            __rt::Ok(())
        },
        |__args| {
            let _ = __rt::Args::take::<u32>(__args, "id")?;
            __rt::Ok(())
        },
        |__provided, __args| {
            let __argument_0 = __rt::Args::take::<u32>(__args, "id")?;
            let __argument_1 = __provided
                .get::<Client>()
                .map_err(::std::string::ToString::to_string)?;
            __rt::Ok(
                __rt::Call::of_future(async move {
                    let _ = asynchronous(__argument_0, &*__argument_1).await;
                }),
            )
        },
    );
    let __outcome = '__job: {
        let __running = match (&__JOB)
            .begin(
                __rt::Key::new().text("import:").value(&(id)).finish(),
                __rt::Args::new().argument("id", &id),
                __rt::None,
            )
            .await
        {
            __rt::Ok(__running) => __running,
            __rt::Err(__rt::Ok(__kept)) => break '__job __kept,
            __rt::Err(__rt::Err(__rejected)) => break '__job __rt::refused(__rejected),
        };
        let __caught = __rt::InScope::new(
                (&__running).scope(),
                __rt::CatchPanic::new(async {
                    let __outcome = async {
                        if let __rt::Some(__outcome) = __rt::None::<
                            Result<String, Error>,
                        > {
                            return __outcome;
                        }
                        client.fetch(id).await
                    }
                        .await;
                    let __verdict = __rt::Outcome::probe(&__outcome)
                        .probed_verdict(&__POINT, 1);
                    (__outcome, __verdict)
                }),
            )
            .await;
        let (__running, (__outcome, __verdict)) = __running.ran(__caught).await;
        let __running = __running
            .saying(|| __rt::Outcome::probe(&__outcome).probed_text());
        match __running.end(__outcome, __verdict, |_| __rt::OnFailure::Fail).await {
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
            &[&__JOB],
        );
        #[__rt::linkme::distributed_slice(__rt::JOBS_0_1)]
        #[linkme(crate = __rt::linkme)]
        static __JOB: __rt::JobSite = __rt::JobSite::new(
            &__POINT,
            "import:{id}",
            __rt::Job::new("import:{id}"),
            |__provided| {
                __provided.get::<Service>()?;
                __rt::Ok(())
            },
            |__args| {
                let _ = __rt::Args::take::<u32>(__args, "id")?;
                __rt::Ok(())
            },
            |__provided, __args| {
                let __argument_0 = __provided
                    .get::<Service>()
                    .map_err(::std::string::ToString::to_string)?;
                let __argument_1 = __rt::Args::take::<u32>(__args, "id")?;
                __rt::Ok(
                    __rt::Call::of_future(async move {
                        let _ = <Service>::method(&*__argument_0, __argument_1).await;
                    }),
                )
            },
        );
        let __outcome = '__job: {
            let __running = match (&__JOB)
                .begin(
                    __rt::Key::new().text("import:").value(&(id)).finish(),
                    __rt::Args::new().argument("id", &id),
                    __rt::None,
                )
                .await
            {
                __rt::Ok(__running) => __running,
                __rt::Err(__rt::Ok(__kept)) => break '__job __kept,
                __rt::Err(__rt::Err(__rejected)) => {
                    break '__job __rt::refused(__rejected);
                }
            };
            let __caught = __rt::InScope::new(
                    (&__running).scope(),
                    __rt::CatchPanic::new(async {
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
                    }),
                )
                .await;
            let (__running, (__outcome, __verdict)) = __running.ran(__caught).await;
            let __running = __running
                .saying(|| __rt::Outcome::probe(&__outcome).probed_text());
            match __running.end(__outcome, __verdict, |_| __rt::OnFailure::Fail).await {
                __rt::Ok((__outcome, __verdict)) => __outcome,
                __rt::Err(__rejected) => __rt::refused(__rejected),
            }
        };
        #[allow(unreachable_code, clippy::needless_return)] return __outcome;
    }
}
