//! `#[with_retry(max = 3, backoff = 2.0, ..)]`.

mod budget;
mod foreign;
mod schedule;
mod throttle;

use self::budget::{BudgetSource, budget, shared};
use self::foreign::WORDS;
use self::schedule::{Bounds, schedule};
use self::throttle::{Throttle, Throttled, check_throttle, throttle};
use crate::context::{Context, Position, pinned_local, retry_local};
use crate::errors::Errors;
use crate::layer::{Definition, Input, Layer, Stack, Traits};
use crate::syntax::keys::{self, Entry, Positional, Reader, Setting, Spec, Value, key, lists_key, setting};
use crate::value::{self, Rules, Setter};
use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};

pub(crate) static DEFINITION: Definition = Definition {
    spec: &SPEC,
    settings: &["policy::RetryConfig"],
    word: "RETRY",
    read: |input| Some(Box::new(check(input))),
};

const SPEC: Spec = Spec {
    attr: "with_retry",
    keys: &[
        setting("max", "3", Setting::Count(0)),
        setting("backoff", "2.0", Setting::Own),
        setting("base", "100ms", Setting::Time),
        setting("cap", "10s", Setting::Time),
        setting("jitter", "full", Setting::Own),
        setting("give_up_after", "30s", Setting::Lasting),
        setting("retry_after_cap", "60s", Setting::Time),
        setting("idempotent", "false", Setting::Switch),
        key("budget", "none"),
        key("throttle", "2.0"),
        lists_key("on", "(category, max = 5)"),
        key("when", "|error| .."),
        key("unless", "|error| .."),
        key("instance", "RETRY"),
        key("policy", "CONST"),
        setting("on_retry", "path", Setting::Hook),
        setting("on_give_up", "path", Setting::Hook),
    ],
    foreign: WORDS,
    positional: Positional::Nothing,
};

const RULE: Spec = Spec {
    attr: "on(..)",
    keys: &[
        setting("max", "5", Setting::Count(0)),
        setting("backoff", "2.0", Setting::Own),
        setting("base", "1s", Setting::Time),
        setting("cap", "10s", Setting::Time),
        setting("jitter", "full", Setting::Own),
    ],
    foreign: WORDS,
    positional: Positional::Category,
};

/// The checked arguments.
pub(crate) struct Checked {
    /// The policy that the program owns.
    instance: Option<TokenStream>,
    start: TokenStream,
    setters: Vec<Setter>,
    rules: Rules,
    on: Vec<TokenStream>,
    /// Whether the length of a call may matter, as far as the attribute shows.
    has_limit: bool,
    /// Where errors about combinations of settings are reported, if there are any to check.
    depends: Option<Span>,
    budget: BudgetSource,
    throttle: Option<Throttle>,
}

impl Checked {
    /// Returns whether the settings are those of a policy that the program owns.
    fn is_given(&self) -> bool {
        self.instance.is_some()
    }

    /// Returns whether a call has to know when it began.
    fn is_timed(&self) -> bool {
        self.has_limit || self.is_given()
    }

    /// Returns whether the wait before each attempt is in the future of the attempt: where nothing else has to know that
    /// the attempt begins. A throttle and a shared budget do, when its wait is over.
    fn joins_waits(&self, cx: &Context<'_>, position: &Position) -> bool {
        let has_arguments = cx.clones_arguments() && !cx.cloned.is_empty();
        let is_direct = cx.is_async && position.is_innermost && !cx.is_timed(position) && !has_arguments;
        let asks = self.is_timed() || self.throttle.is_some() || self.budget == BudgetSource::Settings;
        is_direct && !asks
    }

    /// Returns the key of the budget that pays, if each key has one.
    fn budget_key(&self, cx: &Context<'_>, position: &Position) -> Option<TokenStream> {
        value::whole_key(cx.key, cx.varied(position)).filter(|_| self.has_keyed_budgets(true))
    }

