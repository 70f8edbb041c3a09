//! The shapes that matter most, written out: no `macro_rules!` between the compiler and the attribute.

use crate::kit::{Row, admitted, answered, broken_off, recorded, retried, stacked, timed, wait};

mod now {
    use crate::kit::Runs;
    use crate::kit::now::Step;
    use resilience::{bulkhead, checkpoint, circuit_breaker, rate_limit, with_fallback, with_retry};
    use std::io;

    #[with_retry(max = 3)]
    pub fn retry(runs: &Runs, name: String) -> io::Result<u32> {
        assert_eq!(name, "abc");
        let run = runs.step()?;
        Ok(run)
    }

    #[circuit_breaker(threshold = 2)]
    pub fn breaker(runs: &Runs, name: String) -> io::Result<u32> {
        assert_eq!(name, "abc");
        let run = runs.step()?;
        Ok(run)
    }

    #[bulkhead(4, wait = 1s)]
    #[rate_limit(3, per = 1h)]
    pub fn load(runs: &Runs, name: String) -> io::Result<u32> {
        assert_eq!(name, "abc");
        let run = runs.step()?;
        Ok(run)
    }

    #[with_fallback(instead)]
    pub fn fallback(runs: &Runs, name: String) -> io::Result<u32> {
        assert_eq!(name, "abc");
        let run = runs.step()?;
        Ok(run)
    }

    #[checkpoint("row:{name}")]
    pub fn step(runs: &Runs, name: String) -> io::Result<u32> {
        assert_eq!(name, "abc");
        let run = runs.step()?;
        Ok(run)
    }

    #[with_fallback(instead)]
    #[with_retry(max = 3)]
    #[circuit_breaker(threshold = 9)]
    pub fn all(runs: &Runs, name: String) -> io::Result<u32> {
        assert_eq!(name, "abc");
        let run = runs.step()?;
        Ok(run)
    }

    fn instead(_: &Runs, name: String) -> Option<u32> {
        (name == "abc").then_some(0)
    }
}

mod later {
    use crate::kit::Runs;
    use crate::kit::later::Step;
    use resilience::{bulkhead, checkpoint, circuit_breaker, rate_limit, timeout, with_fallback, with_retry};
    use std::io;

    #[with_retry(max = 3, clone(names))]
    pub async fn retry(runs: &Runs, names: Vec<String>) -> io::Result<u32> {
        let run = runs.step().await?;
        Ok(run + u32::try_from(names.into_iter().len()).unwrap_or(0) - 1)
    }

    #[circuit_breaker(threshold = 2)]
    pub async fn breaker(runs: &Runs, names: Vec<String>) -> io::Result<u32> {
        let run = runs.step().await?;
        Ok(run + u32::try_from(names.into_iter().len()).unwrap_or(0) - 1)
    }

    #[bulkhead(4, wait = 1s)]
    #[rate_limit(3, per = 1h)]
    pub async fn load(runs: &Runs, names: Vec<String>) -> io::Result<u32> {
        let run = runs.step().await?;
        Ok(run + u32::try_from(names.into_iter().len()).unwrap_or(0) - 1)
    }

    #[timeout(50ms)]
    pub async fn limit(runs: &Runs, names: Vec<String>) -> io::Result<u32> {
        let run = runs.step().await?;
        Ok(run + u32::try_from(names.into_iter().len()).unwrap_or(0) - 1)
    }

    #[with_fallback(instead(names, error), clone(names))]
    pub async fn fallback(runs: &Runs, names: Vec<String>) -> io::Result<u32> {
        let run = runs.step().await?;
        Ok(run + u32::try_from(names.into_iter().len()).unwrap_or(0) - 1)
    }

    #[checkpoint("row", inputs(names))]
    pub async fn step(runs: &Runs, names: Vec<String>) -> io::Result<u32> {
        let run = runs.step().await?;
        Ok(run + u32::try_from(names.into_iter().len()).unwrap_or(0) - 1)
    }

    #[with_fallback(instead(names, error))]
    #[timeout(10s)]
    #[with_retry(max = 3, clone(names))]
    #[circuit_breaker(threshold = 9)]
    #[timeout(2s)]
    pub async fn all(runs: &Runs, names: Vec<String>) -> io::Result<u32> {
        let run = runs.step().await?;
        Ok(run + u32::try_from(names.into_iter().len()).unwrap_or(0) - 1)
    }

