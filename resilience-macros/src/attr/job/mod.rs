//! `#[job("import:{id}", ..)]`.

mod arguments;

use self::arguments::{Argument, RecordedArgument, arguments};
use super::recorded::{
    OTHERWISE, around, borrowed_result, choice, first_key, settings, store, was, was_setter,
};
use crate::context::{Context, Position};
use crate::errors::Errors;
use crate::function::item::Item;
use crate::layer::{Definition, Input, Layer, Record, Stack, Traits};
use crate::syntax::keys::{self, Entry, Positional, Reader, Setting, Spec, Value, key, list_key, setting};
use crate::value::{self, Setter};
use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Error, GenericParam, Safety, Type};

pub(crate) static DEFINITION: Definition = Definition {
    spec: &SPEC,
    settings: &["durable::JobConfig"],
    word: "JOB",
    read: |input| Some(Box::new(check(input))),
};

const SPEC: Spec = Spec {
    attr: "job",
    keys: &[
        setting("version", "1", Setting::Count(0)),
        list_key("provided", "(argument, ..)"),
        key("on", "Type"),
        setting("max_recoveries", "10", Setting::Count(0)),
        setting("ttl", "30d", Setting::Own),
        setting("lease", "30s", Setting::TimeFrom("3ms")),
        setting("wait", "5m", Setting::Time),
        setting("on_mismatch", "rerun", Setting::Own),
        setting("on_corrupt", "rerun", Setting::Own),
        setting("rerun", "true", Setting::Switch),
        key("record_text", "true"),
        key("store", "expression"),
        key("was", "\"old:{id}\""),
    ],
    foreign: &[
        ("key", KEY),
        ("id", KEY),
        ("job_key", KEY),
        ("checkpoint_key", KEY),
        ("queue", "call the function, or spawn it: there are no queues"),
        ("retries", "put `#[with_retry(max = 3)]` below"),
        ("retry", "put `#[with_retry(max = 3)]` below"),
        ("max_attempts", "write `max_recoveries = <10>`: how many recoveries without progress end the job"),
        ("timeout", "put `#[timeout(2s)]` below for the body; `wait` is for another holder"),
        ("heartbeat", "write `lease = <30s>`: it is renewed every third of that"),
        ("error_text", "write `record_text`"),
        ("alias", "write `was = \"old:{id}\"`"),
        ("with", "write `provided(argument)`, and provide the value with `recover().provide(..)`"),
        ("skip", "write `provided(argument)`, and provide the value with `recover().provide(..)`"),
        ("backend", "write `store = expression`"),
        ("inputs", "leave it out: a job records all arguments, except the `provided(argument, ..)`"),
        ("in_job", "write it on the steps: `#[checkpoint(\"page:{n}\", in_job)]`"),
        ("on_store_error", "write it on the steps: `#[checkpoint(\"page:{n}\", on_store_error = run)]`"),
        ("rollback", "write it on the steps: `#[checkpoint(\"..\", rollback = path)]`"),
    ],
    positional: Positional::Key,
};

const KEY: &str = "write the key first, without a name: `#[job(\"import:{id}\")]`";

/// The checked arguments.
pub(crate) struct Checked {
    key: Option<value::RenderedKey>,
    name: TokenStream,
    /// The key rendered from the earlier name, `was`.
    earlier: Option<TokenStream>,
    setters: Vec<Setter>,
    on: Option<Type>,
    store: Option<TokenStream>,
    /// Where `record_text` is written, if it is on.
    records_text: Option<Span>,
    recorded: Vec<RecordedArgument>,
    arguments: Vec<Argument>,
}

