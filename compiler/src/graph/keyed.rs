//! Does a key tell the calls of a step apart?
//!
//! In: the key that the author gives to a call, and its other arguments. Out: a problem where calls that are given different
//! arguments would have the same key, since whoever is called does nothing for the second of them. Calls that are the same
//! in all may have one key: that is what a key is for.

use flow_model::{
    diagnostic::{Code, Diagnostic},
    expr::{Descend, Expr, Slot},
    span::Span,
    value::Value,
};

use super::lower::Lowering;

impl Lowering<'_> {
    /// Reports a key that is the same for all runs, or for all items of the loop around.
    pub(super) fn tells_apart(&mut self, key: &Expr, args: &[Expr], span: Span) {
        // What is no text was reported.
        if !matches!(key, Expr::Literal(Value::String(_))) && matches!(key, Expr::Literal(_)) {
            return;
        }
        let known = varies(key);
        let (message, label, help) = if !known.at_all && args.iter().any(|arg| varies(arg).at_all) {
            (
                "one key stands for different calls",
                "the same in each run".to_owned(),
                "name what the call is about, such as `key: order.id`: a call with a key that was seen before does nothing".to_owned(),
            )
        } else if let Some((item, name)) = self.items.last()
            && known.newest.is_none_or(|newest| newest < *item)
            && !known.is_new
            && args.iter().any(|arg| varies(arg).newest.is_some_and(|newest| newest >= *item))
        {
            (
                "one key stands for different calls",
                format!("the same for each `{name}`"),
                format!(
                    "put what tells the items apart into it, as in `key: \"{{order.id}}/{{{name}.id}}\"`: a call with a key that was seen before does nothing"
                ),
            )
        } else {
            return;
        };
        self.el.problems.push(Diagnostic::new(Code::E0609, message, span, label).help(help));
    }
}

/// What a value depends on.
#[derive(Default)]
struct Varies {
    /// Whether it may be another in another run.
    at_all: bool,
    /// Whether it is another each time that it is computed.
    is_new: bool,
    /// The innermost of the bindings that it is made of.
    newest: Option<Slot>,
}

fn varies(value: &Expr) -> Varies {
    let mut varies = Varies::default();
    let mut copy = value.clone();
    copy.each_mut(&mut |part| {
        match part {
            Expr::Slot(slot) => {
                varies.at_all = true;
                varies.newest = varies.newest.max(Some(*slot));
            }
            Expr::Ambient(_) => (varies.at_all, varies.is_new) = (true, true),
            _ => {}
        }
        Descend::Yes
    });
    varies
}
