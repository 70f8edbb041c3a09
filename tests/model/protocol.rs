//! The states of the protocol, and the moves that lead from one to another.

pub(crate) const PROCESSES: usize = 3;
pub(crate) const STEPS: usize = 2;
/// A file that no process has made: restored from a backup, say.
const FOREIGN: u8 = 9;

/// The rules of the protocol, one switch each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// A record that is `Running` is claimed or abandoned only if its owner is dead.
    pub(crate) death: bool,
    /// A lock that is held means that its owner is alive.
    pub(crate) locks: bool,
    /// A lock tells something only if its file is the one that the owner's row names.
    pub(crate) inodes: bool,
    /// A missing file tells nothing.
    pub(crate) missing: bool,
    /// An owner that makes its file anew keeps the old one locked until its row names the new one.
    pub(crate) old_lock: bool,
    /// The files of the dead are removed only when no record names their owner any more.
    pub(crate) clearing: bool,
    /// An owner that cannot be judged by its lock is dead when its counter did not change for a lease.
    pub(crate) counters: bool,
    /// One gap between two looks counts for at most half a lease.
    pub(crate) gaps: bool,
    /// No wall clock decides anything.
    pub(crate) no_clock: bool,
    /// Judging and taking over is one transaction.
    pub(crate) one_transaction: bool,
    /// A claim gets a new fence.
    pub(crate) new_fence: bool,
    /// A step is recorded only under the job's fence.
    pub(crate) step_fence: bool,
    /// An end is recorded only under the job's fence.
    pub(crate) end_fence: bool,
    /// A job is given back only under its fence.
    pub(crate) release_fence: bool,
    /// A fresh start is a new incarnation.
    pub(crate) incarnation: bool,
    /// A fresh start deletes the steps of the old incarnation.
    pub(crate) deletion: bool,
    /// Idempotency keys are made of the incarnation, not of the claim.
    pub(crate) key: bool,
    /// A claim is on disk before the body runs.
    pub(crate) claim_synced: bool,
    /// A step is on disk before it is acknowledged.
    pub(crate) step_synced: bool,
}

pub(crate) const ALL: Rules = Rules {
    death: true,
    locks: true,
    inodes: true,
    missing: true,
    old_lock: true,
    clearing: true,
    counters: true,
    gaps: true,
    no_clock: true,
    one_transaction: true,
    new_fence: true,
    step_fence: true,
    end_fence: true,
    release_fence: true,
    incarnation: true,
    deletion: true,
    key: true,
    claim_synced: true,
    step_synced: true,
};

/// How often each thing may happen; part of the state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) crashes: u8,
    pub(crate) stops: u8,
    pub(crate) power_cuts: u8,
    /// Results that expire, or are run again on demand.
    pub(crate) reruns: u8,
    /// Calls that are dropped: the job is given back.
    pub(crate) drops: u8,
    /// Lock files that a cleaner removes.
    pub(crate) removals: u8,
    /// Lock files that are replaced by others.
    pub(crate) replacements: u8,
    /// Claims of other records, which take fences.
    pub(crate) other_claims: u8,
    /// Steps of the wall clock.
    pub(crate) clock_steps: u8,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Config {
    /// Which host each process is on.
    pub(crate) hosts: &'static [u8],
    pub(crate) bounds: Bounds,
    /// Whether time passes: without it nothing is judged by a counter.
    pub(crate) ticks: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Life {
    #[default]
    Dead,
    Awake,
    Stopped,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Doing {
    #[default]
    Nothing,
    /// It has opened the lock file of the job's owner: this inode.
    Judging { owner: u8, inode: u8 },
    /// It holds the job, and is about to look at the next step.
    Holding,
    /// It has seen that the step is not recorded, and the body of the step has run.
    Ran,
}

/// What a process has seen of the counter of the job's owner. Time is counted in halves of a lease.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Watch {
    pub(crate) is_on: bool,
    /// The counter changed since the last look.
    pub(crate) changed: bool,
    /// Since the last look, at most 2.
    pub(crate) gap: u8,
    /// How long the counter was seen unchanged, at most 2.
    pub(crate) total: u8,
    /// The owner was stopped while this process was not: only then it may be taken for dead.
    pub(crate) excused: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) life: Life,
    pub(crate) doing: Doing,
    pub(crate) fence: u8,
    pub(crate) incarnation: u8,
    /// The true incarnation, for the checks.
    pub(crate) generation: u8,
    pub(crate) step: u8,
    /// The inode of its lock file, which it has locked; and the one before, as long as it is open.
    pub(crate) lock: u8,
    pub(crate) old_lock: u8,
    /// A file that it has made at its path and not yet locked.
    pub(crate) made: u8,
    pub(crate) watch: Watch,
}

