//! The actions of all errors.

use super::*;
use crate::base::name::PointName;
use crate::failure::rejected::Rejected;
use crate::failure::{Category, Classification, Classify};

fn at() -> Box<Subject> {
    Subject::new(PointName::new("shop::charge"), "order:7")
}

fn store() -> Box<StoreError> {
    Box::new(StoreError::Unavailable("down".to_owned()))
}

fn contradiction() -> Box<Contradiction> {
    let (stored, current) = ("1".to_owned(), "2".to_owned());
    Box::new(Contradiction { what: Mismatch::Version, stored, current, names: Vec::new(), recorded: 0 })
}

/// Asserts that the action of each error has its word and that of no other category.
fn assert_actions(errors: Vec<(Rejected, &str)>) {
    for (error, word) in errors {
        let action = error.classify().action;
        assert!(action.contains(word), "{error}: {action}");
        assert_ne!(action, Category::Rejected.action(), "{error}");
    }
}

#[test]
fn every_step_error_has_a_suitable_action() {
    use CheckpointError as E;
    let (owner, retry_after, message) = (String::new(), Duration::ZERO, String::new());
    let value = EncodedValue::default();
    let errors = vec![
        (E::Busy { at: at(), owner, retry_after }, "wait for the other holder"),
        (E::Fenced { at: at() }, "lease"),
        (
            E::NotRecorded { at: at(), value: value.clone(), store: store() },
            "the value that the error carries",
        ),
        (E::Mismatch { at: at(), contradiction: contradiction() }, "`on_mismatch = rerun`"),
        (E::Corrupt { at: at(), reason: Corrupt::Checksum }, "`on_corrupt = rerun`"),
        (E::Corrupt { at: at(), reason: Corrupt::LaterFormat(9) }, "the release that wrote the record"),
        (E::Undecodable { at: at(), message: message.clone() }, "the type"),
        (E::Encode { at: at(), message }, "serde"),
        (E::TooLarge { at: at(), bytes: 1, value }, "a reference"),
        (E::KeyTooLong { at: at(), bytes: 1 }, "shorten"),
        (E::EmptyKey { at: at() }, "key"),
        (E::OutsideJob { at: at() }, "`in_scope`"),
        (E::NoKey { at: at() }, "key"),
        (E::Overlap { at: at() }, "key"),
        (E::Recursive { at: at() }, "another key"),
        (E::Cancelled { at: at() }, "none"),
        (E::Store { at: at(), store: store() }, "the store"),
    ];
    assert_actions(errors.into_iter().map(|(error, word)| (error.into(), word)).collect());
}

#[test]
fn every_job_error_has_a_suitable_action() {
    use JobError as E;
    let (owner, retry_after, text) = (String::new(), Duration::ZERO, String::new);
    let value = EncodedValue::default();
    let class = Some(Box::new(Classification::new(Category::NotFound)));
    let status = Status::Failed;
    let errors = vec![
        (E::Busy { at: at(), owner, retry_after }, "wait for the other holder"),
        (E::Recursive { at: at() }, "another job"),
        (E::Stopped { at: at(), status, class: None, text: None }, "`jobs::resume`"),
        (E::Stopped { at: at(), status, class, text: None }, "check the name"),
        (E::Fenced { at: at() }, "lease"),
        (
            E::NotRecorded { at: at(), value: value.clone(), store: store() },
            "the value that the error carries",
        ),
        (E::Mismatch { at: at(), contradiction: contradiction() }, "`on_mismatch = rerun`"),
        (E::Corrupt { at: at(), reason: Corrupt::Checksum }, "`on_corrupt = rerun`"),
        (E::Corrupt { at: at(), reason: Corrupt::LaterFormat(9) }, "the release that wrote the record"),
        (E::Lost { at: at(), recorded: 2, found: 1 }, "backup"),
        (E::Codec { at: at(), message: text() }, "serde"),
        (E::TooLarge { at: at(), bytes: 1, value }, "a reference"),
        (E::KeyTooLong { at: at(), bytes: 1 }, "shorten"),
        (E::EmptyKey { at: at() }, "key"),
        (E::NotProvided { at: at(), ty: "Client" }, "provide"),
        (E::Interrupted { at: at(), problem: text() }, "next sweep"),
        (E::Unfinished { at: at() }, "layers"),
        (E::NotStarted { at: at(), reason: text() }, "next sweep"),
        (E::Unknown { at: at() }, "`jobs::list`"),
        (E::UnknownStep { at: at(), step: text() }, "`jobs::steps`"),
        (E::UnknownName { at: at(), name: text() }, "`was`"),
        (E::SameName { at: at(), what: "jobs" }, "`name`"),
        (E::WrongState { at: at(), status }, "state"),
        (E::Store { at: at(), store: store() }, "the store"),
    ];
    assert_actions(errors.into_iter().map(|(error, word)| (error.into(), word)).collect());
}

#[test]
fn errors_about_all_jobs_name_no_job() {
    let of = |at| JobError::Store { at, store: store() }.to_string();
    let all = of(Subject::new(PointName::new("recover"), ""));
    assert_eq!(all, format!("`recover`: {}", store()));
    assert_eq!(of(at()), format!("job {} was not run: {}", at(), store()));
}

#[test]
fn the_value_of_an_error_is_not_in_its_debug_text() {
    let value = EncodedValue::from(b"12345".to_vec());
    let step = CheckpointError::TooLarge { at: at(), bytes: 5, value: value.clone() };
    let job = JobError::NotRecorded { at: at(), value, store: store() };
    for text in [format!("{step:?}"), format!("{job:?}")] {
        assert!(text.contains("value: 5 bytes") && !text.contains("49"), "{text}");
    }
    assert_eq!((step.not_recorded(), job.not_recorded()), (Some(&b"12345"[..]), Some(&b"12345"[..])));
}
