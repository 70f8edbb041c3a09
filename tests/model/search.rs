//! The breadth-first search over all states.

use crate::protocol::{Config, Doing, Move, PROCESSES, Process, Rules, State, Status, Stored, Value, Watch};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hasher};

/// A state in as few bytes as its fields need: equal codes, equal states.
type Code = [u64; 7];

/// Puts `values` of `bits` bits each into one number.
fn packed(bits: u32, values: &[u8]) -> u64 {
    values.iter().fold(0, |all, value| {
        debug_assert!(u32::from(*value) < 1 << bits);
        all << bits | u64::from(*value)
    })
}

impl Process {
    fn code(&self, order: [u8; PROCESSES]) -> u64 {
        let (doing, owner, inode) = match self.doing {
            Doing::Nothing => (0, 0, 0),
            Doing::Judging { owner, inode } => (1, order[usize::from(owner)], inode),
            Doing::Holding => (2, 0, 0),
            Doing::Ran => (3, 0, 0),
        };
        let Watch { is_on, changed, gap, total, excused } = self.watch;
        let flags = u8::from(is_on) << 2 | u8::from(changed) << 1 | u8::from(excused);
        let life_and_doing = (self.life as u8) << 2 | doing;
        let numbers = [owner, inode, self.fence, self.incarnation, self.generation, self.step];
        let files = [self.lock, self.old_lock, self.made];
        packed(4, &[life_and_doing, flags, gap << 2 | total]) << 36
            | packed(4, &numbers) << 12
            | packed(4, &files)
    }
}

fn of_value(value: Option<Value>) -> u8 {
    value.map_or(0, |value| value.fence << 1 | value.generation)
}

impl Stored {
    fn code(&self, order: [u8; PROCESSES]) -> u64 {
        let owner = order[usize::from(self.owner)];
        let [first, second] = self.steps.map(of_value);
        packed(5, &[self.fences, self.status as u8, owner, self.fence, self.incarnation, first, second])
    }
}

impl State {
    /// The state with the process `p` in the place `order[p]`.
    fn code(&self, order: [u8; PROCESSES]) -> Code {
        let mut code = [0; 7];
        let (mut files, mut rows) = ([0; PROCESSES], [0; PROCESSES]);
        for (p, process) in self.processes.iter().enumerate() {
            let at = usize::from(order[p]);
            code[at] = process.code(order);
            (files[at], rows[at]) = (self.files[p], self.rows[p]);
        }
        code[3] = self.store.code(order) << 3
            | self.writer.map_or(7, |writer| u64::from(order[usize::from(writer)]));
        code[4] =
            self.disk.code(order) << 2 | u64::from(self.generation) << 1 | u64::from(self.clock_stepped);
        let left = &self.left;
        let left = [
            left.crashes,
            left.stops,
            left.power_cuts,
            left.reruns,
            left.drops,
            left.removals,
            left.replacements,
            left.other_claims,
            left.clock_steps,
        ];
        code[5] = packed(2, &left) << 24 | packed(4, &files) << 12 | packed(4, &rows);
        let [[a, b], [c, d]] = self.keys.map(|keys| keys.map(Option::unwrap_or_default));
        let [e, f] = self.acknowledged.map(of_value);
        code[6] = packed(5, &[a, b, c, d, e, f]);
        code
    }

    /// The same code for states that differ only in which process of a host is which.
    fn class(&self, orders: &[[u8; PROCESSES]]) -> Code {
        orders.iter().map(|order| self.code(*order)).min().unwrap_or_default()
    }
}

impl Config {
    /// The ways to exchange processes of one host.
    fn orders(&self) -> Vec<[u8; PROCESSES]> {
        const ORDERS: [[u8; PROCESSES]; 6] =
            [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
        let host = |p: usize| self.hosts.get(p);
        let is_allowed = |order: &[u8; PROCESSES]| (0..PROCESSES).all(|p| host(p) == host(order[p].into()));
        ORDERS.into_iter().filter(is_allowed).collect()
    }
}

/// Multiplies and folds the words of a [`Code`]: the standard hasher takes most of the time in a debug build.
#[derive(Default)]
struct Words(u64);

impl Hasher for Words {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for word in bytes.chunks_exact(8).map_while(|word| word.try_into().ok()) {
            let mixed = (self.0 ^ u64::from_ne_bytes(word)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            self.0 = mixed ^ mixed >> 29;
        }
    }
}

/// Every state that was reached, with the state and the move that led there first.
#[derive(Default)]
pub(crate) struct Search {
    states: Vec<(State, usize, Option<Move>)>,
    known: HashMap<Code, usize, BuildHasherDefault<Words>>,
    orders: Vec<[u8; PROCESSES]>,
    /// For each state, those that lead to it.
    before: Vec<Vec<u32>>,
}

impl Search {
    /// Visits all states. Returns their number, or the promise that is broken, after printing how.
    pub(crate) fn run(rules: &Rules, config: &Config) -> Result<usize, &'static str> {
        let mut search = Self { orders: config.orders(), ..Self::default() };
        search.reached(State::new(config).tidied(), 0, None);
        let mut from = 0;
        while from < search.states.len() {
            let state = search.states[from].0;
            let mut broken = None;
            state.next(rules, config, &mut |moved, result| match result
                .and_then(|state| state.tidied().check())
            {
                Ok(state) => search.reached(state, from, Some(moved)),
                Err(fault) if broken.is_none() => broken = Some((moved, fault)),
                Err(_) => {}
            });
            if let Some((moved, fault)) = broken {
                search.print(from, Some(moved), fault);
                return Err(fault);
            }
            from += 1;
        }
        search.all_can_end()?;
        Ok(search.states.len())
    }

    fn reached(&mut self, state: State, from: usize, moved: Option<Move>) {
        match self.known.entry(state.class(&self.orders)) {
            Entry::Occupied(known) => self.before[*known.get()].push(from as u32),
            Entry::Vacant(new) => {
                new.insert(self.states.len());
                self.states.push((state, from, moved));
                self.before.push(vec![from as u32]);
            }
        }
    }

    /// From every state the job can reach its end.
    fn all_can_end(&self) -> Result<(), &'static str> {
        let is_done = |at: &usize| self.states[*at].0.store.status == Status::Done;
        let mut found: Vec<usize> = (0..self.states.len()).filter(is_done).collect();
        let mut can_end = vec![false; self.states.len()];
        found.iter().for_each(|at| can_end[*at] = true);
        while let Some(at) = found.pop() {
            for before in &self.before[at] {
                let before = *before as usize;
                if !std::mem::replace(&mut can_end[before], true) {
                    found.push(before);
                }
            }
        }
        let Some(stuck) = can_end.iter().position(|can_end| !can_end) else { return Ok(()) };
        let fault = "the job cannot reach its end";
        self.print(stuck, None, fault);
        Err(fault)
    }

    fn print(&self, mut at: usize, last: Option<Move>, fault: &str) {
        let mut moves: Vec<Move> = last.into_iter().collect();
        while let (_, from, Some(moved)) = &self.states[at] {
            moves.push(*moved);
            at = *from;
        }
        println!("{fault}, after {} states:", self.states.len());
        moves.iter().rev().for_each(|moved| println!("    {moved:?}"));
    }
}
