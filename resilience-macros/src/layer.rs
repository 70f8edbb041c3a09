//! What an attribute is to the rest of its stack: one registration, one layer of the expansion, and traits that
//! the others ask about, so that no attribute has to know another.

use crate::context::{Context, Place};
use crate::errors::Errors;
use crate::function::item::Item;
use crate::options::Shared;
use crate::syntax::keys::{Entry, Spec};
use crate::value::Duration;
use proc_macro2::{Ident, Span, TokenStream};
use quote::quote_spanned;

/// The registration of one attribute.
pub(crate) struct Definition {
    pub(crate) spec: &'static Spec,
    /// The word in the names of the layer's `static` and label.
    pub(crate) word: &'static str,
    /// Reads the arguments; every mistake goes to the errors of the input.
    pub(crate) read: fn(Input<'_>) -> Option<Box<dyn Layer>>,
}

/// What an attribute reads: its own arguments, and the function.
pub(crate) struct Input<'a> {
    /// The attribute's name, spanned over the whole attribute.
    pub(crate) attr: &'a Ident,
    pub(crate) entries: Vec<Entry>,
    pub(crate) shared: &'a Shared,
    pub(crate) item: &'a Item,
    pub(crate) errors: &'a Errors,
}

/// One policy of a stack.
pub(crate) trait Layer {
    /// What the rest of the stack has to know of this use of the attribute.
    fn traits(&self) -> Traits<'_>;

    /// Reports what the stack lacks for this layer; `attr` is where the attribute is written.
    fn check_stack(&self, attr: &Ident, stack: Stack<'_>, errors: &Errors) {
        let _ = (attr, stack, errors);
    }

    /// Whether it uses the argument `name` after the body has run.
    fn uses(&self, name: &Ident) -> bool {
        let _ = name;
        false
    }

    /// The budget that pays for the attempts that it adds, for the layers below: an expression of an `Option`. Where
    /// the stack has a key, there may be one for each.
    fn paid_by(&self, place: &Place, has_key: bool) -> Option<TokenStream> {
        let _ = (place, has_key);
        None
    }

