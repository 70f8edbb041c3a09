//! The declaration of a policy's settings: one row for each, from which everything else is made.
//!
//! ```text
//! threshold: Count from 1 to 2147483647 = 5, "how many failures open the breaker";
//! ```
//!
//! A row is a name, a form, a range, a default and a meaning. From the rows [`settings!`](settings) makes the
//! public struct of the settings and its defaults, a `const` setter with its documentation on each policy value,
//! the judgement of each value, the table, reading and writing by name, and what the inventory lists.
//!
//! Forms are those of [`forms`](super::forms), or a type that has the same functions. The file that declares settings
//! imports the forms that it uses. Ranges are `from x`, `to x` and `above x`, and end up in the judgement, the message
//! and the documentation alike. A default is one of
//!
//! - a value;
//! - `required`: there is none, and no setter, because the constructor takes it;
//! - `off`: the field is an `Option`;
//! - `as other`: an `Option`; the default is the value of `other`;
//! - `value not below other`: an `Option`; the default and the set value are at least that of `other`;
//! - `value unless set`: an `Option`, where it matters whether the value was set.
//!
//! # Why a macro
//!
//! A setting is needed as a field, as a `const` setter, as a compile-time check, as text and as data. Each of these
//! repeats a default or a range that can differ from the others; from a row they cannot. The generated code is
//! plain: a struct, an `impl` and `match`es, no trait and no allocation, and the setters are `const`, so that a wrong
//! literal in an attribute is a compile error at its token.
//!
//! # Invariants
//!
//! - The order of the rows is that of the table, of the bits in [`Settings::set`], of the inventory and of the page.
//! - A row whose default is another setting (`as`, `not below`) is read by the accessor of its own name, never by its
//!   field: the field has only the set value.
//! - The judgement of one setting never depends on another; pairs are judged once both were set (`together`), because
//!   setters may come in any order.
//!
//! `tests/settings.rs` compares the tables with the keys of the attributes and with the pages.

#[cfg(feature = "durable")]
pub(crate) use super::forms::Ttl;
pub(crate) use super::forms::{Bytes, Count, Factor, Flag, Ratio, Switch, Time, literal};

/// The settings of a policy value, and which of them were set: a bit for each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings<C> {
    pub(crate) config: C,
    /// Two settings contradict each other only once both were set, or when all are judged.
    pub(crate) set: u32,
}

impl<C: Copy> Settings<C> {
    /// Returns whether the setting in this row of the table was set.
    ///
    /// Rows are counted from 0; a table has at most 32.
    pub(crate) const fn has(&self, row: u32) -> bool {
        self.set & (1 << row) != 0
    }

    /// Returns settings that all count as set.
    pub(crate) const fn whole(config: C) -> Self {
        Self { config, set: u32::MAX }
    }
}

