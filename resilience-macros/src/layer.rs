//! What the stack knows of an attribute: its registration, its layer of the expansion, and traits that other layers
//! ask about, so that no attribute has to know another.

use crate::context::{Context, Position};
use crate::errors::Errors;
use crate::function::item::Item;
use crate::options::FunctionOptions;
use crate::syntax::keys::{Entry, Spec};
use crate::value::Duration;
use proc_macro2::{Ident, Span, TokenStream};
use quote::quote_spanned;

/// The registration of one attribute.
pub(crate) struct Definition {
    pub(crate) spec: &'static Spec,
    /// The types of its settings at run time, one for each form, as paths in `resilience`, with a condition if the
    /// attribute does not have it. A configuration changes the settings of these.
    pub(crate) settings: &'static [&'static str],
    /// The word in the names of the layer's `static` and label.
    pub(crate) word: &'static str,
    /// Reads the arguments; every mistake goes to the errors of the input.
    pub(crate) read: fn(Input<'_>) -> Option<Box<dyn Layer>>,
}

/// The input of an attribute: its own arguments, and the function.
pub(crate) struct Input<'a> {
    /// The attribute's name, spanned over the whole attribute.
    pub(crate) attr: &'a Ident,
    pub(crate) entries: Vec<Entry>,
    pub(crate) options: &'a FunctionOptions,
    pub(crate) item: &'a Item,
    pub(crate) errors: &'a Errors,
}

/// One policy of a stack.
pub(crate) trait Layer {
    /// Returns the facts about this use of the attribute that the rest of the stack has to know.
    fn traits(&self) -> Traits<'_>;

    /// Reports what the stack lacks for this layer; `attr` is where the attribute is written.
    fn check_stack(&self, attr: &Ident, stack: Stack<'_>, errors: &Errors) {
        let _ = (attr, stack, errors);
    }

    /// Returns whether the layer uses the argument `name` after the body has run.
    fn uses(&self, name: &Ident) -> bool {
        let _ = name;
        false
    }

    /// Returns the budget that pays for the attempts that the layer adds, for the layers below: an expression of an
    /// `Option`. If the stack has a key, there may be one for each.
    fn paid_by(&self, position: &Position, has_key: bool) -> Option<TokenStream> {
        let _ = (position, has_key);
        None
    }

