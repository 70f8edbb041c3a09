//! A bare name is the user's own, whatever it means in other libraries: keys, functions and limits are called
//! like their words. `tests/messages.rs` tries every such word.

use resilience::testing::isolate;
use resilience::{Rejected, checkpoint, job, timeout, with_fallback};
use std::io;

/// A step and a job, keyed by an argument of this name.
macro_rules! keyed_by {
    ($($name:ident $job:literal)*) => { $(
        mod $name {
            use super::*;

            #[checkpoint($name)]
            fn step($name: u32) -> Result<u32, Rejected> {
                Ok($name + 1)
            }

            #[job($name, name = $job)]
            async fn task($name: u32) -> Result<u32, Rejected> {
                Ok($name + 2)
            }

            #[tokio::test]
            async fn an_argument_of_this_name_is_the_key() {
                let _world = isolate();
                for n in [1, 7] {
                    assert_eq!(step(n).expect("a step"), n + 1, "each value is a key of its own");
                    assert_eq!(task(n).await.expect("a job"), n + 2);
                }
            }
        }
    )* };
}

keyed_by!(
    key "key" id "id" timeout "timeout" retry "retry" retries "retries" undo "undo" expire "expire" alias "alias"
    backend "backend" heartbeat "heartbeat" idempotency_key "idempotency_key" compensate "compensate" queue "queue"
);

/// A function and its fallback of this name, by its path and as a call.
macro_rules! answered_by {
    ($($name:ident)*) => { $(
        mod $name {
            use super::*;

            fn $name(id: u32) -> io::Result<u32> {
                Ok(id + 1)
            }

            #[with_fallback($name)]
            fn by_its_path(id: u32) -> io::Result<u32> {
                Err(io::Error::other(id.to_string()))
            }

            #[with_fallback($name(id))]
            async fn as_a_call(id: u32) -> io::Result<u32> {
                Err(io::Error::other(id.to_string()))
            }

            #[tokio::test]
            async fn answers() {
                let _world = isolate();
                assert_eq!(by_its_path(1).expect("an answer"), 2);
                assert_eq!(as_a_call(2).await.expect("an answer"), 3);
            }
        }
    )* };
}

mod fallbacks {
    use super::*;

    answered_by!(fallback default handler function with path ignore abort skip_on apply_on);
}

#[allow(non_upper_case_globals, reason = "a limit that is called so")]
mod limits {
    use super::*;
    use std::time::Duration;

    const limit: Duration = Duration::from_secs(2);

    #[timeout(limit)]
    async fn load(id: u32) -> io::Result<u32> {
        Ok(id)
    }

    #[tokio::test]
    async fn a_constant_in_lower_case_is_a_limit() {
        let _world = isolate();
        assert_eq!(load(1).await.expect("in time"), 1);
    }
}

/// A path to a constant is a key like any other.
mod constant_keys {
    use super::*;
    use resilience::jobs;
    use std::cell::Cell;

    const STEP: &str = "nightly";
    const JOB: &str = "import";

    mod names {
        pub const JOB: &str = "export";
    }

    thread_local! {
        static RUNS: Cell<u32> = const { Cell::new(0) };
    }

    fn runs() -> u32 {
        RUNS.set(RUNS.get() + 1);
        RUNS.get()
    }

    #[checkpoint(STEP)]
    fn step() -> Result<u32, Rejected> {
        Ok(runs())
    }

    #[checkpoint(STEP)]
    async fn step_async() -> Result<u32, Rejected> {
        Ok(runs())
    }

    #[job(JOB, name = "a sync import")]
    fn import() -> Result<u32, Rejected> {
        Ok(step()? + step()?)
    }

    #[job(names::JOB, name = "an async import")]
    async fn import_async() -> Result<u32, Rejected> {
        Ok(step_async().await? + step_async().await?)
    }

    #[tokio::test]
    async fn bare_names_are_the_key_of_a_step_and_the_id_of_a_job() {
        let _world = isolate();
        assert_eq!(import().expect("a job"), 2, "the second call of the step has the first one's value");
        assert_eq!(import_async().await.expect("a job"), 4, "each function has steps of its own");
        assert_eq!(
            (import().ok(), import_async().await.ok()),
            (Some(2), Some(4)),
            "a job that is done runs no more"
        );
        for id in [JOB, names::JOB] {
            assert!(jobs::get(id).await.expect("an answer of the store").is_some(), "{id}");
        }
    }
}
