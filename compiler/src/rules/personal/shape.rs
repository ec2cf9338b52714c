//! Which parts of a value are personal, and what says so?
//!
//! A shape follows the structure of values: fields of records, items of lists. What says that a part is personal is the
//! field that is marked `@pii`; of several, the first is kept.

use std::collections::BTreeMap;

use flow_model::{
    mask::Mask,
    span::Span,
    ty::{Field, Type, TypeDef},
};
use indexmap::IndexMap;

use crate::names::Names;

/// How many records deep marks are looked for; what is nested deeper is part of itself.
const DEEPEST: usize = 12;

/// The personal parts of a value.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Shape {
    /// What says that all of it is.
    pub whole: Option<Source>,
    /// Fields of a record.
    pub fields: BTreeMap<String, Shape>,
    /// Items of a list or stream, values of a map.
    pub items: Option<Box<Shape>>,
    /// Keys of a map.
    pub keys: Option<Source>,
}

/// What says that a value is personal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Source {
    /// The field or parameter: `Order.email`.
    pub name: String,
    /// Where it is declared, if that has a place.
    pub span: Option<Span>,
}

impl Shape {
    /// All of a value.
    pub(super) fn whole(source: Option<Source>) -> Self {
        Self { whole: source, ..Self::default() }
    }

    /// A list of such values.
    pub(super) fn list_of(items: Self) -> Self {
        Self { items: items.some().map(Box::new), ..Self::default() }
    }

    /// A record.
    pub(super) fn record(fields: impl IntoIterator<Item = (String, Self)>) -> Self {
        let fields = fields.into_iter().filter_map(|(name, shape)| Some((name, shape.some()?))).collect();
        Self { fields, ..Self::default() }
    }

    fn some(self) -> Option<Self> {
        (self != Self::default()).then_some(self)
    }

    /// What says that a part is personal, if one is.
    pub(super) fn any(&self) -> Option<&Source> {
        self.whole
            .as_ref()
            .or_else(|| self.fields.values().find_map(Self::any))
            .or_else(|| self.items.as_deref().and_then(Self::any))
            .or(self.keys.as_ref())
    }

    /// The personal parts of either.
    pub(super) fn join(mut self, other: Self) -> Self {
        self.whole = self.whole.or(other.whole);
        self.keys = self.keys.or(other.keys);
        for (name, field) in other.fields {
            let joined = self.fields.remove(&name).unwrap_or_default().join(field);
            self.fields.insert(name, joined);
        }
        self.items = match (self.items, other.items) {
            (Some(own), Some(theirs)) => Some(Box::new(own.join(*theirs))),
            (own, theirs) => own.or(theirs),
        };
        self
    }

    /// A field.
    pub(super) fn field(&self, name: &str) -> Self {
        let part = self.fields.get(name).or(self.items.as_deref()).cloned().unwrap_or_default();
        Self { whole: self.whole.clone().or(part.whole.clone()), ..part }
    }

    /// An item.
    pub(super) fn item(&self) -> Self {
        let part = self.items.as_deref().cloned().unwrap_or_default();
        // What reads an item of a record by a name that is computed may get any field.
        let part = self.fields.values().cloned().fold(part, Self::join);
        Self { whole: self.whole.clone().or(part.whole.clone()), ..part }
    }

    /// What hides the personal parts.
    pub(super) fn mask(&self) -> Mask {
        if self.whole.is_some() || self.keys.is_some() {
            return Mask::all();
        }
        Mask {
            whole: false,
            fields: self.fields.iter().map(|(name, field)| (name.clone(), field.mask())).collect(),
            items: self.items.as_ref().map(|items| Box::new(items.mask())),
        }
    }
}

/// The personal parts of the values of a type, as its declaration marks them.
pub(super) fn of_type(names: &Names<'_>, ty: &Type) -> Shape {
    of(names, ty, &mut Vec::new())
}

/// The personal parts of what fields hold. `owner` is what has the fields, for messages and places.
pub(super) fn of_field(names: &Names<'_>, owner: &str, name: &str, field: &Field) -> Shape {
    marked(names, owner, name, field, &mut Vec::new())
}

fn marked(names: &Names<'_>, owner: &str, name: &str, field: &Field, within: &mut Vec<String>) -> Shape {
    if field.pii {
        let span = names.field_spans.get(&(owner.to_owned(), name.to_owned())).copied();
        let name = if owner.is_empty() { name.to_owned() } else { format!("{owner}.{name}") };
        return Shape::whole(Some(Source { name, span }));
    }
    of(names, &field.ty, within)
}

fn of(names: &Names<'_>, ty: &Type, within: &mut Vec<String>) -> Shape {
    match ty {
        Type::Optional(inner) => of(names, inner, within),
        Type::List(item) | Type::Map(item) | Type::Stream(item) => Shape::list_of(of(names, item, within)),
        Type::Record(fields) => fields_of(names, "", fields, within),
        Type::Named(name) => {
            if within.len() >= DEEPEST || within.contains(name) {
                return Shape::default();
            }
            within.push(name.clone());
            let shape = match names.types.get(name) {
                Some(TypeDef::Record(fields) | TypeDef::Error(fields)) => fields_of(names, name, fields, within),
                Some(TypeDef::Union { cases, .. }) => {
                    cases.values().map(|case| of(names, case, within)).fold(Shape::default(), Shape::join)
                }
                Some(TypeDef::Enum(_)) | None => Shape::default(),
            };
            within.pop();
            shape
        }
        _ => Shape::default(),
    }
}

fn fields_of(names: &Names<'_>, owner: &str, fields: &IndexMap<String, Field>, within: &mut Vec<String>) -> Shape {
    Shape::record(fields.iter().map(|(name, field)| (name.clone(), marked(names, owner, name, field, within))))
}

/// What personal data of a value goes into a place that is not marked for it, and the field where it does.
pub(super) fn leak<'s>(names: &Names<'_>, shape: &'s Shape, field: &Field) -> Option<&'s Source> {
    if field.pii { None } else { into_type(names, shape, &field.ty, 0) }
}

fn into_type<'s>(names: &Names<'_>, shape: &'s Shape, ty: &Type, depth: usize) -> Option<&'s Source> {
    if depth > DEEPEST {
        return None;
    }
    match ty {
        Type::Optional(inner) => into_type(names, shape, inner, depth),
        Type::List(item) | Type::Map(item) | Type::Stream(item) => {
            let own = shape.whole.as_ref().or(shape.keys.as_ref());
            let parts = shape.items.as_deref().into_iter().chain(shape.fields.values());
            own.or_else(|| parts.into_iter().find_map(|part| into_type(names, part, item, depth + 1)))
        }
        _ => match names.types.fields(ty) {
            Some(fields) => {
                shape.whole.as_ref().or_else(|| {
                    shape.fields.iter().find_map(|(name, part)| match fields.get(name) {
                        Some(field) if field.pii => None,
                        Some(field) => into_type(names, part, &field.ty, depth + 1),
                        // What the place does not know of does not get there.
                        None => None,
                    })
                })
            }
            None => shape.any(),
        },
    }
}