    /// Returns the expression by which the layers below reach this one.
    fn handle(&self, position: &Position) -> TokenStream {
        let site = &position.site;
        quote_spanned!(Span::mixed_site()=> (&#site))
    }

    /// Returns the layer's `static`.
    fn site(&self, position: &Position, stack: Stack<'_>) -> TokenStream;

    /// Returns `const _` items that compare values with those of other layers.
    fn comparisons(&self, stack: Stack<'_>) -> TokenStream {
        let _ = stack;
        TokenStream::new()
    }

    /// Wraps `inner`, statements that bind an `__outcome` and its `__verdict`, in this layer, which binds the same.
    fn wrap(&self, cx: &Context<'_>, position: &Position, inner: &TokenStream) -> TokenStream;

    /// Wraps `run`, a statement that binds the body's `__outcome`, in this layer, if the layer takes the place
    /// of the body: its result is judged like the body's own.
    fn wrap_run(&self, cx: &Context<'_>, position: &Position, run: &TokenStream) -> Option<TokenStream> {
        let _ = (cx, position, run);
        None
    }

    /// Returns the statement that awaits one attempt of a retry, whose body is `future`, if the layer has the wait before
    /// the attempt in the same future: it binds the state of the call and the `__outcome`.
    fn await_attempt(
        &self,
        cx: &Context<'_>,
        position: &Position,
        future: &TokenStream,
    ) -> Option<TokenStream> {
        let _ = (cx, position, future);
        None
    }

    /// Returns the statement before the body's `__outcome` is judged. It ends the layer if the call has succeeded and the
    /// layer has nothing more to do.
    fn passed(&self, cx: &Context<'_>, position: &Position) -> Option<TokenStream> {
        let _ = (cx, position);
        None
    }

    /// Returns an expression that awaits the body's own `future` with this layer around it, for a layer that does so at
    /// less cost than around statements: the result of the future is bound to `__outcome`, and `done` is the end of a block
    /// that makes the layer's own result of it. It has [`passed`](Self::passed) inside.
    fn wrap_future(
        &self,
        cx: &Context<'_>,
        position: &Position,
        future: &TokenStream,
        done: &TokenStream,
    ) -> Option<TokenStream> {
        let _ = (cx, position, future, done);
        None
    }
}

/// The traits of a layer. The default is a layer that runs the layers below once and looks at nothing.
#[derive(Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a question of its own, asked by one rule")]
pub(crate) struct Traits<'a> {
    /// Whether it runs the layers below again after a failure, with a wait between: a retry.
    pub(crate) loops: bool,
    /// Whether it may run the layers below again for another reason: with another argument, or because they are slow.
    pub(crate) calls_again: bool,
    /// Whether it may run the layers below several times at once.
    pub(crate) copies: bool,
    /// Whether it judges each attempt below by its outcome.
    pub(crate) judges: bool,
    /// Whether it replaces failures, which the layers above do not see.
    pub(crate) hides_failures: bool,
    /// Whether it replaces all failures.
    pub(crate) hides_all: bool,
    /// Whether it decides the handling of the final failure.
    pub(crate) handles_failures: bool,
    /// Whether it uses the arguments after the body has run.
    pub(crate) keeps_arguments: bool,
    /// Whether it ends in the function's own body, where the call can be counted: its value is that of
    /// `Position::ended`.
    pub(crate) ends_call: bool,
    /// Whether it moves the layers below to another thread, and may abandon them there.
    pub(crate) moves_thread: bool,
    /// Whether the function is called again after a crash.
    pub(crate) resumes: bool,
    /// The words about the record, for a layer that records the result.
    pub(crate) records: Option<Record>,
    /// The end of the sentence "two `X` on one function..": the effect of a second one, and what to write instead.
    /// `None` if two make sense.
    pub(crate) twice: Option<&'static str>,
    /// The end of the sentence "this `X` would ..": what it would do if the layers below hid all failures.
    pub(crate) without_failures: Option<&'static str>,
    /// For a layer that admits or refuses calls, whatever they would return: the end of the sentence "this line would
    /// ..": the effect above a record.
    pub(crate) admits: Option<&'static str>,
    /// Whether it takes the place of the body in some calls, in builds that ask for it.
    pub(crate) injects: bool,
    /// Whether it lets one call at a time run the layers below.
    pub(crate) excludes: bool,
    /// Whether it holds a resource until the layers below have ended.
    pub(crate) holds: bool,
    /// The expression for each of whose values it keeps separate state.
    pub(crate) key: Option<&'a TokenStream>,
    /// The argument that it varies: the layers below run with other values of it, each with its own state there.
    pub(crate) varies: Option<&'a Ident>,
    /// The argument that it passes anew to each call of the layers below.
    pub(crate) renews: Option<&'a Ident>,
    /// The time limit of the layers below.
    pub(crate) limit: Option<&'a Duration>,
    /// Whether it has a budget that other functions may have, too, which the body may call.
    pub(crate) shares_budget: bool,
    /// Whether it reads its numbers in each call, where they may differ from those in the last one.
    pub(crate) reads_settings: bool,
    /// The time within which it counts.
    pub(crate) window: Option<&'a Duration>,
    /// The time from which the layers below count as slow.
    pub(crate) slow: Option<&'a Duration>,
}

/// The words of rules for a layer that records the result.
pub(crate) struct Record {
    /// The name of the record.
    pub(crate) result: &'static str,
    /// The effect of a layer above that judges attempts.
    pub(crate) judged: &'static str,
    /// Whether the layer holds a lease of the record while the body runs.
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
    /// Returns the traits of the layers above, from the top.
    pub(crate) fn above(self) -> impl Iterator<Item = Traits<'a>> {
        self.layers.iter().take(self.at).map(Stacked::traits)
    }

    /// Returns the traits of the layers below, from the top.
    pub(crate) fn below(self) -> impl Iterator<Item = Traits<'a>> {
        self.layers.iter().skip(self.at + 1).map(Stacked::traits)
    }

    /// Returns the argument whose value is part of every key here, because a layer above varies it.
    pub(crate) fn varied(self) -> Option<&'a Ident> {
        self.above().find_map(|traits| traits.varies)
    }

    /// Returns whether any layer has traits for which `is_such` is true.
    pub(crate) fn any(self, is_such: impl Fn(Traits<'_>) -> bool) -> bool {
        self.layers.iter().any(|layer| is_such(layer.traits()))
    }

    /// Returns the limit of the whole call: the nearest above that is not itself run more than once. Of several the
    /// others are longer, or are reported.
    pub(crate) fn total(self) -> Option<&'a Duration> {
        self.above().take_while(|traits| !traits.loops).filter_map(|traits| traits.limit).last()
    }
}