/// Reads the arguments.
fn check(input: Input<'_>) -> Checked {
    let Input { attr, entries, options, item, errors } = input;
    let mut reader = Reader::new(&SPEC, entries, errors);
    let mut setters = settings(&mut reader);
    let text_at = reader.span_of("record_text");
    let records_text = reader.switch("record_text").and_then(|is_on| text_at.filter(|_| is_on));
    let was = was(&mut reader);
    setters.extend(was.as_ref().map(was_setter));
    setters.extend(choice(&mut reader, "on_mismatch", &OTHERWISE));
    setters.extend(choice(&mut reader, "on_corrupt", &OTHERWISE));
    let store = reader.value("store", value::expression);
    let on = reader.value("on", |tokens| {
        let span = value::span_of(&tokens);
        syn::parse2::<Type>(tokens).map_err(|_| Error::new(span, "expected a type: `on = App`"))
    });
    let provided = reader.take("provided").map(|entry| names(entry, item, errors)).unwrap_or_default();
    let before = errors.is_empty();
    // Without recorded arguments there is only one job, which any key identifies.
    let recorded = item.plain_names().into_iter().find(|name| !provided.contains(name));
    let refusal = recorded.map(|_| value::same_for_all(item, &provided, ""));
    let key = first_key(&mut reader, item, refusal.as_deref(), errors);
    if key.is_none() && before && errors.is_empty() {
        errors.at_tokens(attr, "`job` needs a key\nhelp: write `#[job(\"import:{id}\")]`");
    }
    let name = match (&options.name, key.as_ref().and_then(|key| key.template.clone())) {
        (Some(name), _) => name.to_token_stream(),
        (None, Some(template)) => template,
        (None, None) => {
            if key.is_some() {
                errors.at_tokens(
                    attr,
                    "a job whose key is an expression needs a name\nhelp: write `name = \"import\"`",
                );
            }
            quote!("")
        }
    };
    generics(item, errors);
    if let Safety::Unsafe(word) = &item.sig.safety {
        errors.at_tokens(
            word,
            "a job cannot be `unsafe`: recovery calls it after a crash, and cannot meet its safety conditions\n\
             help: call the `unsafe` function in the body of a safe one",
        );
    }
    borrowed_result(item, errors);
    let (recorded, arguments) = arguments(item, &provided, on.as_ref(), errors);
    // A job without `name` is named after its key: its earlier name is also an earlier key.
    let earlier = was.filter(|_| options.name.is_none());
    let earlier = earlier.and_then(|was| errors.ok(value::key(was.to_token_stream(), item, None)));
    let earlier = earlier.map(|key| key.rendered);
    Checked { key, name, earlier, setters, on, store, records_text, recorded, arguments }
}

fn names(entry: Entry, item: &Item, errors: &Errors) -> Vec<Ident> {
    let Value::List(list) = entry.value else {
        errors.at_span(entry.span, "`provided` needs a list\nhelp: write `provided(argument, ..)`");
        return Vec::new();
    };
    let bound = item.bound_names();
    let mut seen = Vec::new();
    let name = |entry: Entry| match (entry.key, entry.value) {
        (Some(name), Value::Word) if seen.contains(&name) => {
            errors.at_span(name.span(), keys::written_twice(&name.to_string()));
            None
        }
        (Some(name), Value::Word) if bound.contains(&name) => {
            seen.push(name.clone());
            Some(name)
        }
        (Some(name), Value::Word) => {
            errors.at_span(name.span(), item.has_no_argument(&name.to_string()));
            None
        }
        _ => {
            errors.at_span(entry.span, "expected the name of an argument");
            None
        }
    };
    keys::entries(list).into_iter().filter_map(name).collect()
}

fn generics(item: &Item, errors: &Errors) {
    for param in &item.sig.generics.params {
        if !matches!(param, GenericParam::Lifetime(_)) {
            errors.at_tokens(
                param,
                "a job cannot be generic: its record, from which it is called after a crash, has no types\n\
                 help: write a function for each type that calls the generic one",
            );
        }
    }
}

