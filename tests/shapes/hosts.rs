//! Functions that a framework calls.

use crate::kit::{Came, Runs, here};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use resilience::{
    Classify, Rejected, bulkhead, checkpoint, circuit_breaker, rate_limit, timeout, with_fallback, with_retry,
};
use std::io;

#[derive(Debug, thiserror::Error, Classify)]
enum Failure {
    #[error("{0}")]
    #[classify(transparent)]
    Line(#[from] io::Error),
    #[error("{0}")]
    #[classify(transparent)]
    Rejected(#[from] Rejected),
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (StatusCode::BAD_GATEWAY, self.to_string()).into_response()
    }
}

async fn came(response: Response) -> Came {
    let ok = response.status().is_success();
    let body = axum::body::to_bytes(response.into_body(), 1000).await.expect("a body");
    let text = String::from_utf8_lossy(&body).into_owned();
    if ok { Came::Value(text.parse().expect("a number")) } else { Came::Error(text) }
}

macro_rules! handler {
    ([$($policies:tt)*] $($_:tt)*) => {
        $($policies)*
        async fn handler(State(runs): State<Runs>, method: axum::http::Method) -> Result<String, Failure> {
            let run = runs.step().await?;
            assert_eq!(method, "GET");
            Ok(run.to_string())
        }
        pub async fn call(runs: &Runs) -> Came {
            let request = axum::extract::Request::new(axum::body::Body::empty());
            came(axum::handler::Handler::call(handler, request, runs.clone()).await).await
        }
    };
}

macro_rules! main_below {
    ([$($policies:tt)*] $($_:tt)*) => {
        $($policies)*
        #[tokio::main(flavor = "current_thread")]
        async fn main() -> io::Result<u32> {
            let run = crate::kit::later::Step::step(&here()).await?;
            Ok(run)
        }
        pub fn call(_: &Runs) -> Came {
            main().into()
        }
    };
}

macro_rules! main_above {
    ([$($policies:tt)*] $($_:tt)*) => {
        #[tokio::main(flavor = "current_thread")]
        $($policies)*
        async fn main() -> io::Result<u32> {
            let run = crate::kit::later::Step::step(&here()).await?;
            Ok(run)
        }
        pub fn call(_: &Runs) -> Came {
            main().into()
        }
    };
}

macro_rules! test_above {
    ([$($policies:tt)*] $($_:tt)*) => {
        #[tokio::test]
        $($policies)*
        async fn tested() -> io::Result<()> {
            crate::kit::later::Step::step(&here()).await?;
            Ok(())
        }
        pub fn call(runs: &Runs) -> Came {
            tested().map(|()| runs.value()).into()
        }
    };
}

macro_rules! test_below {
    ([$($policies:tt)*] $($_:tt)*) => {
        $($policies)*
        #[tokio::test]
        async fn tested() -> io::Result<()> {
            crate::kit::later::Step::step(&here()).await?;
            Ok(())
        }
        pub fn call(runs: &Runs) -> Came {
            tested().map(|()| runs.value()).into()
        }
    };
}

macro_rules! plain_test {
    ([$($policies:tt)*] $($_:tt)*) => {
        #[test]
        $($policies)*
        fn tested() -> io::Result<()> {
            here().step().map(drop)
        }
        pub fn call(runs: &Runs) -> Came {
            tested().map(|()| runs.value()).into()
        }
    };
}

rows! { "Frameworks":
    handler "axum handler, `State(runs)` as a pattern" [later] (value = "0".to_owned());
    main_below "`#[tokio::main]` below ours (the whole runtime is the attempt)" [sync] (value = 0);
    main_above "`#[tokio::main]` above ours (the same)" [sync] (value = 0);
    test_below "`#[tokio::test]` below ours" [sync] (value = ());
    test_above "`#[tokio::test]` above ours" [sync] (value = ());
    plain_test "`#[test]` above ours" [sync] (value = ());
}
