//! Values of expressions, kind by kind.

use std::collections::BTreeMap;

use flow_model::{
    expr::{Ambient, BinaryOp, Expr, Pattern, Slot, TextPart},
    failure::{ErrorKind, Failure},
    function::{Argument, StandardFunction},
    plan,
    ty::{Language, Type, Types},
    units::Millis,
    value::{Money, Value},
};

use super::{Environment, Evaluator, Frame, Library, Slots};