impl Process {
    fn is_alive(&self) -> bool {
        self.life != Life::Dead
    }

    fn holds(&self, fence: u8) -> bool {
        let is_holding = matches!(self.doing, Doing::Holding | Doing::Ran);
        self.is_alive() && is_holding && self.fence == fence
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Status {
    #[default]
    Absent,
    Running,
    Interrupted,
    Done,
}

/// The value of a step: another run of its body gives another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Value {
    pub(crate) fence: u8,
    pub(crate) generation: u8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) fences: u8,
    pub(crate) status: Status,
    pub(crate) owner: u8,
    pub(crate) fence: u8,
    pub(crate) incarnation: u8,
    pub(crate) steps: [Option<Value>; STEPS],
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) store: Stored,
    /// What a power cut leaves of it.
    pub(crate) disk: Stored,
    /// Who is in the middle of a transaction.
    pub(crate) writer: Option<u8>,
    /// The inode at the path of each process's lock file; 0 if there is none.
    pub(crate) files: [u8; PROCESSES],
    /// The inode that each owner's row names; 0 if there is no row.
    pub(crate) rows: [u8; PROCESSES],
    pub(crate) processes: [Process; PROCESSES],
    pub(crate) left: Bounds,
    pub(crate) clock_stepped: bool,
    /// What the outside world has seen: which incarnation this is, what was acknowledged in it, and the
    /// idempotency keys of each.
    pub(crate) generation: u8,
    pub(crate) acknowledged: [Option<Value>; STEPS],
    pub(crate) keys: [[Option<u8>; STEPS]; 2],
}

#[derive(Clone, Copy, Debug)]
#[expect(dead_code, reason = "printed in counterexamples")]
pub(crate) enum Move {
    Start(usize),
    Crash(usize),
    Stop(usize),
    Continue(usize),
    PowerCut,
    ClockStep,
    Tick,
    RemoveLockFile(usize),
    ReplaceLockFile(usize),
    ClearLockFile { of: usize },
    MakeLockFile(usize),
    LockFile(usize),
    NameLockFile(usize),
    ClaimOther(usize),
    Claim(usize),
    OpenLockFile { by: usize, of: usize },
    SeeAlive { by: usize, of: usize },
    Look { by: usize, at: usize },
    TakeOver { by: usize, from: usize },
    Abandon { by: usize, from: usize },
    SkipStep(usize),
    RunStep(usize),
    Record(usize),
    Complete(usize),
    GiveBack(usize),
}

