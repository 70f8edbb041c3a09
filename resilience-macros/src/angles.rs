//! Where a type among the tokens ends: its angle brackets are not groups.

use proc_macro2::{Spacing, TokenTree};

/// The angle brackets that are open while the tokens of a type go by.
#[derive(Default)]
pub(crate) struct Angles {
    open: u32,
    arrow: bool,
}

impl Angles {
    /// Takes the next token; whether the type has ended before it, at a comma or bracket around it.
    pub(crate) fn end_before(&mut self, token: &TokenTree) -> bool {
        let TokenTree::Punct(punct) = token else {
            self.arrow = false;
            return false;
        };
        match punct.as_char() {
            '<' => self.open += 1,
            // The second half of `->`.
            '>' if self.arrow => {}
            '>' | ',' if self.open == 0 => return true,
            '>' => self.open -= 1,
            _ => {}
        }
        self.arrow = punct.as_char() == '-' && punct.spacing() == Spacing::Joint;
        false
    }
}
