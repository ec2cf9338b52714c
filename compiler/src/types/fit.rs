//! May a value of one type stand where another is expected, and what is done to it then?
//!
//! In: two types and the definitions of named ones. Out: how the value fits, or that it does not; and the least type
//! that holds the values of two. Types fit by structure: a record with more fields stands for one with fewer. Literals
//! are checked elsewhere, against what is expected, and may do more (`"a@b.c"` is an `Email`).

use flow_model::{
    expr::{Expr, TextPart},
    ty::{Field, Language, Type, TypeDef, Types},
    value::Value,
};
use indexmap::IndexMap;

/// How a value fits a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    /// As it is.
    Same,
    /// An `Int` becomes a `Decimal`.
    Decimal,
    /// It is escaped for the language.
    Escaped(Language),
    /// It takes the names and formats that its type has in JSON.
    Json,
    /// Its UTF-8.
    Bytes,
    /// A file with these bytes, or with the UTF-8 of this text.
    File,
}

impl Fit {
    /// Says whether it is the same value in another form. Escaped text, bytes and files are something else.
    fn keeps_meaning(self) -> bool {
        matches!(self, Self::Same | Self::Decimal | Self::Json)
    }
}

/// How many types deep two types are compared; what is nested deeper refers to itself and is taken to fit.
const DEEPEST: u32 = 24;

/// Says how a value of type `from` may stand where `to` is expected.
pub(crate) fn fit(types: &Types, from: &Type, to: &Type) -> Option<Fit> {
    Fitting { types }.fit(from, to, 0)
}

/// The least type that holds the values of both, if there is one.
pub(crate) fn join(types: &Types, left: &Type, right: &Type) -> Option<Type> {
    Fitting { types }.join(left, right, 0)
}

/// Puts in what a fit needs.
pub(crate) fn apply(fit: Fit, expr: Expr, from: &Type) -> Expr {
    match (fit, expr) {
        (Fit::Same, expr) => expr,
        (Fit::Decimal, Expr::Literal(Value::Int(number))) => Expr::Literal(Value::Decimal(number.into())),
        (Fit::Decimal, expr) => Expr::Convert(Box::new(expr), Type::Decimal),
        (Fit::Escaped(language), expr) => Expr::Text { parts: vec![TextPart::Insert(expr)], language: Some(language) },
        (Fit::Bytes, expr) => Expr::Call("String.to_bytes".to_owned(), vec![expr]),
        (Fit::File, expr) => {
            let (function, name) = match from.non_null() {
                Type::Bytes => ("Bytes.to_file", "file"),
                _ => ("String.to_file", "file.txt"),
            };
            let name = Expr::Literal(Value::text(name));
            Expr::Call(function.to_owned(), vec![expr, name, Expr::Literal(Value::Null)])
        }
        (Fit::Json, expr) => Expr::Wire(Box::new(expr), from.clone()),
    }
}

/// Says whether the JSON form of values of a type has names or formats of its own.
pub(crate) fn has_wire_form(types: &Types, ty: &Type) -> bool {
    has_field(types, ty, &|field| field.json_name.is_some() || field.format.is_some())
}

/// Says whether values of a type, or what is in them, may lack a field.
pub(crate) fn may_lack_fields(types: &Types, ty: &Type) -> bool {
    has_field(types, ty, &|field| field.ty.is_nullable())
}

/// Says whether a type has such a field, or a type of its parts.
fn has_field(types: &Types, ty: &Type, is_it: &dyn Fn(&Field) -> bool) -> bool {
    fn within(types: &Types, ty: &Type, is_it: &dyn Fn(&Field) -> bool, seen: &mut Vec<String>) -> bool {
        let any = |fields: &IndexMap<String, Field>, seen: &mut Vec<String>| {
            fields.values().any(|field| is_it(field) || within(types, &field.ty, is_it, seen))
        };
        match ty {
            Type::List(inner) | Type::Map(inner) | Type::Stream(inner) | Type::Optional(inner) => {
                within(types, inner, is_it, seen)
            }
            Type::Record(fields) => any(fields, seen),
            Type::Named(name) if !seen.contains(name) => {
                seen.push(name.clone());
                match types.get(name) {
                    Some(TypeDef::Record(fields) | TypeDef::Error(fields)) => any(fields, seen),
                    Some(TypeDef::Union { cases, .. }) => cases.values().any(|case| within(types, case, is_it, seen)),
                    Some(TypeDef::Enum(_)) | None => false,
                }
            }
            _ => false,
        }
    }
    within(types, ty, is_it, &mut Vec::new())
}

