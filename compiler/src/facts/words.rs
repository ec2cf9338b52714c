//! How an expression of a plan reads as Flow text again.
//!
//! In: an expression and the names of slots. Out: one line of text, for labels in drawings and for the sizes in facts.
//! Left out on purpose: exactness. Slots that the compiler made read as `…`, and what is long is not cut here.

use std::collections::BTreeMap;

use flow_model::{
    expr::{Ambient, Expr, ListPart, RecordPart, Slot, TextPart, UnaryOp},
    value::Value,
};

/// Writes the expression as its author might have.
pub(crate) fn words(expr: &Expr, slots: &BTreeMap<Slot, String>) -> String {
    let text = |expr: &Expr| words(expr, slots);
    let name = |slot: &Slot| slots.get(slot).cloned().unwrap_or_else(|| "…".to_owned());
    match expr {
        Expr::Literal(Value::String(content)) => format!("{content:?}"),
        Expr::Literal(value) => value.to_string(),
        Expr::Slot(slot) => name(slot),
        Expr::Ambient(ambient) => ambient_name(*ambient).to_owned(),
        Expr::Env(variable, _) => format!("env({variable:?})"),
        Expr::Text { parts, .. } => {
            let parts: String = parts
                .iter()
                .map(|part| match part {
                    TextPart::Fixed(fixed) => fixed.replace('"', "\\\"").replace('\n', "\\n"),
                    TextPart::Insert(insert) => format!("{{{}}}", text(insert)),
                })
                .collect();
            format!("\"{parts}\"")
        }
        Expr::Record(parts) => {
            let parts: Vec<_> = parts
                .iter()
                .map(|part| match part {
                    RecordPart::Field(field, value) => format!("{field}: {}", text(value)),
                    RecordPart::Spread(rest) => format!("...{}", text(rest)),
                })
                .collect();
            format!("{{ {} }}", parts.join(", "))
        }
        Expr::List(parts) => {
            let parts: Vec<_> = parts
                .iter()
                .map(|part| match part {
                    ListPart::Item(item) => text(item),
                    ListPart::Spread(rest) => format!("...{}", text(rest)),
                })
                .collect();
            format!("[{}]", parts.join(", "))
        }
        Expr::Member { of, name, null_safe } => format!("{}{}{name}", text(of), if *null_safe { "?." } else { "." }),
        Expr::Index(of, index) => format!("{}[{}]", text(of), text(index)),
        Expr::Unary(UnaryOp::Not, of) => format!("not {}", text(of)),
        Expr::Unary(UnaryOp::Negate, of) => format!("-{}", text(of)),
        Expr::Binary(op, left, right) => format!("{} {} {}", text(left), op.symbol(), text(right)),
        Expr::If(condition, then, otherwise) => {
            format!("if {} {{ {} }} else {{ {} }}", text(condition), text(then), text(otherwise))
        }
        Expr::Match { subject, .. } => format!("match {} {{ … }}", text(subject)),
        Expr::Let { then, .. } => text(then),
        Expr::Call(function, args) => call(function, args, slots),
        Expr::Lambda(params, body) => {
            let params: Vec<_> = params.iter().map(name).collect();
            match params.as_slice() {
                [one] => format!("{one} -> {}", text(body)),
                several => format!("({}) -> {}", several.join(", "), text(body)),
            }
        }
        Expr::Convert(of, ty) => format!("{} as {ty}", text(of)),
        Expr::Wire(of, _) | Expr::Whole(of, _) | Expr::Masked(of, _) => text(of),
    }
}

/// `List.map(xs, f)` reads `xs.map(f)`; `Money.minor(1, "eur")` and functions of the program read as they are.
fn call(function: &str, args: &[Expr], slots: &BTreeMap<Slot, String>) -> String {
    let text = |expr: &Expr| words(expr, slots);
    let is_static = function.starts_with("Money.") || !function.contains('.');
    match (function.split_once('.'), args) {
        // A constant is a function without parameters.
        (None, []) => function.to_owned(),
        (Some((_, method)), [receiver]) if !is_static => format!("{}.{method}", text(receiver)),
        (Some((_, method)), [receiver, rest @ ..]) if !is_static => {
            format!("{}.{method}({})", text(receiver), rest.iter().map(text).collect::<Vec<_>>().join(", "))
        }
        _ => format!("{function}({})", args.iter().map(text).collect::<Vec<_>>().join(", ")),
    }
}

fn ambient_name(ambient: Ambient) -> &'static str {
    match ambient {
        Ambient::Config => "config",
        Ambient::Body => "body",
        Ambient::Status => "status",
        Ambient::Headers => "headers",
        Ambient::Query => "query",
        Ambient::Signature => "signature",
        Ambient::Item => "",
        Ambient::Now => "now()",
        Ambient::Uuid => "uuid()",
        Ambient::Random => "random()",
    }
}