/// Declares the settings of a policy; the documentation of this module explains the rows.
///
/// `for policy Timeout(settings) { rows }` makes the setters of `Timeout`, whose field `settings` is the
/// [`Settings`]; `rule` in place of `policy` says that values that are not set are those of a policy. `also` has fields
/// that are not settings of the table. `together { (base, cap): order; }` names a `const fn order(&self) ->
/// Complaint` of the struct, which judges two settings that were both set.
macro_rules! settings {
    (
        $(#[$meta:meta])*
        pub struct $Config:ident {
            $( for $($role:ident $Policy:ident ($($path:ident).+)),+ {
                $(
                    $(#[$doc:meta])*
                    $name:ident: $Form:ident $($how:ident $bound:literal)* = $default:tt $($more:ident)*, $meaning:literal;
                )+
            } )+
            $( also { $( $(#[$also_doc:meta])* $also:ident: $Also:ty = $initial:expr; )+ } )?
            $( together { $( ($one:ident, $other:ident): $judge:ident; )+ } )?
        }
    ) => {
        $(#[$meta])*
        pub struct $Config {
            $( $(
                #[doc = concat!(
                    "Holds ", $meaning, ": ",
                    settings!(@range $Form $($how $bound)*), "; ",
                    settings!(@default policy $default $($more)*), "."
                )]
                pub $name: settings!(@field $Form $default $($more)*),
            )+ )+
            $( $( $(#[$also_doc])* pub $also: $Also, )+ )?
        }

        /// The place of each setting in the table, and its bit in [`Settings::set`](crate::base::settings::Settings).
        #[allow(non_camel_case_types, reason = "they are called as the settings are")]
        #[derive(Clone, Copy)]
        enum Row { $( $( $name, )+ )+ }

        impl $Config {
            /// The defaults of all settings that have one.
            pub(crate) const DEFAULT: Self = Self {
                $( $( $name: settings!(@initial $Form $default $($more)*), )+ )+
                $( $( $also: $initial, )+ )?
            };

            /// The table of the settings: a row for each, in the order of the documentation.
            pub const TABLE: &'static [$crate::base::setting::Setting] = &[ $( $( $crate::base::setting::Setting {
                name: stringify!($name),
                kind: $Form::KIND,
                range: concat!("" $(, settings!(@space $how), stringify!($how), " `", stringify!($bound), "`")*).trim_ascii(),
                default: settings!(@spelled $default $($more)*),
                meaning: $meaning,
            }, )+ )+ ];

            /// Returns the value of the setting called `name`: the value that applies, if it is not set.
            pub fn get(&self, name: &str) -> Option<$crate::base::setting::Value> {
                match name {
                    $( $( stringify!($name) => Some(settings!(@value self $name $Form $default $($more)*)), )+ )+
                    _ => None,
                }
            }

            /// Sets the setting called `name`; [`Off`](crate::settings::Value::Off) switches it off, or back to
            /// a default that depends on other settings.
            ///
            /// The value is judged alone: `try_new` of the policy judges it together with the others.
            ///
            /// # Errors
            ///
            /// If there is no such setting, it has values of another kind, or this one is out of its range.
            pub fn set(
                &mut self,
                name: &str,
                value: $crate::base::setting::Value,
            ) -> Result<(), $crate::base::setting::InvalidPolicy> {
                let mut next = *self;
                let row = match name {
                    $( $( stringify!($name) => {
                        let read = settings!(@read value $Form $default $($more)*);
                        // A number of this kind is refused only where its type cannot hold it.
                        let is_too_large = value.is_number_of($Form::KIND);
                        next.$name = read.ok_or($crate::base::setting::InvalidPolicy::new(if is_too_large {
                            concat!("`", stringify!($name), "` must be at most 4294967295: ", $meaning)
                        } else {
                            concat!("`", stringify!($name), "` has values of another kind")
                        }))?;
                        Row::$name
                    } )+ )+
                    _ => return Err($crate::base::setting::InvalidPolicy::new("there is no such setting")),
                };
                $crate::base::setting::InvalidPolicy::unless_valid(next.alone(row))?;
                *self = next;
                Ok(())
            }

            /// Lists the settings with the values that apply, without those that are switched off.
            pub fn effective(&self) -> Vec<$crate::base::setting::Effective> {
                use $crate::base::setting::{Effective, Value};
                let mut all = Vec::new();
                $( $(
                    let value = settings!(@value self $name $Form $default $($more)*);
                    if settings!(@is_listed $Form)(&value) {
                        all.push(Effective {
                            name: stringify!($name),
                            is_default: settings!(@is_default self $name value $Form $default $($more)*),
                            value,
                            setting: Self::TABLE.get(Row::$name as usize),
                            #[cfg(feature = "config")]
                            source: None,
                        });
                    }
                )+ )+
                all
            }

            /// Returns these values as settings of which only those without a default count as set.
            #[allow(unused_mut, reason = "there may be none without a default")]
            pub(crate) const fn into_settings(self) -> $crate::base::settings::Settings<Self> {
                let mut set = 0;
                $( $( settings!(@require set $name $default); )+ )+
                $crate::base::settings::Settings { config: self, set }
            }

            /// Returns the complaint about one setting, whatever the others are.
            const fn alone(&self, row: Row) -> $crate::base::setting::Complaint {
                match row {
                    $( $( Row::$name => {
                        if let Some(value) = settings!(@some self $name $Form $default $($more)*) {
                            let complaint = $Form::complaint(value);
                            if complaint.is_some() {
                                return complaint;
                            }
                            $(
                                let bound = const { settings!(@literal $Form $bound) };
                                if !$Form::$how(value, bound) {
                                    return Some(concat!(
                                        "`", stringify!($name), "` must be ", settings!(@must $Form $how),
                                        stringify!($bound), ": ", $meaning
                                    ));
                                }
                            )*
                            let _ = value;
                        }
                    } )+ )+
                }
                None
            }

            /// Returns the complaint about two settings together, of those whose bit is in `set`.
            const fn together(&self, set: u32) -> $crate::base::setting::Complaint {
                $( $( settings!(@floor self set $name $Form $meaning, $default $($more)*); )+ )+
                $( $(
                    if settings!(@both set $one $other) {
                        let complaint = self.$judge();
                        if complaint.is_some() {
                            return complaint;
                        }
                    }
                )+ )?
                let _ = set;
                None
            }

            /// Returns the complaint about the settings: about one alone, then about two together.
            pub(crate) const fn complaint(&self) -> $crate::base::setting::Complaint {
                $( $(
                    let complaint = self.alone(Row::$name);
                    if complaint.is_some() {
                        return complaint;
                    }
                )+ )+
                self.together(u32::MAX)
            }

            $( $( settings!(@accessor $name $Form $default $($more)*); )+ )+
        }

        impl $crate::base::setting::Table for $Config {
            const ROWS: &'static [$crate::base::setting::Setting] = Self::TABLE;
            const TAKES: &'static [&'static str] = &[ $( $( $Form::TAKES, )+ )+ ];
            const START: Self = Self::DEFAULT;

            fn set_by_name(
                &mut self,
                name: &str,
                value: $crate::base::setting::Value,
            ) -> Result<(), $crate::base::setting::InvalidPolicy> {
                self.set(name, value)
            }

            fn judge(&self) -> $crate::base::setting::Complaint {
                self.complaint()
            }
        }

        impl $crate::base::settings::Settings<$Config> {
            /// Notes that a setting was set, and judges it.
            #[allow(dead_code, reason = "a policy whose settings are all required has no setter")]
            #[track_caller]
            const fn note(&mut self, row: Row) {
                self.set |= 1 << row as u32;
                $crate::base::setting::enforce(self.config.alone(row));
                $crate::base::setting::enforce(self.config.together(self.set));
            }
        }

        $( settings!(@policies [$($role $Policy ($($path).+))+] { $(
            $(#[$doc])* $name: $Form $($how $bound)* = $default $($more)*, $meaning;
        )+ }); )+
    };

    // The setters of one policy after the other.
    (@policies [] $rows:tt) => {};
    (@policies [$role:ident $Policy:ident $path:tt $($more:tt)*] $rows:tt) => {
        settings!(@setters $role $Policy $path $rows);
        settings!(@policies [$($more)*] $rows);
    };
    (@setters $role:ident $Policy:ident $path:tt {
        $( $(#[$doc:meta])* $name:ident: $Form:ident $($how:ident $bound:literal)* = $default:tt $($more:ident)*, $meaning:literal; )+
    }) => {
        /// Settings. Each setter panics on an invalid value, which in a `const` or `static` is a compile
        /// error.
        impl $Policy {
            $( settings!(@setter $role $path [$(#[$doc])*] $name $Form [$($how $bound)*] $meaning, $default $($more)*); )+
        }
    };
    (@setter $role:ident $path:tt $docs:tt $name:ident $Form:ident $range:tt $meaning:literal, required) => {};
    (@setter $role:ident ($($path:ident).+) [$($docs:tt)*] $name:ident Flag [] $meaning:literal, $default:tt) => {
        #[doc = concat!("Switches on ", $meaning, "; off by default.")]
        ///
        $($docs)*
        pub const fn $name(mut self) -> Self {
            self.$($path).+.config.$name = true;
            self.$($path).+.note(Row::$name);
            self
        }
    };
    (
        @setter $role:ident ($($path:ident).+) [$($docs:tt)*] $name:ident $Form:ident [$($how:ident $bound:literal)*]
        $meaning:literal, $default:tt $($more:ident)*
    ) => {
        #[doc = concat!("Sets ", $meaning, ".")]
        ///
        #[doc = concat!(settings!(@Range $Form $($how $bound)*), "; ", settings!(@default $role $default $($more)*), ".")]
        ///
        $($docs)*
        #[doc = settings!(@panics $Form [$($how)*] $($more)*)]
        #[track_caller]
        pub const fn $name(mut self, $name: settings!(@type $Form)) -> Self {
            self.$($path).+.config.$name = settings!(@wrapped $name $default $($more)*);
            self.$($path).+.note(Row::$name);
            self
        }
    };

    // Documentation.
    (@range $Form:ident $($how:ident $bound:literal)*) => {
        concat!(settings!(@noun a $Form) $(, " ", stringify!($how), " `", stringify!($bound), "`")*)
    };
    (@Range $Form:ident $($how:ident $bound:literal)*) => {
        concat!(settings!(@noun A $Form) $(, " ", stringify!($how), " `", stringify!($bound), "`")*)
    };
    (@noun $a:ident Count) => { concat!(stringify!($a), " count") };
    (@noun $a:ident Factor) => { concat!(stringify!($a), " factor") };
    (@noun $a:ident Ratio) => { concat!(stringify!($a), " ratio") };
    (@noun $a:ident Time) => { concat!(stringify!($a), " duration") };
    (@noun $a:ident Bytes) => { concat!(stringify!($a), " number of bytes") };
    (@noun $a:ident Ttl) => { concat!(stringify!($a), " duration, 0 for no end") };
    (@noun $a:ident Switch) => { concat!(stringify!($a), " switch") };
    (@noun $a:ident Flag) => { concat!(stringify!($a), " switch") };
    (@noun $a:ident $Form:ident) => { concat!(stringify!($a), " `", stringify!($Form), "`") };
    (@default rule $($default:tt)+) => { "default: as in the policy" };
    (@default policy required) => { "required" };
    (@default policy off) => { "off by default" };
    (@default policy as $other:ident) => { concat!("default: the value of `", stringify!($other), "`") };
    (@default policy $default:tt not below $other:ident) => {
        concat!("default: `", stringify!($default), "`, or the value of `", stringify!($other), "` if that is larger")
    };
    (@default policy $default:tt $($more:ident)*) => { concat!("default: `", stringify!($default), "`") };
    (@spelled as $other:ident) => { stringify!($other) };
    (@spelled $default:tt $($more:ident)*) => { stringify!($default) };
    (@space $how:ident) => { " " };
    (@panics $Form:ident [] not below $other:ident) => {
        concat!("\n# Panics\n\nIf it is below a `", stringify!($other), "` that was set.")
    };
    (@panics $Form:ident [] $($more:ident)*) => { "" };
    (@panics $Form:ident [$($how:ident)+] $($more:ident)*) => { "\n# Panics\n\nIf the value is out of this range." };
    (@must Factor from) => { "a finite number and at least " };
    (@must Ratio above) => { "greater than " };
    (@must $Form:ident from) => { "at least " };
    (@must $Form:ident to) => { "at most " };
    (@must $Form:ident above) => { "longer than " };

    // Types: of a value, and of the field.
    (@type Count) => { u32 };
    (@type Factor) => { f64 };
    (@type Ratio) => { f64 };
    (@type Time) => { std::time::Duration };
    (@type Bytes) => { usize };
    (@type Ttl) => { std::time::Duration };
    (@type Switch) => { bool };
    (@type Flag) => { bool };
    (@type $Form:ident) => { $Form };
    (@field $Form:ident required) => { settings!(@type $Form) };
    (@field $Form:ident off) => { Option<settings!(@type $Form)> };
    (@field $Form:ident $default:tt) => { settings!(@type $Form) };
    (@field $Form:ident $default:tt $($more:ident)+) => { Option<settings!(@type $Form)> };

    // Values: of a literal, of the field at first, of the field that was set, the one that applies.
    (@literal $Form:ident $text:tt) => {
        $crate::base::settings::literal($Form::read(stringify!($text)))
    };
    (@initial $Form:ident required) => { $Form::UNSET };
    (@initial $Form:ident off) => { None };
    (@initial $Form:ident $default:tt) => { settings!(@literal $Form $default) };
    (@initial $Form:ident $default:tt $($more:ident)+) => { None };
    (@wrapped $value:ident off) => { Some($value) };
    (@wrapped $value:ident $default:tt) => { $value };
    (@wrapped $value:ident $default:tt $($more:ident)+) => { Some($value) };
    (@some $self:ident $name:ident $Form:ident off) => { $self.$name };
    (@some $self:ident $name:ident $Form:ident $default:tt) => { Some($self.$name) };
    (@some $self:ident $name:ident $Form:ident $default:tt $($more:ident)+) => { $self.$name };
    (@value $self:ident $name:ident $Form:ident off) => {
        $self.$name.map_or($crate::base::setting::Value::Off, $Form::value)
    };
    (@value $self:ident $name:ident $Form:ident $default:tt) => {
        $Form::value($self.$name)
    };
    (@value $self:ident $name:ident $Form:ident $default:tt $($more:ident)+) => {
        $Form::value($self.$name())
    };
    (@read $value:ident $Form:ident required) => { $Form::of(&$value) };
    (@read $value:ident $Form:ident off) => { settings!(@read $value $Form off or off) };
    (@read $value:ident $Form:ident $default:tt) => { $Form::of(&$value) };
    (@read $value:ident $Form:ident $default:tt $($more:ident)+) => {
        match &$value {
            $crate::base::setting::Value::Off => Some(None),
            value => $Form::of(value).map(Some),
        }
    };
    (@is_listed Flag) => { |value: &Value| *value == Value::Switch(true) };
    (@is_listed $Form:ident) => { |value: &Value| *value != Value::Off };
    (@is_default $self:ident $name:ident $value:ident $Form:ident required) => { false };
    (@is_default $self:ident $name:ident $value:ident $Form:ident off) => { $self.$name.is_none() };
    (@is_default $self:ident $name:ident $value:ident $Form:ident $default:tt) => {
        $value == $Form::value(const { settings!(@literal $Form $default) })
    };
    (@is_default $self:ident $name:ident $value:ident $Form:ident $default:tt $($more:ident)+) => {
        $self.$name.is_none()
    };

    // The value that applies where the field is an `Option` with a default.
    (@accessor $name:ident $Form:ident as $other:ident) => {
        pub(crate) const fn $name(&self) -> settings!(@type $Form) {
            match self.$name {
                Some(value) => value,
                None => self.$other,
            }
        }
    };
    (@accessor $name:ident $Form:ident $default:tt not below $other:ident) => {
        pub(crate) const fn $name(&self) -> settings!(@type $Form) {
            let set = match self.$name {
                Some(value) => value,
                None => const { settings!(@literal $Form $default) },
            };
            $Form::max(set, self.$other)
        }
    };
    (@accessor $name:ident $Form:ident $default:tt unless set) => {
        pub(crate) const fn $name(&self) -> settings!(@type $Form) {
            match self.$name {
                Some(value) => value,
                None => const { settings!(@literal $Form $default) },
            }
        }
    };
    (@accessor $name:ident $Form:ident $default:tt) => {};

    // The bit of a setting that the constructor takes.
    (@require $set:ident $name:ident required) => {
        $set |= 1 << Row::$name as u32;
    };
    (@require $set:ident $name:ident $default:tt) => {};

    // Two settings that were both set.
    (@both $set:ident $one:ident $other:ident) => {
        $set & (1 << Row::$one as u32) != 0 && $set & (1 << Row::$other as u32) != 0
    };
    (@floor $self:ident $set:ident $name:ident $Form:ident $meaning:literal, $default:tt not below $other:ident) => {
        if let Some(value) = $self.$name
            && settings!(@both $set $name $other)
            && !$Form::from(value, $self.$other)
        {
            return Some(concat!(
                "`", stringify!($name), "` must be at least `", stringify!($other), "`: ", $meaning
            ));
        }
    };
    (@floor $self:ident $set:ident $name:ident $Form:ident $meaning:literal, $($default:tt)+) => {};
}

pub(crate) use settings;