/// Says whether a value of the type can hold a secret.
pub(crate) fn holds_secret(types: &Types, ty: &Type) -> bool {
    fn within(types: &Types, ty: &Type, seen: &mut Vec<String>) -> bool {
        match ty {
            Type::Secret(_) => true,
            Type::List(inner) | Type::Map(inner) | Type::Stream(inner) | Type::Optional(inner) => {
                within(types, inner, seen)
            }
            Type::Record(fields) => fields.values().any(|field| within(types, &field.ty, seen)),
            Type::Named(name) if !seen.contains(name) => {
                seen.push(name.clone());
                match types.get(name) {
                    Some(TypeDef::Record(fields) | TypeDef::Error(fields)) => {
                        fields.values().any(|field| within(types, &field.ty, seen))
                    }
                    Some(TypeDef::Union { cases, .. }) => cases.values().any(|case| within(types, case, seen)),
                    Some(TypeDef::Enum(_)) | None => false,
                }
            }
            _ => false,
        }
    }
    within(types, ty, &mut Vec::new())
}

/// The texts that a type allows, if it allows certain ones only.
pub(crate) fn texts<'t>(types: &'t Types, ty: &'t Type) -> Option<&'t [String]> {
    match ty {
        Type::OneOf(texts) => Some(texts),
        Type::Named(name) => match types.get(name)? {
            TypeDef::Enum(variants) => Some(variants),
            _ => None,
        },
        _ => None,
    }
}

/// Says whether values of the type are text that can be read as `String`.
pub(crate) fn is_text(types: &Types, ty: &Type) -> bool {
    matches!(ty, Type::String | Type::Email | Type::Url | Type::Uuid) || texts(types, ty).is_some()
}

struct Fitting<'t> {
    types: &'t Types,
}

