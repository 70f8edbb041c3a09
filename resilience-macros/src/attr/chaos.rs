//! `#[chaos(rate = 2%, fault = .., ..)]`.

use crate::context::{Context, Position};
use crate::layer::{Definition, Input, Layer, Stack, Traits};
use crate::syntax::keys::{Positional, Reader, Setting, Spec, key, setting};
use crate::value::{self, Setter, Settings};
use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;

pub(crate) static DEFINITION: Definition = Definition {
    spec: &SPEC,
    settings: &[r#"#[cfg(feature = "chaos")] policy::ChaosConfig"#],
    word: "CHAOS",
    read: |input| Some(Box::new(check(input)?)),
};

const SPEC: Spec = Spec {
    attr: "chaos",
    keys: &[
        key("rate", "2%"),
        key("fault", "error"),
        key("lost", "error"),
        key("latency", "100ms..2s"),
        key("panic", "true"),
        setting("seed", "7", Setting::Count(0)),
    ],
    foreign: &[
        ("probability", RATE),
        ("percent", RATE),
        ("percentage", RATE),
        ("injectionRate", RATE),
        ("injection_rate", RATE),
        ("error_rate", RATE),
        ("failure_rate", RATE),
        ("error", FAULT),
        ("err", FAULT),
        ("errors", FAULT),
        ("exception", FAULT),
        ("abort", FAULT),
        ("failure", FAULT),
        ("lost_answer", "write `lost = <error>`: the error in place of an answer, after the body has run"),
        ("after", "write `lost = <error>`: the error in place of an answer, after the body has run"),
        ("delay", LATENCY),
        ("slow", LATENCY),
        ("latency_ms", LATENCY),
        ("fixed_delay", LATENCY),
        ("panics", "write `panic`: a call that gets it panics"),
        ("enabled", ARM),
        ("enable", ARM),
        ("armed", ARM),
        ("on", ARM),
        ("key", "faults have no key: they are drawn for each call"),
    ],
    positional: Positional::Nothing,
};

const RATE: &str = "write `rate = <2%>`: the share of calls that get a fault";
const FAULT: &str = "write `fault = <error>`: the error in place of the body";
const LATENCY: &str = "write `latency = <100ms>`, or a range such as `100ms..2s`: a wait before the body";
const ARM: &str =
    "call `resilience::chaos::arm(limit)` in the program: only code can switch it on, and for a time";

/// The checked arguments.
pub(crate) struct Checked {
    rate: TokenStream,
    fault: Option<TokenStream>,
    lost: Option<TokenStream>,
    latency: Option<(TokenStream, TokenStream)>,
    panics: bool,
    setters: Vec<Setter>,
}

/// Reads the arguments.
fn check(input: Input<'_>) -> Option<Checked> {
    let Input { attr, entries, errors, .. } = input;
    // Their own messages say how the two are written.
    let names_rate = SPEC.names_any(&entries, &[RATE]);
    let names_kind = SPEC.names_any(&entries, &[FAULT, LATENCY]);
    let has = |name| entries.iter().any(|entry| entry.is(name));
    let (has_rate, has_kind) = (has("rate"), KINDS.into_iter().any(has));
    let mut reader = Reader::new(&SPEC, entries, errors);
    let rate = reader.value("rate", |tokens| value::ratio(tokens, "rate"));
    if !has_rate && !names_rate {
        errors.at_tokens(attr, "`chaos` needs the share of calls that get a fault\nhelp: write `rate = 2%`");
    }
    if !has_kind && !names_kind {
        errors.at_tokens(
            attr,
            "`chaos` has no fault to inject\n\
             help: write `fault = error`, `lost = error`, `latency = 100ms..2s` or `panic`",
        );
    }
    let fault = reader.value("fault", value::expression);
    let lost = reader.value("lost", value::expression);
    let latency = reader.value("latency", value::durations);
    let panics = reader.switch("panic").unwrap_or(false);
    let setters = Settings::read(&mut reader).setters;
    Some(Checked { rate: rate?, fault, lost, latency, panics, setters })
}

/// The keys of the kinds of faults.
const KINDS: [&str; 4] = ["fault", "lost", "latency", "panic"];

impl Checked {
    /// Returns a failure with the error `written`, in place of the outcome.
    fn failure(cx: &Context<'_>, written: &TokenStream) -> TokenStream {
        let at = value::mixed_span_of(written);
        let ty = &cx.ty;
        quote_spanned!(at=> __rt::injected::<#ty>(#written))
    }
}

impl Layer for Checked {
    fn traits(&self) -> Traits<'_> {
        Traits {
            injects: true,
            twice: Some(": their faults would add up\nhelp: write all kinds of faults in one"),
            ..Traits::default()
        }
    }

    fn site(&self, position: &Position, _: Stack<'_>) -> TokenStream {
        let here = Span::mixed_site();
        let (site, rate) = (&position.site, &self.rate);
        let kinds = [
            (self.fault.is_some(), "Error"),
            (self.lost.is_some(), "LostAnswer"),
            (self.latency.is_some(), "Latency"),
            (self.panics, "Panic"),
        ];
        let kinds = kinds.into_iter().filter(|(is_written, _)| *is_written);
        let kinds = kinds.map(|(_, kind)| proc_macro2::Ident::new(kind, here));
        let at = value::own_span_of(rate);
        let new = quote_spanned!(at=> __rt::Chaos::of(&__POINT, #rate, &[#(__rt::chaos::Fault::#kinds),*]));
        let chaos = Setter::all(&self.setters, &quote_spanned!(here=> __rt::Chaos), new);
        let latency = self.latency.as_ref().map(|(least, most)| {
            let at = value::own_span_of(least);
            quote_spanned!(at=> .latency(#least, #most))
        });
        quote_spanned!(here=> static #site: __rt::Chaos = #chaos #latency.checked();)
    }

    fn wrap(&self, _: &Context<'_>, _: &Position, inner: &TokenStream) -> TokenStream {
        // It is innermost, and so has wrapped the run of the body.
        inner.clone()
    }

    fn wrap_run(&self, cx: &Context<'_>, position: &Position, run: &TokenStream) -> Option<TokenStream> {
        let here = Span::mixed_site();
        let (site, label) = (&position.site, position.label());
        let fault = self.fault.as_ref().map(|fault| {
            let failure = Self::failure(cx, fault);
            quote_spanned!(here=> if (&__fault).is_error() { break #label #failure; })
        });
        let latency = self.latency.as_ref().map(|_| {
            if cx.is_async {
                quote_spanned!(here=> (&__fault).delay_async().await;)
            } else {
                quote_spanned!(here=> (&__fault).delay();)
            }
        });
        let lost = self.lost.as_ref().map(|lost| {
            let failure = Self::failure(cx, lost);
            quote_spanned!(here=> if (&__fault).is_lost_answer() { break #label #failure; })
        });
        Some(quote_spanned! {here=>
            let __outcome = #label: {
                let __fault = (&#site).next();
                #fault
                #latency
                #run
                #lost
                __outcome
            };
        })
    }
}