impl Layer for Checked {
    fn traits(&self) -> Traits<'_> {
        Traits {
            resumes: true,
            records: Some(Record {
                result: "the job's result",
                judged: "run the whole job again, or count it as one call",
                has_lease: true,
            }),
            without_failures: Some("be `Done` with the fallback's value"),
            ..Traits::default()
        }
    }

    fn site(&self, position: &Position, stack: Stack<'_>) -> TokenStream {
        let site = &position.site;
        let ty = quote!(__rt::Job);
        let name = &self.name;
        let policy = Setter::all(&self.setters, &ty, quote!(__rt::Job::new(#name)));
        let template = self.key.as_ref().and_then(|key| key.template.clone());
        let template = template.unwrap_or_else(|| quote!("an expression"));
        let needs = self.arguments.iter().filter_map(|Argument { needs, cfgs, .. }| {
            needs
                .as_ref()
                .map(|needs| quote_spanned!(Span::mixed_site()=> #(#cfgs)* __provided.get::<#needs>()?;))
        });
        let reads = self.arguments.iter().filter_map(|Argument { read, cfgs, .. }| {
            read.as_ref().map(|read| quote_spanned!(Span::mixed_site()=> #(#cfgs)* let _ = #read;))
        });
        let makes = self.arguments.iter().map(|Argument { make, cfgs, .. }| quote!(#(#cfgs)* #make));
        let passes = self.arguments.iter().map(|Argument { pass, cfgs, .. }| quote!(#(#cfgs)* #pass));
        let item = stack.item;
        let function = &item.sig.ident;
        // An argument of the same name would hide the function from the table.
        let hidden = item.bound_names().contains(function).then(|| quote!(self::));
        let path = self.on.as_ref().map_or_else(|| quote!(#hidden #function), |on| quote!(<#on>::#function));
        let call = if item.is_async() {
            quote!(__rt::Call::of_future(async move { let _ = #path(#(#passes),*).await; }))
        } else {
            quote!(__rt::Call::of_closure(move || { let _ = #path(#(#passes),*); }))
        };
        quote_spanned! {Span::mixed_site()=>
            #[__rt::linkme::distributed_slice(__rt::JOBS_0_1)]
            #[linkme(crate = __rt::linkme)]
            static #site: __rt::JobSite = __rt::JobSite::new(
                &__POINT,
                #template,
                #policy,
                |__provided| {
                    #(#needs)*
                    __rt::Ok(())
                },
                |__args| {
                    #(#reads)*
                    __rt::Ok(())
                },
                |__provided, __args| {
                    #(#makes)*
                    __rt::Ok(#call)
                },
            );
        }
    }

    fn wrap(&self, cx: &Context<'_>, position: &Position, inner: &TokenStream) -> TokenStream {
        let key = self.key.as_ref().map(|key| key.rendered.clone());
        let is_plain = self.recorded.iter().all(|recorded| recorded.cfgs.is_empty());
        let arguments = self.recorded.iter().map(|RecordedArgument { name, text, at, cfgs }| {
            let at = Span::mixed_site().located_at(*at);
            let argument = quote_spanned!(at=> .argument(#text, &#name));
            if is_plain { argument } else { quote_spanned!(at=> #(#cfgs)* let __args = __args #argument;) }
        });
        let earlier = self.earlier.as_ref().map(|key| quote!(.earlier(#key)));
        let store = store(self.store.as_ref());
        let args = if is_plain {
            quote!(__rt::Args::new()#(#arguments)* #earlier)
        } else {
            quote_spanned! {Span::mixed_site()=> {
                let __args = __rt::Args::new();
                #(#arguments)*
                __args #earlier
            }}
        };
        let begin = quote!(#key, #args, #store);
        let strategy = cx.handler.as_ref().map_or_else(
            || quote_spanned!(Span::mixed_site()=> |_| __rt::OnFailure::Fail),
            |recovery| quote_spanned!(Span::mixed_site()=> |__class| (&#recovery).wanted(__class)),
        );
        let body = if cx.is_async {
            quote_spanned! {Span::mixed_site()=>
                let __caught = __rt::InScope::new(
                    (&__running).scope(),
                    __rt::CatchPanic::new(async { #inner (__outcome, __verdict) }),
                )
                .await;
                let (__running, (__outcome, __verdict)) = __running.ran(__caught).await;
            }
        } else {
            quote_spanned! {Span::mixed_site()=>
                let (__running, (__outcome, __verdict)) = __running.run(|| {
                    #inner
                    (__outcome, __verdict)
                });
            }
        };
        let text = match self.records_text {
            None => {
                let at = Span::mixed_site().located_at(cx.return_at);
                quote_spanned!(at=> __rt::Outcome::probe(&__outcome).probed_text())
            }
            Some(at) => {
                let at = Span::mixed_site().located_at(at);
                quote_spanned!(at=> __rt::Outcome::judge(&__outcome).err().and_then(|__error| __rt::by_text(__error).text()))
            }
        };
        let body = quote_spanned! {Span::mixed_site()=>
            #body
            let __running = __running.saying(|| #text);
        };
        around(cx, position, &body, &begin, &strategy)
    }
}