    async fn instead(names: Vec<String>, error: &io::Error) -> io::Result<u32> {
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        Ok(u32::try_from(names.len()).unwrap_or(0) - 1)
    }
}

mod methods {
    use crate::kit::Runs;
    use crate::kit::later::Step;
    use resilience::{bulkhead, checkpoint, circuit_breaker, rate_limit, timeout, with_fallback, with_retry};
    use std::io;

    pub struct Client {
        pub runs: Runs,
        pub host: String,
        pub calls: u32,
    }

    impl Client {
        #[with_retry(max = 3, context(host = self.host))]
        pub async fn retry(&mut self) -> io::Result<u32> {
            self.calls += 1;
            let run = self.runs.step().await?;
            Ok(run)
        }

        #[circuit_breaker(threshold = 2, key = self.host)]
        pub async fn breaker(&mut self) -> io::Result<u32> {
            self.calls += 1;
            let run = self.runs.step().await?;
            Ok(run)
        }

        #[bulkhead(4, wait = 1s, key = self.host)]
        #[rate_limit(3, per = 1h, key = self.host)]
        pub async fn load(&mut self) -> io::Result<u32> {
            self.calls += 1;
            let run = self.runs.step().await?;
            Ok(run)
        }

        #[timeout(50ms)]
        pub async fn limit(&mut self) -> io::Result<u32> {
            self.calls += 1;
            let run = self.runs.step().await?;
            Ok(run)
        }

        #[with_fallback(Self::instead)]
        pub async fn fallback(&mut self) -> io::Result<u32> {
            self.calls += 1;
            let run = self.runs.step().await?;
            Ok(run)
        }

        #[checkpoint("row:{self.host}")]
        pub async fn step(&mut self) -> io::Result<u32> {
            self.calls += 1;
            let run = self.runs.step().await?;
            Ok(run)
        }

        #[with_fallback(Self::instead)]
        #[timeout(10s)]
        #[with_retry(max = 3)]
        #[circuit_breaker(threshold = 9, key = self.host)]
        #[timeout(2s)]
        pub async fn all(&mut self) -> io::Result<u32> {
            self.calls += 1;
            let run = self.runs.step().await?;
            Ok(run)
        }

        async fn instead(&mut self) -> Option<u32> {
            (self.calls > 0).then_some(0)
        }
    }
}

mod objects {
    use crate::kit::Runs;
    use crate::kit::later::Step;
    use resilience::{bulkhead, checkpoint, circuit_breaker, rate_limit, timeout, with_fallback, with_retry};
    use std::io;

    #[async_trait::async_trait]
    pub trait Service {
        async fn retry(&self, name: String) -> io::Result<u32>;
        async fn breaker(&self, name: String) -> io::Result<u32>;
        async fn load(&self, name: String) -> io::Result<u32>;
        async fn limit(&self, name: String) -> io::Result<u32>;
        async fn fallback(&self, name: String) -> io::Result<u32>;
        async fn step(&self, name: String) -> io::Result<u32>;
        async fn all(&self, name: String) -> io::Result<u32>;
    }

    pub struct Client {
        pub runs: Runs,
        pub host: String,
    }

    #[async_trait::async_trait]
    impl Service for Client {
        #[with_retry(max = 3, clone(name))]
        async fn retry(&self, name: String) -> io::Result<u32> {
            assert_eq!(name.into_bytes(), b"abc");
            let run = self.runs.step().await?;
            Ok(run)
        }

        #[circuit_breaker(threshold = 2, key = self.host)]
        async fn breaker(&self, name: String) -> io::Result<u32> {
            assert_eq!(name.into_bytes(), b"abc");
            let run = self.runs.step().await?;
            Ok(run)
        }

        #[bulkhead(4, wait = 1s, key = self.host)]
        #[rate_limit(3, per = 1h, key = self.host)]
        async fn load(&self, name: String) -> io::Result<u32> {
            assert_eq!(name.into_bytes(), b"abc");
            let run = self.runs.step().await?;
            Ok(run)
        }

