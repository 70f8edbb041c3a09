//! The processes that a command leaves to its run.

use super::{dir, ends, run};

#[test]
fn orphans_of_a_running_command_are_reaped() {
    let dir = dir();
    let script = "(sh -c 'echo $$ > new; mv new orphan' &); until [ -e orphan ]; do sleep 0.01; done
        for _ in $(seq 2000); do [ -e /proc/$(cat orphan) ] || exit 0; sleep 0.01; done; exit 3";
    assert_eq!(ends(&mut run(dir.path(), "", script)).1, 0, "it has no parent but the run");
}
