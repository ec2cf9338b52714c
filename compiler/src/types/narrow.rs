//! What does a condition show about nulls?
//!
//! In: the condition as an expression of the plan, and whether it held. Out: the places that are then not null.

use flow_model::{
    expr::{BinaryOp, Expr, UnaryOp},
    value::Value,
};

use super::scope::Place;

/// The places that are not null when the condition is `truth`.
pub(crate) fn present(condition: &Expr, truth: bool) -> Vec<Place> {
    match condition {
        // A null stands where a mistake was reported: no condition is one.
        Expr::Literal(Value::Null) => vec![Place::anything()],
        Expr::Unary(UnaryOp::Not, inner) => present(inner, !truth),
        Expr::Binary(BinaryOp::And, left, right) if truth => both(present(left, true), present(right, true)),
        Expr::Binary(BinaryOp::Or, left, right) if !truth => both(present(left, false), present(right, false)),
        Expr::Binary(BinaryOp::And, left, right) => either(present(left, false), &present(right, false)),
        Expr::Binary(BinaryOp::Or, left, right) => either(present(left, true), &present(right, true)),
        Expr::Binary(op @ (BinaryOp::Equal | BinaryOp::NotEqual), left, right) => {
            let equal = (*op == BinaryOp::Equal) == truth;
            let compared = |with: &Expr| match with {
                Expr::Literal(Value::Null) => !equal,
                Expr::Literal(_) => equal,
                _ => false,
            };
            match (compared(right), compared(left)) {
                _ if matches!((&**left, &**right), (Expr::Literal(Value::Null), Expr::Literal(Value::Null))) => {
                    vec![Place::anything()]
                }
                (true, _) => Place::of(left).into_iter().collect(),
                (_, true) => Place::of(right).into_iter().collect(),
                _ => Vec::new(),
            }
        }
        _ => Vec::new(),
    }
}

/// What is known when both are.
fn both(mut left: Vec<Place>, right: Vec<Place>) -> Vec<Place> {
    left.extend(right);
    left
}

/// What is known when one of the two is.
pub(crate) fn either(left: Vec<Place>, right: &[Place]) -> Vec<Place> {
    if left.iter().chain(right).any(Place::is_anything) {
        return vec![Place::anything()];
    }
    left.into_iter().filter(|place| right.contains(place)).collect()
}