    /// Takes the settings from the policy that the program owns, at the start of a call.
    fn given(&self, position: &Position) -> Option<TokenStream> {
        let (own, given, here) = (&position.site, given_local(), Span::mixed_site());
        let instance = value::instance(self.instance.as_ref()?, &quote!(Retry));
        Some(quote_spanned!(here=> #instance let #given = (&#own).given(__instance);))
    }

    /// Returns the local that holds the call between its attempts, its value before the first of them, and its value
    /// before the next one, which `__retrying` waits for.
    fn attempts(&self, cx: &Context<'_>, position: &Position) -> (Ident, TokenStream, TokenStream) {
        let (here, site) = (Span::mixed_site(), self.handle(position));
        if self.joins_waits(cx, position) {
            let site = self.plain(position);
            let next = quote_spanned!(here=> __rt::Some(#site.again(__retrying)));
            return (again_local(), quote_spanned!(here=> #site.begin()), next);
        }
        let next = if cx.is_async {
            quote_spanned!(here=> #site.pause(__retrying).await)
        } else {
            quote_spanned!(here=> #site.sleep(__retrying))
        };
        (retry_local(), self.started(cx, position), next)
    }

    /// Returns the state that the call keeps of its attempts, before the first of them.
    fn started(&self, cx: &Context<'_>, position: &Position) -> TokenStream {
        let (here, site) = (Span::mixed_site(), self.handle(position));
        let start = Ident::new(if self.is_timed() { "start_timed" } else { "start" }, here);
        let timed = cx.is_timed(position).then(|| quote_spanned!(here=> .timed(&__POINT)));
        quote_spanned!(here=> #site.#start()#timed)
    }
}

/// Reads the arguments.
fn check(input: Input<'_>) -> Checked {
    let Input { entries, errors, .. } = input;
    let mut reader = Reader::new(&SPEC, entries, errors);
    let on = reader.take_all("on");
    let instance_at = reader.span_of("instance");
    let others = ["budget", "throttle", "policy"].iter().filter_map(|key| reader.span_of(key));
    let others = others.chain(on.iter().map(|entry| entry.span));
    let configured: Vec<_> = value::written(&reader).into_iter().chain(others).collect();
    let instance = reader.value("instance", value::expression);
    if let Some(at) = instance_at {
        value::not_beside_instance(errors, "retry", at, configured.into_iter());
    }
    let depends = reader.has_any(&["base", "cap", "jitter", "policy"]) || !on.is_empty();
    let give_up_at = reader.span_of("give_up_after");
    let depends = give_up_at.or_else(|| depends.then(Span::call_site));
    let has_policy = reader.has_any(&["policy"]);
    let has_limit = give_up_at.is_some() || has_policy;
    let (mut setters, bounds) = schedule(&mut reader);
    bounds.check(errors);
    let mut seen = Vec::new();
    let on: Vec<_> = on.into_iter().filter_map(|entry| rule(entry, &bounds, &mut seen, errors)).collect();
    let start = reader.value("policy", value::constant);
    let throttle = throttle(&mut reader);
    let budget = reader.value("budget", budget);
    let (budget, setter) = match budget {
        None if has_policy || instance_at.is_some() => (BudgetSource::Settings, None),
        None => (BudgetSource::Default, None),
        Some(budget) => budget,
    };
    if let Some((throttle, at)) = &throttle {
        let is_shared = budget == BudgetSource::Settings && setter.is_some();
        check_throttle(throttle, *at, budget, is_shared, errors);
    }
    let throttle = throttle.map(|(throttle, _)| throttle);
    setters.extend(setter);
    // The compiler reports mistakes in the combination of settings at the last one.
    setters.sort_by_key(|setter| setter.is("give_up_after"));
    let rules = Rules::read(&mut reader);
    let start = start.unwrap_or_default();
    Checked { instance, start, setters, rules, on, has_limit, depends, budget, throttle }
}

/// Returns the local that holds the attempt that is about to run, if it is not the first.
fn again_local() -> Ident {
    Ident::new("__again", Span::mixed_site())
}

/// Returns the local that holds the policy that the program owns.
fn given_local() -> Ident {
    Ident::new("__given", Span::mixed_site())
}

/// Returns the category that `entry` means, if it is a path to one: `Category::RateLimited`.
fn category_in(entry: &Entry) -> String {
    let last = match &entry.value {
        Value::Bare(tokens) => tokens.clone().into_iter().last().map(|token| token.to_string()),
        _ => None,
    };
    match value::CATEGORIES.iter().find(|(_, variant)| last.as_deref() == Some(variant)) {
        Some((word, _)) => format!("`{word}`"),
        None => "for instance `on(rate_limited, max = 5)`".to_owned(),
    }
}

/// Reads `on(category, max = .., ..)`.
fn rule(entry: Entry, around: &Bounds, seen: &mut Vec<Ident>, errors: &Errors) -> Option<TokenStream> {
    let Value::List(list) = entry.value else {
        errors.at_span(entry.span, "`on` needs a list\nhelp: write `on(category, max = 5, ..)`");
        return None;
    };
    let mut reader = Reader::inside(&SPEC, &RULE, keys::entries(list), errors);
    let (setters, bounds) = schedule(&mut reader);
    bounds.check_within(around, errors);
    let rest = reader.rest();
    for other in rest.iter().filter(|other| other.key.is_none()) {
        errors.at_span(
            other.span,
            format!("expected a category in snake case\nhelp: write {}", category_in(other)),
        );
    }
    let mut words = rest.iter().filter_map(|entry| entry.key.clone());
    let Some(word) = words.next() else {
        if rest.is_empty() {
            errors.at_span(
                entry.span,
                "expected a category first\nhelp: write for instance `on(rate_limited, max = 5)`",
            );
        }
        return None;
    };
    for second in words {
        let times = match second.to_string().as_str() {
            "never" | "none" => Some(0),
            "once" => Some(1),
            _ => None,
        };
        let help = times.map_or_else(
            || format!("write another `on({second}, ..)` for this one"),
            |times| format!("write how many retries: `on({word}, max = {times})`"),
        );
        errors.at_span(
            second.span(),
            format!("`on(..)` has one category, and then `key = value`\nhelp: {help}"),
        );
    }
    let category = errors.ok(value::category(&word))?;
    if seen.contains(&word) {
        errors.at_span(
            word.span(),
            format!("`{word}` already has a rule\nhelp: merge the two into one `on({word}, ..)`"),
        );
    }
    seen.push(word);
    let start = quote!(__rt::Rule::new(__rt::Category::#category));
    Some(Setter::all(&setters, &quote!(__rt::Rule), start))
}

/// Returns the settings as one expression.
fn policy(checked: &Checked) -> TokenStream {
    let ty = quote!(__rt::Retry);
    let start = if checked.start.is_empty() { quote!(#ty::new()) } else { value::typed(&checked.start, &ty) };
    let policy = Setter::all(&checked.setters, &ty, start);
    let on = match checked.on.as_slice() {
        [] => None,
        rules => Some(quote!(.on(&[#(#rules),*]))),
    };
    let together = checked.depends.map(|at| {
        let at = Span::mixed_site().located_at(at);
        quote_spanned!(at=> .checked())
    });
    quote!(#policy #on #together)
}

/// Returns whether the stack has a key for the budgets.
fn has_key(stack: Stack<'_>) -> bool {
    stack.any(|traits| traits.key.is_some()) || stack.varied().is_some()
}

impl Layer for Checked {
    fn traits(&self) -> Traits<'_> {
        Traits {
            loops: true,
            judges: true,
            reads_settings: !self.is_given(),
            shares_budget: self.budget == BudgetSource::Settings,
            twice: Some(
                " multiply their attempts\nhelp: keep one; `on(category, ..)` sets a rule for one category",
            ),
            without_failures: Some("see every call succeed and never retry"),
            ends_call: true,
            ..Traits::default()
        }
    }

    fn check_stack(&self, attr: &Ident, stack: Stack<'_>, errors: &Errors) {
        if self.budget == BudgetSource::PerKey && !has_key(stack) {
            errors.at_tokens(
                attr,
                "`budget = per_key` needs an attribute with `key = ..` on the same function\nhelp: add `key = ..` to its `circuit_breaker`, `bulkhead`, `rate_limit` or `hedge`, or remove `budget`",
            );
        }
    }

    fn paid_by(&self, position: &Position, has_key: bool) -> Option<TokenStream> {
        Some(self.budget(position, self.has_keyed_budgets(has_key)))
    }

    fn handle(&self, position: &Position) -> TokenStream {
        if !position.is_pinned {
            return self.unchanged(position);
        }
        let (site, settings) = (&position.site, pinned_local());
        quote_spanned!(Span::mixed_site()=> (&#site).pinned(#settings))
    }

    fn comparisons(&self, stack: Stack<'_>) -> TokenStream {
        let total = stack.total().filter(|_| !self.is_given()).map(|total| {
            let (limit, span) = (&total.tokens, total.span);
            quote_spanned!(span=> const _: () = __rt::check_waits(&__POLICY, #limit);)
        });
        total.unwrap_or_default()
    }

    fn site(&self, position: &Position, stack: Stack<'_>) -> TokenStream {
        let site = &position.site;
        let is_keyed = self.has_keyed_budgets(has_key(stack));
        let throttle = self.throttle.as_ref();
        let new = throttle.map_or_else(|| quote!(__rt::Budget::new), Throttle::budget);
        let budgets = is_keyed.then(|| {
            quote! {
                static __BUDGETS: __rt::KeyedBudgets = {
                    const fn __fresh() -> __rt::Keyed<__rt::Budget> { __rt::Keyed::new(#new) }
                    __rt::Site::new(__fresh(), __fresh)
                };
            }
        });
        let per_key = is_keyed.then(|| quote!(.per_key(&__BUDGETS)));
        if self.is_given() {
            return quote! {
                #budgets
                static #site: __rt::RetrySite = __rt::RetrySite::of_instance(&__POINT)#per_key;
            };
        }
        let throttled = throttle.map(Throttle::setter);
        let timed = (position.is_pinned && self.has_limit).then(|| quote!(.timed()));
        let policy = policy(self);
        let (named, policy) = if stack.total().is_some() {
            let named = quote!(const __POLICY: __rt::Retry = #policy;);
            (Some(named), quote!(__POLICY))
        } else {
            (None, policy)
        };
        quote! {
            #budgets
            #named
            static #site: __rt::RetrySite = __rt::RetrySite::new(&__POINT, #policy)#per_key #throttled #timed;
        }
    }

    fn await_attempt(
        &self,
        cx: &Context<'_>,
        position: &Position,
        future: &TokenStream,
    ) -> Option<TokenStream> {
        if !self.joins_waits(cx, position) {
            return None;
        }
        let (call, again) = (retry_local(), again_local());
        Some(quote_spanned! {Span::mixed_site()=>
            let (#call, __outcome) = __rt::attempt(#again, #future).await;
        })
    }

    fn passed(&self, cx: &Context<'_>, position: &Position) -> Option<TokenStream> {
        if !self.joins_waits(cx, position) || !cx.may_pass(position) {
            return None;
        }
        let (here, call, site) = (Span::mixed_site(), retry_local(), &position.site);
        let is_keyed = self.budget_key(cx, position).is_some();
        let ended = if self.has_own_budget(is_keyed) {
            quote_spanned!(here=> (&#site).ended(&#call))
        } else {
            let budget = self.budget(position, is_keyed);
            quote_spanned!(here=> (&#site).ended_with(&#call, #budget))
        };
        let ((counted, last), succeeded) = (position.passed(), cx.succeeded());
        Some(quote_spanned! {here=>
            if #succeeded && #ended #counted {
                break #last;
            }
        })
    }

    fn wrap(&self, cx: &Context<'_>, position: &Position, inner: &TokenStream) -> TokenStream {
        let site = &self.handle(position);
        let here = Span::mixed_site();
        let given = self.given(position);
        let clone_cells = cx.clone_cells();
        let key = self.budget_key(cx, position);
        let budgets = key
            .as_ref()
            .map(|key| quote_spanned!(here=> let __budget = __rt::Keyed::get(&__BUDGETS, &(#key));));
        let budget = self.budget(position, key.is_some());
        let settle = self.settled(cx, position, &budget, key.is_some());
        let (bound, last) = (position.bound(), position.ended());
        let throttled = Throttled::new(self, cx, position, key.is_some());
        let is_throttled = throttled.is_some();
        let Throttled { ask, attempt, ended } = throttled.unwrap_or_default();
        let admitted = is_throttled.then(|| quote_spanned!(here=> .admitted(&__throttled)));
        let share = quote_spanned!(here=> #site.share(#budget) #admitted);
        let (share, leave) = shared(cx, &share).unwrap_or_default();
        // Binding the verdict would copy it, even where it is `None`.
        let none = quote_spanned!(here=> __rt::None);
        let succeeded = position.given(&quote_spanned!(here=> __outcome), &none);
        let succeeded =
            position.ends_call.then(|| quote_spanned!(here=> __rt::Ok(__rt::None) => break #succeeded,));
        let kept = if position.is_outermost() { quote!(_) } else { quote_spanned!(here=> __verdict) };
        let (state, started, next) = self.attempts(cx, position);
        // An attempt drops everything it made, so that the future holds none of it while it waits.
        let attempts = position.looped(quote_spanned! {here=>
            let __retrying = {
                #attempt
                #share
                #inner
                #leave
                #ended
                match #settle {
                    #succeeded
                    __rt::Ok(#kept) => break #last,
                    __rt::Err(__retrying) => __retrying,
                }
            };
            #state = #next;
        });
        let call = quote_spanned! {here=>
            #budgets
            #given
            #ask
            #clone_cells
            let mut #state = #started;
            let #bound = #attempts;
        };
        if !is_throttled {
            return call;
        }
        let label = position.label();
        quote_spanned!(here=> let #bound = #label: { #call #bound };)
    }
}