pub(crate) type Next<'a> = &'a mut dyn FnMut(Move, Result<State, &'static str>);

impl State {
    pub(crate) fn new(config: &Config) -> Self {
        let mut state = Self { left: config.bounds, ..Self::default() };
        state.start(0);
        state.start(1);
        state
    }

    fn start(&mut self, p: usize) {
        self.processes[p] = Process { life: Life::Awake, lock: 1, ..Process::default() };
        (self.files[p], self.rows[p]) = (1, 1);
    }

    fn die(&mut self, p: usize) {
        self.processes[p] = Process::default();
        if self.writer == Some(p as u8) {
            self.writer = None;
        }
    }

    /// Whether `p` is the owner of the running job, dead or alive.
    fn is_owner(&self, p: usize) -> bool {
        self.store.status == Status::Running && usize::from(self.store.owner) == p
    }

    /// Whether anything names the owner `p`: then no new owner may take its place.
    fn is_named(&self, p: usize) -> bool {
        let is_judged = |process: &Process| matches!(process.doing, Doing::Judging { owner, .. } if usize::from(owner) == p);
        self.is_owner(p) || self.processes.iter().any(is_judged)
    }

    /// Forgets what no later move can depend on, so that equal states are found equal.
    pub(crate) fn tidied(mut self) -> Self {
        for p in 0..PROCESSES {
            if !self.processes[p].is_alive() && !self.is_named(p) {
                (self.files[p], self.rows[p]) = (0, 0);
            }
            if self.processes[p].doing == Doing::Nothing {
                let process = &mut self.processes[p];
                (process.fence, process.incarnation, process.generation, process.step) = (0, 0, 0, 0);
            }
            if self.is_owner(p) || self.store.status != Status::Running {
                self.processes[p].watch = Watch::default();
            }
        }
        self
    }

    /// The promises that hold in every state.
    pub(crate) fn check(self) -> Result<Self, &'static str> {
        let running = self.store.status == Status::Running;
        if running && self.processes.iter().filter(|process| process.holds(self.store.fence)).count() > 1 {
            return Err("two processes hold one fence");
        }
        for (recorded, acknowledged) in self.store.steps.iter().zip(self.acknowledged) {
            if acknowledged.is_some() && *recorded != acknowledged {
                return Err("an acknowledged step is lost or has another value");
            }
        }
        let is_own = |step: &Option<Value>| step.is_some_and(|value| value.generation == self.generation);
        if self.store.status == Status::Done && !self.store.steps.iter().all(is_own) {
            return Err("a job ended without steps of its own incarnation");
        }
        Ok(self)
    }

    /// The end of a transaction.
    fn commit(&mut self, synced: bool) {
        self.writer = None;
        if synced {
            self.disk = self.store;
        }
    }

    /// `p` takes the job from whoever holds it: an error if that process is alive.
    fn taken_by(&self, p: usize) -> Result<(), &'static str> {
        let is_victim = |(h, holder): (usize, &Process)| h != p && holder.holds(self.store.fence);
        let is_running = self.store.status == Status::Running;
        if is_running && self.processes.iter().enumerate().any(is_victim) {
            return Err("the job of a live process was taken over");
        }
        Ok(())
    }

    /// Makes `p` the holder under a new fence; `fresh` for a new incarnation.
    fn claim(mut self, rules: &Rules, p: usize, fresh: bool) -> Self {
        let store = &mut self.store;
        store.fences += 1;
        if rules.new_fence || store.fence == 0 {
            store.fence = store.fences;
        }
        if fresh && (rules.incarnation || store.incarnation == 0) {
            store.incarnation = store.fences;
        }
        if fresh && rules.deletion {
            store.steps = [None; STEPS];
        }
        (store.status, store.owner) = (Status::Running, p as u8);
        let (fence, incarnation, generation) = (store.fence, store.incarnation, self.generation);
        for process in &mut self.processes {
            process.watch = Watch::default();
        }
        let before = self.processes[p];
        self.processes[p] =
            Process { doing: Doing::Holding, fence, incarnation, generation, step: 0, ..before };
        self.commit(rules.claim_synced);
        self
    }

    /// `p` has found the owner dead: it takes the job over, or marks it as interrupted for others.
    fn take(&self, rules: &Rules, p: usize, is_excused: bool, next: Next<'_>) {
        let owner = usize::from(self.store.owner);
        let mut state = *self;
        state.processes[p].doing = Doing::Nothing;
        if let (Err(fault), false) = (self.taken_by(p), is_excused) {
            return next(Move::TakeOver { by: p, from: owner }, Err(fault));
        }
        next(Move::TakeOver { by: p, from: owner }, Ok(state.claim(rules, p, false)));
        state.store.status = Status::Interrupted;
        state.commit(true);
        next(Move::Abandon { by: p, from: owner }, Ok(state));
    }

    /// `p` looks at the owner's counter; `is_locked` if the lock would have told it more.
    fn look(&self, rules: &Rules, config: &Config, p: usize, is_locked: bool, next: Next<'_>) {
        let mut state = *self;
        state.processes[p].doing = Doing::Nothing;
        state.writer = None;
        if !config.ticks || !rules.counters {
            return next(Move::Look { by: p, at: self.store.owner.into() }, Ok(state));
        }
        let watch = &mut state.processes[p].watch;
        if watch.changed || !watch.is_on {
            *watch = Watch { is_on: true, ..Watch::default() };
        } else {
            let gap = if rules.gaps { watch.gap.min(1) } else { watch.gap };
            (watch.total, watch.gap) = ((watch.total + gap).min(2), 0);
        }
        if watch.total < 2 {
            return next(Move::Look { by: p, at: self.store.owner.into() }, Ok(state));
        }
        let is_excused = watch.excused && !is_locked;
        state.rows[usize::from(self.store.owner)] = 0;
        state.take(rules, p, is_excused, next);
    }

    /// What `p` can do about a record that another process holds.
    fn judge(&self, rules: &Rules, config: &Config, p: usize, next: Next<'_>) {
        let owner = usize::from(self.store.owner);
        let is_here = config.hosts[owner] == config.hosts[p];
        if !rules.death || (!rules.no_clock && self.clock_stepped) {
            self.take(rules, p, false, next);
        } else if is_here && self.files[owner] != 0 {
            let mut state = *self;
            state.processes[p].doing = Doing::Judging { owner: owner as u8, inode: self.files[owner] };
            state.writer = rules.one_transaction.then_some(p as u8);
            next(Move::OpenLockFile { by: p, of: owner }, Ok(state));
        } else if is_here && !rules.missing {
            self.take(rules, p, false, next);
        } else {
            self.look(rules, config, p, false, next);
        }
    }

    /// `p` tries to lock the file that it has opened.
    fn judged(&self, rules: &Rules, config: &Config, p: usize, owner: u8, inode: u8, next: Next<'_>) {
        let at = usize::from(owner);
        let process = &self.processes[at];
        let is_locked = process.is_alive() && (process.lock == inode || process.old_lock == inode);
        if self.store.status != Status::Running {
            // Only where judging and taking over are not one transaction.
            let mut state = *self;
            state.processes[p].doing = Doing::Nothing;
            next(Move::SeeAlive { by: p, of: at }, Ok(state));
        } else if is_locked && rules.locks {
            let mut state = *self;
            (state.processes[p].doing, state.writer) = (Doing::Nothing, None);
            next(Move::SeeAlive { by: p, of: at }, Ok(state));
        } else if !is_locked && (!rules.inodes || self.rows[at] == inode) {
            self.take(rules, p, false, next);
        } else {
            self.look(rules, config, p, is_locked, next);
        }
    }

    /// The body of a step: the outside world sees it, and its idempotency key.
    fn run_body(mut self, rules: &Rules, p: usize, at: usize) -> Result<Self, &'static str> {
        let process = self.processes[p];
        if self.acknowledged[at].is_some() {
            return Err("an acknowledged step is run again");
        }
        let key = if rules.key { process.incarnation } else { process.fence };
        let own = usize::from(process.generation);
        let known = *self.keys[own][at].get_or_insert(key);
        if known != key {
            return Err("a repeated step has another idempotency key");
        }
        if self.keys[own ^ 1][at] == Some(key) {
            return Err("two incarnations have one idempotency key");
        }
        self.processes[p].doing = Doing::Ran;
        Ok(self)
    }

    /// What `p` does with the job that it holds.
    fn work(&self, rules: &Rules, p: usize, next: Next<'_>) {
        let process = self.processes[p];
        let at = usize::from(process.step);
        let is_held = self.store.status == Status::Running && self.store.fence == process.fence;
        let mut state = *self;
        match process.doing {
            // A read: no other process has to wait for it.
            Doing::Holding if at < STEPS => match self.store.steps[at] {
                _ if !is_held => {
                    state.processes[p].doing = Doing::Nothing;
                    next(Move::SkipStep(p), Ok(state));
                }
                Some(value) if value.generation != process.generation => {
                    next(Move::SkipStep(p), Err("a step of another incarnation is used"));
                }
                Some(_) => {
                    state.processes[p].step += 1;
                    next(Move::SkipStep(p), Ok(state));
                }
                None => next(Move::RunStep(p), state.run_body(rules, p, at)),
            },
            _ if self.writer.is_some() => {}
            Doing::Ran => {
                if is_held || !rules.step_fence {
                    let value = Value { fence: process.fence, generation: process.generation };
                    if self.acknowledged[at].is_some_and(|before| before != value) {
                        return next(Move::Record(p), Err("a step is acknowledged with two values"));
                    }
                    state.store.steps[at] = Some(value);
                    state.acknowledged[at] = Some(value);
                    state.commit(rules.step_synced);
                    (state.processes[p].doing, state.processes[p].step) = (Doing::Holding, process.step + 1);
                } else {
                    state.processes[p].doing = Doing::Nothing;
                }
                next(Move::Record(p), Ok(state));
            }
            Doing::Holding => {
                if is_held || !rules.end_fence {
                    state.store.status = Status::Done;
                    state.commit(true);
                }
                state.processes[p].doing = Doing::Nothing;
                next(Move::Complete(p), Ok(state));
            }
            Doing::Nothing | Doing::Judging { .. } => {}
        }
        if self.left.drops > 0 && self.writer.is_none() {
            let mut state = *self;
            state.left.drops -= 1;
            state.processes[p].doing = Doing::Nothing;
            if is_held || (!rules.release_fence && self.store.status == Status::Running) {
                if let Err(fault) = self.taken_by(p) {
                    return next(Move::GiveBack(p), Err(fault));
                }
                state.store.status = Status::Interrupted;
                state.commit(true);
            }
            next(Move::GiveBack(p), Ok(state));
        }
    }

    /// What `p` does without a job.
    fn idle(&self, rules: &Rules, config: &Config, p: usize, next: Next<'_>) {
        if self.writer.is_some() {
            return;
        }
        match self.store.status {
            Status::Absent => next(Move::Claim(p), Ok(self.claim(rules, p, true))),
            Status::Interrupted => next(Move::Claim(p), Ok(self.claim(rules, p, false))),
            Status::Running if !self.is_owner(p) => self.judge(rules, config, p, next),
            Status::Done if self.left.reruns > 0 => {
                let mut state = *self;
                state.left.reruns -= 1;
                state.generation += 1;
                state.acknowledged = [None; STEPS];
                next(Move::Claim(p), Ok(state.claim(rules, p, true)));
            }
            _ => {}
        }
        if self.left.other_claims > 0 {
            let mut state = *self;
            state.left.other_claims -= 1;
            state.store.fences += 1;
            state.commit(true);
            next(Move::ClaimOther(p), Ok(state));
        }
    }

    /// The heartbeat's care for the lock file and the row.
    fn care(&self, rules: &Rules, p: usize, next: Next<'_>) {
        let process = self.processes[p];
        let mut state = *self;
        let changed = &mut state.processes[p];
        if process.made != 0 {
            // It does not matter here whether the file is still at its path: the next heartbeat sees to it.
            changed.lock = process.made;
            changed.old_lock = if rules.old_lock { process.lock } else { 0 };
            changed.made = 0;
            next(Move::LockFile(p), Ok(state));
        } else if self.rows[p] != process.lock {
            if self.writer.is_none() {
                (state.rows[p], changed.old_lock) = (process.lock, 0);
                next(Move::NameLockFile(p), Ok(state));
            }
        } else if self.files[p] != process.lock {
            (state.files[p], changed.made) = (process.lock + 1, process.lock + 1);
            next(Move::MakeLockFile(p), Ok(state));
        }
    }

    /// Half a lease passes: every process that is not stopped has raised its counter meanwhile.
    fn tick(&self) -> Self {
        let mut state = *self;
        let owner = self.processes[usize::from(self.store.owner)].life;
        for process in state.processes.iter_mut().filter(|process| process.watch.is_on) {
            if owner == Life::Awake {
                process.watch = Watch { is_on: true, changed: true, ..Watch::default() };
            } else if !process.watch.changed {
                process.watch.gap = (process.watch.gap + 1).min(2);
                process.watch.excused |= owner == Life::Stopped && process.life == Life::Awake;
            }
        }
        state
    }

    /// What happens to `p`.
    fn fate(&self, p: usize, next: Next<'_>) {
        let mut state = *self;
        match self.processes[p].life {
            // A new owner: names are never used again.
            Life::Dead if !self.is_named(p) => {
                state.start(p);
                return next(Move::Start(p), Ok(state));
            }
            Life::Dead => return,
            Life::Stopped => {
                state.processes[p].life = Life::Awake;
                next(Move::Continue(p), Ok(state));
            }
            Life::Awake if self.left.stops > 0 => {
                state.left.stops -= 1;
                state.processes[p].life = Life::Stopped;
                next(Move::Stop(p), Ok(state));
            }
            Life::Awake => {}
        }
        let mut state = *self;
        if self.left.crashes > 0 {
            state.left.crashes -= 1;
            state.die(p);
            next(Move::Crash(p), Ok(state));
        }
    }

    /// What happens to the lock file of `p`.
    fn file(&self, rules: &Rules, p: usize, next: Next<'_>) {
        if self.files[p] == 0 || !self.is_owner(p) {
            return;
        }
        let mut state = *self;
        state.files[p] = 0;
        if !rules.clearing && !self.processes[p].is_alive() {
            next(Move::ClearLockFile { of: p }, Ok(state));
        }
        if self.left.removals > 0 {
            state.left.removals -= 1;
            next(Move::RemoveLockFile(p), Ok(state));
        }
        if self.left.replacements > 0 {
            let mut state = *self;
            state.left.replacements -= 1;
            state.files[p] = FOREIGN;
            next(Move::ReplaceLockFile(p), Ok(state));
        }
    }

    /// All moves from here.
    pub(crate) fn next(&self, rules: &Rules, config: &Config, next: Next<'_>) {
        for p in 0..config.hosts.len() {
            self.fate(p, next);
            self.file(rules, p, next);
            if self.processes[p].life != Life::Awake {
                continue;
            }
            match self.processes[p].doing {
                Doing::Nothing => self.idle(rules, config, p, next),
                Doing::Judging { owner, inode } => self.judged(rules, config, p, owner, inode, next),
                _ => self.work(rules, p, next),
            }
            self.care(rules, p, next);
        }
        if config.ticks {
            next(Move::Tick, Ok(self.tick()));
        }
        let mut state = *self;
        if self.left.power_cuts > 0 {
            state.left.power_cuts -= 1;
            (0..PROCESSES).for_each(|p| state.die(p));
            state.store = state.disk;
            next(Move::PowerCut, Ok(state));
        }
        if self.left.clock_steps > 0 {
            let mut state = *self;
            state.left.clock_steps -= 1;
            state.clock_stepped = true;
            next(Move::ClockStep, Ok(state));
        }
    }
}
