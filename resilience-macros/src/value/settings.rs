//! The settings of a policy, each read in the form of its key.

use super::{
    Duration, Setter, count_from, duration, duration_from, factor_from_one, hook, lasting, own_span_of,
    ratio, size,
};
use crate::errors::Errors;
use crate::syntax::keys::{Reader, Setting, Spec};
use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};

/// The settings that an attribute writes.
pub(crate) struct Settings {
    pub(crate) setters: Vec<Setter>,
    durations: Vec<(&'static str, Duration)>,
}

impl Settings {
    /// Takes the settings, except those that the attribute reads itself; mistakes are reported.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Self {
        let mut settings = Self { setters: Vec::new(), durations: Vec::new() };
        for (key, setting) in reader.spec.settings() {
            let setter = settings.one(reader, key.name, setting);
            settings.setters.extend(setter);
        }
        settings
    }

    fn one(&mut self, reader: &mut Reader<'_>, name: &'static str, setting: Setting) -> Option<Setter> {
        let mut time = |reader: &mut Reader<'_>, read: fn(TokenStream, &str) -> syn::Result<Duration>| {
            let duration = reader.value(name, |tokens| read(tokens, name))?;
            self.durations.push((name, duration.clone()));
            Some(duration.tokens)
        };
        let value = match setting {
            Setting::Count(least) => reader.value(name, |tokens| count_from(tokens, name, least))?,
            Setting::Factor => reader.value(name, |tokens| factor_from_one(tokens, name))?,
            Setting::Ratio => reader.value(name, |tokens| ratio(tokens, name))?,
            Setting::Time => time(reader, |tokens, _| duration(tokens))?,
            Setting::Lasting => time(reader, lasting)?,
            Setting::TimeFrom(least) => {
                let duration = reader.value(name, |tokens| duration_from(tokens, name, least))?;
                duration.tokens
            }
            Setting::Size => reader.value(name, size)?,
            Setting::Switch => {
                let is_on = reader.switch(name)?;
                quote!(#is_on)
            }
            Setting::Flag => {
                let at = reader.key_of(name)?;
                return reader.switch(name)?.then(|| Setter::flag(name, own_span_of(&at)));
            }
            Setting::Hook => reader.value(name, |tokens| hook(tokens, name))?.to_token_stream(),
            Setting::Own => return None,
        };
        Some(Setter::new(name, value))
    }

    /// Returns whether the setting called `name` is written, and not switched off.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.setters.iter().any(|setter| setter.is(name))
    }

    /// Returns the duration called `name`, if it is written and could be read.
    pub(crate) fn duration(&self, name: &str) -> Option<&Duration> {
        self.durations.iter().find(|(other, _)| *other == name).map(|(_, duration)| duration)
    }
}

/// Returns the places of the settings that were not taken yet.
pub(crate) fn written(reader: &Reader<'_>) -> Vec<Span> {
    reader.spec.settings().filter_map(|(key, _)| reader.span_of(key.name)).collect()
}

/// Reports each of the settings at `written`, because the `instance` at `at` has its own; `policy` is its noun.
pub(crate) fn not_beside_instance(
    errors: &Errors,
    policy: &str,
    at: Span,
    written: impl Iterator<Item = Span>,
) {
    for setting in written {
        errors.at_span(
            setting,
            format!(
                "the {policy} of `instance` has its own settings\nhelp: set this where the {policy} is made"
            ),
        );
        errors.at_span(at, "`instance` is written here");
    }
}

/// Returns the default of a setting, in nanoseconds and as it is written.
pub(crate) fn default_time(spec: &Spec, name: &str) -> Option<(u64, &'static str)> {
    let key = spec.keys.iter().find(|key| key.name == name)?;
    let time = duration(key.example.parse().ok()?).ok()?;
    Some((time.nanos?, key.example))
}