    /// The expression by which the layers below reach this one.
    fn handle(&self, place: &Place) -> TokenStream {
        let site = &place.site;
        quote_spanned!(Span::mixed_site()=> (&#site))
    }

    /// The layer's `static`.
    fn site(&self, place: &Place, stack: Stack<'_>) -> TokenStream;

    /// `const _` items that compare values with those of other layers.
    fn comparisons(&self, stack: Stack<'_>) -> TokenStream {
        let _ = stack;
        TokenStream::new()
    }

    /// `inner`, statements that bind an `__outcome` and its `__verdict`, with this layer around them: the same.
    fn wrap(&self, cx: &Context<'_>, place: &Place, inner: &TokenStream) -> TokenStream;

    /// `run`, a statement that binds the body's `__outcome`, with this layer around it, for a layer that takes the place
    /// of the body: what it returns is judged as the body's own.
    fn wrap_run(&self, cx: &Context<'_>, place: &Place, run: &TokenStream) -> Option<TokenStream> {
        let _ = (cx, place, run);
        None
    }

    /// An expression that awaits the body's own `future` with this layer around it, for a layer that does so at
    /// less cost than around statements: what the future gives is bound to `__outcome`, and `done` is the result.
    fn wrap_future(
        &self,
        cx: &Context<'_>,
        place: &Place,
        future: &TokenStream,
        done: &TokenStream,
    ) -> Option<TokenStream> {
        let _ = (cx, place, future, done);
        None
    }
}

/// What a layer says of itself. The default is a layer that runs what is below once and looks at nothing.
#[derive(Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a question of its own, asked by one rule")]
pub(crate) struct Traits<'a> {
    /// It runs what is below again after a failure, with a wait between: a retry.
    pub(crate) loops: bool,
    /// It may run what is below again for another reason: with another argument, or because it is slow.
    pub(crate) calls_again: bool,
    /// It may run what is below several times at once.
    pub(crate) copies: bool,
    /// It judges each attempt below by its outcome.
    pub(crate) judges: bool,
    /// It replaces failures, which the layers above do not see.
    pub(crate) hides_failures: bool,
    /// It replaces all of them.
    pub(crate) hides_all: bool,
    /// It decides what happens about the final failure.
    pub(crate) handles_failures: bool,
    /// It uses the arguments after the body has run.
    pub(crate) keeps_arguments: bool,
    /// It ends in the function's own body, where the call can be counted: its value is that of `Place::ended`.
    pub(crate) ends_call: bool,
    /// It takes what is below to another thread, and may abandon it there.
    pub(crate) moves_thread: bool,
    /// The function is called again after a crash.
    pub(crate) resumes: bool,
    /// It records the result.
    pub(crate) records: Option<Record>,
    /// The end of the sentence "two `X` on one function..": what a second one would do, and what to write instead. `None`
    /// where two make sense.
    pub(crate) twice: Option<&'static str>,
    /// The end of the sentence "this `X` would ..": what it would do if the layers below hid all failures.
    pub(crate) without_failures: Option<&'static str>,
    /// It admits calls, or refuses them, whatever they would return. The end of the sentence "this line would ..": what it
    /// would do above a record.
    pub(crate) admits: Option<&'static str>,
    /// It takes the place of the body in some calls, in builds that ask for it.
    pub(crate) injects: bool,
    /// It lets one call at a time run what is below.
    pub(crate) excludes: bool,
    /// It holds something until what is below has ended.
    pub(crate) holds: bool,
    /// It keeps separate state for each value of this expression.
    pub(crate) key: Option<&'a TokenStream>,
    /// It runs what is below with other values of this argument, each of which has its own state there.
    pub(crate) varies: Option<&'a Ident>,
    /// How long what is below may take.
    pub(crate) limit: Option<&'a Duration>,
    /// Its budget is one that other functions may have, too, which the body may call.
    pub(crate) shares_budget: bool,
    /// It reads its numbers in each call, where they may be others than in the last one.
    pub(crate) reads_settings: bool,
    /// The time within which it counts.
    pub(crate) window: Option<&'a Duration>,
    /// How long what is below may take before it counts as slow.
    pub(crate) slow: Option<&'a Duration>,
}

/// How rules speak of a layer that records the result.
pub(crate) struct Record {
    /// What the record is.
    pub(crate) result: &'static str,
    /// What a layer above that judges attempts would do.
    pub(crate) judged: &'static str,
    /// Whether it holds a lease of the record while the body runs.
    pub(crate) has_lease: bool,
}

/// One attribute of a function, read.
pub(crate) struct Stacked {
    /// The attribute's name, spanned over the whole attribute.
    pub(crate) attr: Ident,
    pub(crate) definition: &'static Definition,
    pub(crate) layer: Box<dyn Layer>,
}

impl Stacked {
    pub(crate) fn traits(&self) -> Traits<'_> {
        self.layer.traits()
    }
}

/// All layers of a function as the one at `at`, counted from the top, sees them.
#[derive(Clone, Copy)]
pub(crate) struct Stack<'a> {
    pub(crate) layers: &'a [Stacked],
    pub(crate) at: usize,
    pub(crate) item: &'a Item,
}

impl<'a> Stack<'a> {
    /// The traits of the layers above, from the top.
    pub(crate) fn above(self) -> impl Iterator<Item = Traits<'a>> {
        self.layers.iter().take(self.at).map(Stacked::traits)
    }

    /// The traits of the layers below, from the top.
    pub(crate) fn below(self) -> impl Iterator<Item = Traits<'a>> {
        self.layers.iter().skip(self.at + 1).map(Stacked::traits)
    }

    /// The argument whose value is part of every key here, because a layer above varies it.
    pub(crate) fn varied(self) -> Option<&'a Ident> {
        self.above().find_map(|traits| traits.varies)
    }

    /// Whether any layer is such.
    pub(crate) fn any(self, is_such: impl Fn(Traits<'_>) -> bool) -> bool {
        self.layers.iter().any(|layer| is_such(layer.traits()))
    }

    /// The limit of the whole call: the nearest above that is not itself run more than once. Of several the others
    /// are longer, or are reported.
    pub(crate) fn total(self) -> Option<&'a Duration> {
        self.above().take_while(|traits| !traits.loops).filter_map(|traits| traits.limit).last()
    }
}
