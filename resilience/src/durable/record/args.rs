//! The arguments of a call, as they are recorded.
//!
//! They are kept by name, as one JSON object. So the order of arguments can change, a new one that is an `Option` reads
//! as `None`, and one that the code no longer has is ignored. Each is read back from its own encoding before the body
//! runs: a job whose arguments cannot be read would be found after the crash and could never run.

use crate::durable::record::{Record, codec};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::ops::Deref;

/// The arguments of a call, being recorded one by one.
#[derive(Debug, Default)]
#[doc(hidden)]
pub struct Args {
    fields: serde_json::Map<String, serde_json::Value>,
    error: Option<String>,
    /// Whether the arguments come from a call, and not from a record: then each has to be read back as it was written.
    is_given: bool,
    /// The hash of the former record, if these are the recorded arguments.
    recorded: Option<u128>,
    /// The job's key as it was before.
    pub(crate) earlier: Option<String>,
    sets: UnorderedArgs,
    /// The arguments that were read from a record, as this code writes them, where they are to be compared.
    rewritten: Option<serde_json::Map<String, serde_json::Value>>,
}

/// A function that takes every argument of a function out of a record.
pub(crate) type Reads = fn(&mut Args) -> Result<(), String>;

/// The arguments of a call in which the order of elements does not count: each process writes a `HashSet` in another
/// order.
#[derive(Clone, Debug, Default)]
pub(crate) struct UnorderedArgs {
    /// The known ones.
    names: Vec<String>,
    /// Reads all arguments, where their types can be read.
    reads: Option<Reads>,
    /// Whether the arguments are read in order to find more.
    is_searching: bool,
}

impl UnorderedArgs {
    /// Returns the arguments of the record `input` as this code writes them: their types may have got or lost a field
    /// that serde fills in or ignores. One that cannot be read is returned as it is.
    pub(crate) fn rewritten(&self, input: &[u8]) -> Vec<u8> {
        let rewritten = || {
            let (reads, mut args) = (self.reads?, Args::read(input).ok()?);
            let mut all = args.fields.clone();
            args.rewritten = Some(serde_json::Map::new());
            // Those behind one that cannot be read are compared as they are.
            let _ = reads(&mut args);
            all.extend(args.rewritten.unwrap_or_default());
            codec::encode(&all).ok()
        };
        rewritten().unwrap_or_else(|| input.to_owned())
    }

    /// Returns the names of the arguments, of those in `input`, in which the order of elements does not count.
    pub(crate) fn names_in(self, input: &[u8]) -> Vec<String> {
        let Self { names, reads, .. } = self;
        let Ok(args) = Args::read(input) else { return names };
        let mut args = Args { sets: Self { names, reads: None, is_searching: true }, ..args };
        if let Some(reads) = reads {
            // Those behind one that cannot be read are compared as lists.
            let _ = reads(&mut args);
        }
        args.sets.names
    }
}

/// The hashes by which the inputs of a step are compared.
#[derive(Clone, Debug)]
#[doc(hidden)]
pub struct InputHashes {
    pub(crate) hash: u128,
    /// A hash of each input by its name, as JSON: a contradiction names those that differ.
    pub(crate) each: Vec<u8>,
}

/// An argument of a step without a key, which is compared if it is a plain value: steps that are told apart
/// by their order must not be given the values of others when the order changes.
///
/// Method lookup takes the first type in a chain of dereferences whose method fits.
#[derive(Debug)]
#[doc(hidden)]
pub struct Given<'a, T: ?Sized>(&'a T, NotGiven);

/// An argument that cannot be compared.
#[derive(Debug)]
#[doc(hidden)]
pub struct NotGiven;

impl<'a, T: ?Sized> Given<'a, T> {
    /// Looks at `value`.
    pub const fn new(value: &'a T) -> Self {
        Self(value, NotGiven)
    }
}

/// Found first by method lookup: a plain value is an input.
impl<T: Plain + ?Sized> Given<'_, T> {
    /// Adds the argument `name`.
    pub fn added_to(&self, args: Args, name: &str) -> Args {
        args.input(name, self.0)
    }
}

/// A value that is written in one way only, now and after a crash: a number, a truth value or a text. Sets are
/// not, nor are values that others change at the same time.
#[doc(hidden)]
pub trait Plain: Serialize {}

macro_rules! plain {
    ($($ty:ty),*) => { $(impl Plain for $ty {})* };
}
plain!(bool, char, str, String, i8, i16, i32, i64, isize, u8, u16, u32, u64, usize, f32, f64);

impl<T: Plain + ?Sized> Plain for &T {}
impl<T: Plain> Plain for Option<T> {}

/// Found through `Deref` where the value is not plain: it is not an input.
impl NotGiven {
    /// Adds nothing.
    #[expect(clippy::unused_self, reason = "method lookup finds it by its receiver")]
    pub fn added_to(&self, args: Args, _: &str) -> Args {
        args
    }
}

impl<T: ?Sized> Deref for Given<'_, T> {
    type Target = NotGiven;

    fn deref(&self) -> &NotGiven {
        &self.1
    }
}