        #[timeout(50ms)]
        async fn limit(&self, name: String) -> io::Result<u32> {
            assert_eq!(name.into_bytes(), b"abc");
            let run = self.runs.step().await?;
            Ok(run)
        }

        #[with_fallback(Self::instead, clone(name))]
        async fn fallback(&self, name: String) -> io::Result<u32> {
            assert_eq!(name.into_bytes(), b"abc");
            let run = self.runs.step().await?;
            Ok(run)
        }

        #[checkpoint("row:{self.host}:{name}")]
        async fn step(&self, name: String) -> io::Result<u32> {
            assert_eq!(name.into_bytes(), b"abc");
            let run = self.runs.step().await?;
            Ok(run)
        }

        #[with_fallback(Self::instead)]
        #[timeout(10s)]
        #[with_retry(max = 3, clone(name))]
        #[circuit_breaker(threshold = 9, key = self.host)]
        #[timeout(2s)]
        async fn all(&self, name: String) -> io::Result<u32> {
            assert_eq!(name.into_bytes(), b"abc");
            let run = self.runs.step().await?;
            Ok(run)
        }
    }

    impl Client {
        async fn instead(&self, name: String) -> io::Result<u32> {
            assert_eq!(name, "abc");
            Ok(0)
        }
    }
}

pub fn rows() -> Vec<Row> {
    use objects::Service;
    let row = |shape, kind, cells| Row { group: "Written out, without `macro_rules!`", shape, kind, cells };
    let name = || "abc".to_owned();
    let names = || vec!["abc".to_owned()];
    let client =
        |runs: &crate::kit::Runs| methods::Client { runs: runs.clone(), host: "h".to_owned(), calls: 0 };
    let service = |runs: &crate::kit::Runs| objects::Client { runs: runs.clone(), host: "h".to_owned() };
    vec![
        row(
            "owned argument, only read; `?`",
            "sync",
            [
                Some(retried(|runs| now::retry(runs, name()).into())),
                Some(broken_off(|runs| now::breaker(runs, name()).into())),
                None,
                Some(answered(|runs| now::fallback(runs, name()).into())),
                Some(admitted(|runs| now::load(runs, name()).into())),
                Some(recorded(|runs| now::step(runs, name()).into())),
                Some(stacked("xx.", |runs| now::all(runs, name()).into())),
            ],
        ),
        row(
            "owned argument, moved, `clone(names)`; fallback of chosen arguments and the error",
            "async",
            [
                Some(retried(|runs| wait(later::retry(runs, names())).into())),
                Some(broken_off(|runs| wait(later::breaker(runs, names())).into())),
                Some(timed(|runs| wait(later::limit(runs, names())).into())),
                Some(answered(|runs| wait(later::fallback(runs, names())).into())),
                Some(admitted(|runs| wait(later::load(runs, names())).into())),
                Some(recorded(|runs| wait(later::step(runs, names())).into())),
                Some(stacked("x-.", |runs| wait(later::all(runs, names())).into())),
            ],
        ),
        row(
            "`&mut self`, `key = self.host`, `context(host = self.host)`",
            "async",
            [
                Some(retried(|runs| wait(client(runs).retry()).into())),
                Some(broken_off(|runs| wait(client(runs).breaker()).into())),
                Some(timed(|runs| wait(client(runs).limit()).into())),
                Some(answered(|runs| wait(client(runs).fallback()).into())),
                Some(admitted(|runs| wait(client(runs).load()).into())),
                Some(recorded(|runs| wait(client(runs).step()).into())),
                Some(stacked("x-.", |runs| wait(client(runs).all()).into())),
            ],
        ),
        row(
            "`#[async_trait]`, owned argument, `key = self.host`",
            "async",
            [
                Some(retried(|runs| wait(service(runs).retry(name())).into())),
                Some(broken_off(|runs| wait(service(runs).breaker(name())).into())),
                Some(timed(|runs| wait(service(runs).limit(name())).into())),
                Some(answered(|runs| wait(service(runs).fallback(name())).into())),
                Some(admitted(|runs| wait(service(runs).load(name())).into())),
                Some(recorded(|runs| wait(service(runs).step(name())).into())),
                Some(stacked("x-.", |runs| wait(service(runs).all(name())).into())),
            ],
        ),
    ]
}