impl Fitting<'_> {
    fn fit(&self, from: &Type, to: &Type, depth: u32) -> Option<Fit> {
        if from == to || depth > DEEPEST {
            return Some(Fit::Same);
        }
        let deeper = |from: &Type, to: &Type| self.fit(from, to, depth + 1);
        match (from, to) {
            (Type::Unknown | Type::Never, _) | (_, Type::Unknown | Type::Variable(_)) => Some(Fit::Same),
            (Type::Null, Type::Optional(_) | Type::Json) => Some(Fit::Same),
            (Type::Optional(from), Type::Optional(to)) => match deeper(from, to)? {
                // A null stays a null where the conversion is of the inner value alone.
                Fit::Escaped(_) | Fit::Bytes | Fit::File => None,
                fit => Some(fit),
            },
            (_, Type::Optional(to)) => deeper(from, to),
            (Type::Secret(from), Type::Secret(to)) => deeper(from, to).filter(|fit| *fit == Fit::Same),
            (from, Type::Json) => self.json(from),
            (Type::Int, Type::Decimal) => Some(Fit::Decimal),
            (Type::Money(_), Type::Money(_)) => Some(Fit::Same),
            (from, Type::Bytes) if is_text(self.types, from) => Some(Fit::Bytes),
            (from, Type::File) if *from == Type::Bytes || is_text(self.types, from) => Some(Fit::File),
            (from, Type::String) if is_text(self.types, from) => Some(Fit::Same),
            // A text that comes from elsewhere would be one value of the query, and never the query.
            (_, Type::Text(Language::Sql | Language::Soql | Language::DriveQuery | Language::UrlPath)) => None,
            (from, Type::Text(language)) if is_text(self.types, from) => Some(Fit::Escaped(*language)),
            (from, Type::OneOf(allowed)) => {
                let given = texts(self.types, from)?;
                given.iter().all(|text| allowed.contains(text)).then_some(Fit::Same)
            }
            (Type::List(from), Type::List(to))
            | (Type::Map(from), Type::Map(to))
            | (Type::Stream(from), Type::Stream(to)) => Self::nested(deeper(from, to)?),
            (Type::Function(given, from), Type::Function(wanted, to)) if given.len() == wanted.len() => {
                let params = given.iter().zip(wanted).all(|(given, wanted)| deeper(wanted, given) == Some(Fit::Same));
                deeper(from, to).filter(|fit| params && *fit == Fit::Same)
            }
            (Type::Record(_) | Type::Named(_), Type::Record(_) | Type::Named(_)) => self.record(from, to, depth),
            _ => None,
        }
    }

    /// What lies within a list or record is not converted; an `Int` is a good `Decimal` wherever it lies.
    fn nested(fit: Fit) -> Option<Fit> {
        matches!(fit, Fit::Same | Fit::Decimal).then_some(Fit::Same)
    }

    fn record(&self, from: &Type, to: &Type, depth: u32) -> Option<Fit> {
        if let Type::Named(name) = to
            && let Some(TypeDef::Union { on, cases }) = self.types.get(name)
        {
            return self.case(from, on, cases);
        }
        let (given, wanted) = (self.types.fields(from)?, self.types.fields(to)?);
        let fits = wanted.iter().all(|(name, field)| match given.get(name) {
            Some(given) => self.fit(&given.ty, &field.ty, depth + 1).and_then(Self::nested).is_some(),
            None => field.ty.is_nullable() && field.default.is_none(),
        });
        fits.then_some(Fit::Same)
    }

    /// A case stands for its union when it holds the text by which it is told.
    fn case(&self, from: &Type, on: &str, cases: &IndexMap<String, Type>) -> Option<Fit> {
        let (tag, _) = cases.iter().find(|(_, case)| *case == from)?;
        let (_, field) =
            self.types.fields(from)?.iter().find(|(name, field)| field.json_name.as_deref().unwrap_or(name) == on)?;
        matches!(&field.ty, Type::OneOf(texts) if texts.as_slice() == std::slice::from_ref(tag)).then_some(Fit::Same)
    }

    fn json(&self, from: &Type) -> Option<Fit> {
        let has_none = |ty: &Type| matches!(ty, Type::Function(..) | Type::File | Type::Stream(_) | Type::Secret(_));
        if has_none(from.non_null()) || holds_secret(self.types, from) {
            return None;
        }
        Some(if has_wire_form(self.types, from) { Fit::Json } else { Fit::Same })
    }

    fn join(&self, left: &Type, right: &Type, depth: u32) -> Option<Type> {
        if left == right || depth > DEEPEST {
            return Some(left.clone());
        }
        match (left, right) {
            (Type::Unknown, _) | (_, Type::Unknown) => Some(Type::Unknown),
            (Type::Never, other) | (other, Type::Never) => Some(other.clone()),
            (Type::Null, other) | (other, Type::Null) => Some(other.clone().optional()),
            (Type::Optional(_), _) | (_, Type::Optional(_)) => {
                Some(self.join(left.non_null(), right.non_null(), depth + 1)?.optional())
            }
            (Type::Money(_), Type::Money(_)) => Some(Type::Money(None)),
            (Type::OneOf(left), Type::OneOf(right)) => {
                let mut all = left.clone();
                all.extend(right.iter().filter(|text| !left.contains(text)).cloned());
                Some(Type::OneOf(all))
            }
            (Type::List(left), Type::List(right)) => Some(Type::List(Box::new(self.join(left, right, depth + 1)?))),
            (Type::Map(left), Type::Map(right)) => Some(Type::Map(Box::new(self.join(left, right, depth + 1)?))),
            (Type::Record(left), Type::Record(right)) => self.join_records(left, right, depth),
            _ if self.fit(left, right, depth).is_some_and(Fit::keeps_meaning) => Some(right.clone()),
            _ if self.fit(right, left, depth).is_some_and(Fit::keeps_meaning) => Some(left.clone()),
            _ if is_text(self.types, left) && is_text(self.types, right) => Some(Type::String),
            _ => None,
        }
    }

    /// Records join field by field; a field that one of them lacks is null there.
    fn join_records(
        &self,
        left: &IndexMap<String, Field>,
        right: &IndexMap<String, Field>,
        depth: u32,
    ) -> Option<Type> {
        let mut fields = IndexMap::new();
        for (name, field) in left {
            let ty = match right.get(name) {
                Some(other) => self.join(&field.ty, &other.ty, depth + 1)?,
                None => field.ty.clone().optional(),
            };
            fields.insert(name.clone(), Field::of(ty));
        }
        for (name, field) in right {
            if !left.contains_key(name) {
                fields.insert(name.clone(), Field::of(field.ty.clone().optional()));
            }
        }
        Some(Type::Record(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn types() -> Types {
        let mut types = Types::default();
        let record = |fields: &[(&str, Type)]| {
            TypeDef::Record(fields.iter().map(|(name, ty)| ((*name).to_owned(), Field::of(ty.clone()))).collect())
        };
        types.0.insert("Point".into(), record(&[("x", Type::Int), ("y", Type::Int)]).into());
        types.0.insert("Note".into(), record(&[("x", Type::Int), ("note", Type::String.optional())]).into());
        types.0.insert("Tree".into(), record(&[("next", Type::Named("Tree".into()).optional())]).into());
        types.0.insert("Tier".into(), TypeDef::Enum(vec!["Pro".into(), "Standard".into()]).into());
        let mut renamed = Field::of(Type::Timestamp);
        renamed.json_name = Some("createdAt".into());
        types.0.insert("Event".into(), TypeDef::Record(IndexMap::from([("created_at".into(), renamed)])).into());
        types
    }

    fn named(name: &str) -> Type {
        Type::Named(name.into())
    }

    #[test]
    fn what_fits_and_how() {
        let types = types();
        let fits = |from: &Type, to: &Type| fit(&types, from, to);
        assert_eq!(fits(&Type::Int, &Type::Decimal.optional()), Some(Fit::Decimal));
        assert_eq!(fits(&Type::Decimal, &Type::Int), None);
        assert_eq!(fits(&Type::String.optional(), &Type::String), None);
        assert_eq!(fits(&Type::Email, &Type::String), Some(Fit::Same));
        assert_eq!(fits(&Type::String, &Type::Email), None);
        assert_eq!(fits(&named("Tier"), &Type::String), Some(Fit::Same));
        assert_eq!(fits(&Type::String, &Type::Text(Language::Mrkdwn)), Some(Fit::Escaped(Language::Mrkdwn)));
        assert_eq!(fits(&named("Point"), &named("Note")), Some(Fit::Same), "an absent nullable field is null");
        assert_eq!(fits(&named("Note"), &named("Point")), None);
        assert_eq!(fits(&named("Tree"), &named("Tree")), Some(Fit::Same));
        assert_eq!(fits(&named("Event"), &Type::Json), Some(Fit::Json));
        assert_eq!(fits(&Type::Secret(Box::new(Type::String)), &Type::Json), None);
        assert_eq!(fits(&Type::Json, &Type::String), None);
        assert_eq!(fits(&Type::Bytes, &Type::File.optional()), Some(Fit::File));
        assert_eq!(fits(&Type::File, &Type::Bytes), None);
        assert_eq!(fits(&Type::List(Box::new(Type::String)), &Type::List(Box::new(Type::File))), None);
        assert_eq!(fits(&Type::List(Box::new(Type::Never)), &Type::List(Box::new(Type::Int))), Some(Fit::Same));
    }

    #[test]
    fn what_two_types_have_in_common() {
        let types = types();
        let joined = |left: &Type, right: &Type| join(&types, left, right).map(|ty| ty.to_string());
        assert_eq!(joined(&Type::Int, &Type::Null).as_deref(), Some("Int?"));
        assert_eq!(joined(&Type::Int.optional(), &Type::Decimal).as_deref(), Some("Decimal?"));
        assert_eq!(joined(&Type::Email, &Type::Url).as_deref(), Some("String"));
        assert_eq!(joined(&Type::Int, &Type::String), None);
        assert_eq!(joined(&Type::String, &Type::Bytes), None);
        assert_eq!(joined(&Type::String, &Type::File), None);
        let one = Type::OneOf(vec!["a".into()]);
        assert_eq!(joined(&one, &Type::OneOf(vec!["b".into()])).as_deref(), Some("\"a\" | \"b\""));
        assert_eq!(joined(&Type::Never, &named("Point")).as_deref(), Some("Point"));
    }
}