/// The types that the record of a job can hold as an argument.
///
/// Every `Serialize` type; the trait is there for its message.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be recorded as an argument of a job",
    label = "does not implement `serde::Serialize`",
    note = "derive `serde::Serialize` and `serde::Deserialize` for it; for `Arc` and `Rc` enable the feature `rc` of serde",
    note = "or leave it out of the record: name the argument in `provided(..)`, and provide the value with `recover().provide(..)`"
)]
#[doc(hidden)]
pub trait Recordable: Serialize {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + ?Sized> Recordable for T {}

/// The types that can be read back from the record of a job.
///
/// Every type that serde reads and writes: an argument is compared with what was written after it was read.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from the record of a job",
    label = "does not implement `serde::Serialize` and `serde::Deserialize`",
    note = "derive `serde::Serialize` and `serde::Deserialize` for it; for `Arc` and `Rc` enable the feature `rc` of serde",
    note = "or leave it out of the record: name the argument in `provided(..)`, and provide the value with `recover().provide(..)`"
)]
#[doc(hidden)]
pub trait Readable: Serialize + DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> Readable for T {}

/// The types that a store can keep as the result of a job or a step.
///
/// Every type that serde reads and writes; the trait is there for its message.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be recorded as a result",
    label = "`{Self}` does not implement `serde::Serialize` and `serde::Deserialize`",
    note = "derive `serde::Serialize` and `serde::Deserialize` for it; for `Arc` and `Rc` enable the feature `rc` of serde"
)]
#[doc(hidden)]
pub trait RecordedValue: Serialize + DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> RecordedValue for T {}

impl Args {
    /// Creates an empty list of arguments.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the argument `name`, which has to be read back.
    pub fn argument<T: Recordable + ?Sized>(mut self, name: &str, value: &T) -> Self {
        if codec::is_named_set::<T>() {
            self.sets.names.push(name.to_owned());
        }
        self.with(name, codec::to_value(value))
    }

    /// Adds the input `name`, which is only compared; the order of elements does not count in the sets of std.
    pub fn input<T: Serialize + ?Sized>(self, name: &str, value: &T) -> Self {
        self.with(name, codec::to_input(value))
    }

    /// Adds a field, or keeps why it cannot be encoded: the first such argument is reported, once the job or step
    /// begins.
    fn with(mut self, name: &str, value: Result<serde_json::Value, String>) -> Self {
        match value {
            Ok(value) => {
                self.fields.insert(name.to_owned(), value);
            }
            Err(error) => {
                self.error
                    .get_or_insert_with(|| format!("the argument `{name}` cannot be recorded: {error}"));
            }
        }
        self
    }

    /// Sets the key under which the job was known before.
    pub fn earlier(self, key: String) -> Self {
        Self { earlier: Some(key), ..self }
    }

    /// Reads the recorded arguments of a job.
    pub(crate) fn read(input: &[u8]) -> Result<Self, String> {
        Ok(Self { fields: codec::decode(input)?, ..Self::default() })
    }

    /// Marks these as the arguments of `record`, from which the call took them: they may be written in another order
    /// now, and the code may have more or fewer of them.
    pub(crate) fn read_from(self, record: &Record) -> Self {
        Self { recorded: record.inputs, earlier: None, ..self }
    }

    /// Reads every argument as a recovery would, and notes the first that does not come back as it was given.
    pub(crate) fn read_back(mut self, reads: Reads) -> Self {
        self.sets.reads = Some(reads);
        if self.error.is_none() {
            let mut given = Self { fields: self.fields.clone(), is_given: true, ..Self::default() };
            self.error = reads(&mut given).err();
        }
        self
    }

    /// Takes the argument `name` out; an `Option` that was not recorded is `None`.
    ///
    /// # Errors
    ///
    /// The argument was not recorded or is not a `T`, or, given by a call, it is not read back as it was written.
    pub fn take<T: Readable>(&mut self, name: &str) -> Result<T, String> {
        let Some(value) = self.fields.remove(name) else {
            let words = "take it as an `Option`, which is read as `None` where it was not recorded";
            return codec::absent().ok_or_else(|| format!("the record has no argument `{name}`: {words}"));
        };
        if self.sets.is_searching && codec::is_unordered::<T>(&value) {
            self.sets.names.push(name.to_owned());
        }
        if self.is_given {
            return codec::part_read_back(&value)
                .map_err(|error| format!("the argument `{name}` cannot be recorded: {error}"));
        }
        let ty = std::any::type_name::<T>();
        let argument = codec::from_value(&value)
            .map_err(|error| format!("the recorded argument `{name}` cannot be read as `{ty}`: {error}"))?;
        if let Some(rewritten) = &mut self.rewritten
            && let Ok(value) = codec::to_value(&argument)
        {
            rewritten.insert(name.to_owned(), value);
        }
        Ok(argument)
    }

    /// Returns how the order of elements counts in them.
    pub(crate) fn sets(&self) -> UnorderedArgs {
        self.sets.clone()
    }

    /// Returns the inputs of a step, which are only compared: the hash of all of them, and one of each.
    pub(crate) fn hashes(self) -> Result<InputHashes, String> {
        let hash = |value| format!("{:016x}", codec::hash_of(value) >> 64);
        let each: serde_json::Map<_, _> =
            self.fields.iter().map(|(name, value)| (name.clone(), hash(value).into())).collect();
        let (_, hash) = self.finish()?;
        Ok(InputHashes { hash, each: codec::encode(&each)? })
    }

    /// Returns the bytes to record, and the hash by which they are compared: for a recovery that of the record, as the
    /// code may have more or fewer arguments by now.
    ///
    /// # Errors
    ///
    /// The first argument that cannot be recorded, by name.
    pub(crate) fn finish(self) -> Result<(Vec<u8>, u128), String> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let value = serde_json::Value::Object(self.fields);
        Ok((codec::encode(&value)?, self.recorded.unwrap_or_else(|| codec::hash_of(&value))))
    }
}
