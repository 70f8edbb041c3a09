fn database() -> Result<(), io::Error> {
    connect()
}
const _: () = {
    use ::resilience::__private as __rt;
    #[__rt::linkme::distributed_slice(__rt::HEALTH_CHECKS_0_1)]
    #[linkme(crate = __rt::linkme)]
    static __CHECK: __rt::CheckSite = __rt::CheckSite::new(
            "database",
            || ::std::vec::Vec::from([
                __rt::Listed::blocking(
                    "database",
                    || {
                        let __outcome = database();
                        let __category = __rt::CheckOutcome::error(&__outcome)
                            .map(|__error| {
                                __rt::Probe::new(__error).probed_class().category
                            });
                        __rt::check_answer(__outcome, __category)
                    },
                ),
            ]),
        )
        .timeout(::core::time::Duration::from_millis(500))
        .critical(true);
};
#[with_retry(max = 2)]
async fn search() -> Result<String, Failure> {
    look().await
}
const _: () = {
    use ::resilience::__private as __rt;
    #[__rt::linkme::distributed_slice(__rt::HEALTH_CHECKS_0_1)]
    #[linkme(crate = __rt::linkme)]
    static __CHECK: __rt::CheckSite = __rt::CheckSite::new(
        "search",
        || ::std::vec::Vec::from([
            __rt::Listed::of_future(
                "search",
                || async move {
                    let __outcome = search().await;
                    let __category = __rt::CheckOutcome::error(&__outcome)
                        .map(|__error| {
                            __rt::Probe::new(__error).probed_class().category
                        });
                    __rt::check_answer(__outcome, __category)
                },
            ),
        ]),
    );
};
async fn model(name: &str) -> Result<Answer, Failure> {
    ask(name).await
}
const _: () = {
    use ::resilience::__private as __rt;
    #[__rt::linkme::distributed_slice(__rt::HEALTH_CHECKS_0_1)]
    #[linkme(crate = __rt::linkme)]
    static __CHECK: __rt::CheckSite = __rt::CheckSite::new(
        "model:{name}",
        || __rt::each_check(
            MODELS,
            |__value| {
                let __name = {
                    let name = &__value;
                    ::std::format!("model:{name}")
                };
                __rt::Listed::of_future(
                    __name,
                    move || {
                        let __value = ::core::clone::Clone::clone(&__value);
                        async move {
                            let __outcome = model(&__value).await;
                            let __category = __rt::CheckOutcome::error(&__outcome)
                                .map(|__error| {
                                    __rt::Probe::new(__error).probed_class().category
                                });
                            __rt::check_answer(__outcome, __category)
                        }
                    },
                )
            },
        ),
    );
};
fn disk(number: u32) {
    look_at(number);
}
const _: () = {
    use ::resilience::__private as __rt;
    #[__rt::linkme::distributed_slice(__rt::HEALTH_CHECKS_0_1)]
    #[linkme(crate = __rt::linkme)]
    static __CHECK: __rt::CheckSite = __rt::CheckSite::new(
        "disk:{number}",
        || __rt::each_check(
            [1, 2],
            |__value| {
                let __name = {
                    let number = &__value;
                    ::std::format!("disk:{number}")
                };
                __rt::Listed::blocking(
                    __name,
                    move || {
                        let __outcome = disk(::core::clone::Clone::clone(&__value));
                        let __category = __rt::CheckOutcome::error(&__outcome)
                            .map(|__error| {
                                __rt::Probe::new(__error).probed_class().category
                            });
                        __rt::check_answer(__outcome, __category)
                    },
                )
            },
        ),
    );
};
