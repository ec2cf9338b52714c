//! The types of the language.

use std::{collections::BTreeMap, fmt, sync::Arc};

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::expr::Expr;

/// A type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Type {
    /// Not known because of an earlier mistake: fits everything and is never reported.
    Unknown,
    /// Of no value: the type of `fail` and `return`.
    Never,
    /// Of `null` alone.
    Null,
    /// `true` and `false`.
    Bool,
    /// Unicode text.
    String,
    /// A signed integer of 64 bits.
    Int,
    /// An exact decimal of 28 digits.
    Decimal,
    /// A sequence of bytes.
    Bytes,
    /// A decimal amount with an ISO 4217 currency; the currency where it is known at compile time.
    Money(Option<String>),
    /// A point in time; RFC 3339 in JSON.
    Timestamp,
    /// A point in time as the clocks of a time zone show it, `2026-01-31T11:00:00+01:00[Europe/Berlin]` in JSON
    /// (RFC 9557): what `timestamp.in("Europe/Berlin")` yields.
    Zoned,
    /// A calendar day; `2026-01-31` in JSON.
    Date,
    /// A length of time; `"90s"` in JSON.
    Duration,
    /// A number of bytes.
    Size,
    /// A string that has the form of an e-mail address.
    Email,
    /// A string that is an absolute URL.
    Url,
    /// A string that has the form of a UUID.
    Uuid,
    /// A string that is one of these: `"a" | "b"`.
    OneOf(Vec<String>),
    /// `List<T>`.
    List(Box<Type>),
    /// `Map<T>`: string keys.
    Map(Box<Type>),
    /// `Stream<T>`: pages fetched as `for` needs them.
    Stream(Box<Type>),
    /// A record without a name: `{ a: Int, b: String? }`.
    Record(IndexMap<String, Field>),
    /// A record, enum, union or error by its full name (`Order`, `stripe.PaymentIntent`): see [`Types`].
    Named(String),
    /// `T?`: may be null. Never holds another `Optional`.
    Optional(Box<Type>),
    /// Any JSON. Reading a member or an item of it yields `Json?`.
    Json,
    /// A handle to bytes on disk or in flight.
    File,
    /// A secret; flows into parameters declared secret only.
    Secret(Box<Type>),
    /// Text in which each insertion is bound or escaped for that language.
    Text(Language),
    /// A pure function of that many parameters: the type of lambdas.
    Function(Vec<Type>, Box<Type>),
    /// A type variable in the signature of a standard function: `T`.
    Variable(String),
}

impl Type {
    /// `T?`, without nesting.
    pub fn optional(self) -> Self {
        match self {
            already @ (Self::Optional(_) | Self::Null | Self::Unknown) => already,
            Self::Never => Self::Null,
            other => Self::Optional(Box::new(other)),
        }
    }

    /// The type without null.
    pub fn non_null(&self) -> &Self {
        match self {
            Self::Optional(inner) => inner,
            other => other,
        }
    }

    /// The type with other types in the place of its variables; variables without one stay.
    #[must_use]
    pub fn replaced(&self, with: &dyn Fn(&str) -> Option<Self>) -> Self {
        let inner = |ty: &Self| Box::new(ty.replaced(with));
        match self {
            Self::Variable(name) => with(name).unwrap_or_else(|| self.clone()),
            Self::Optional(of) => of.replaced(with).optional(),
            Self::List(of) => Self::List(inner(of)),
            Self::Map(of) => Self::Map(inner(of)),
            Self::Stream(of) => Self::Stream(inner(of)),
            Self::Secret(of) => Self::Secret(inner(of)),
            Self::Function(params, result) => {
                Self::Function(params.iter().map(|param| param.replaced(with)).collect(), inner(result))
            }
            Self::Record(fields) => {
                let field = |field: &Field| Field { ty: field.ty.replaced(with), ..field.clone() };
                Self::Record(fields.iter().map(|(name, of)| (name.clone(), field(of))).collect())
            }
            other => other.clone(),
        }
    }

    /// Says whether it is `Json`, or a list or map of that.
    pub fn is_json(&self) -> bool {
        match self.non_null() {
            Self::Json => true,
            Self::List(of) | Self::Map(of) => of.is_json(),
            _ => false,
        }
    }

    /// Says whether null is among the values.
    pub fn is_nullable(&self) -> bool {
        matches!(self, Self::Optional(_) | Self::Null | Self::Unknown)
    }
}

/// Writes the type as programs write it.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("_"),
            Self::Never => f.write_str("Never"),
            Self::Null => f.write_str("null"),
            Self::Bool => f.write_str("Bool"),
            Self::String => f.write_str("String"),
            Self::Int => f.write_str("Int"),
            Self::Decimal => f.write_str("Decimal"),
            Self::Bytes => f.write_str("Bytes"),
            Self::Money(_) => f.write_str("Money"),
            Self::Timestamp => f.write_str("Timestamp"),
            Self::Zoned => f.write_str("Zoned"),
            Self::Date => f.write_str("Date"),
            Self::Duration => f.write_str("Duration"),
            Self::Size => f.write_str("Size"),
            Self::Email => f.write_str("Email"),
            Self::Url => f.write_str("Url"),
            Self::Uuid => f.write_str("Uuid"),
            Self::OneOf(texts) => {
                for (index, text) in texts.iter().enumerate() {
                    if index > 0 {
                        f.write_str(" | ")?;
                    }
                    write!(f, "{text:?}")?;
                }
                Ok(())
            }
            Self::List(item) => write!(f, "List<{item}>"),
            Self::Map(item) => write!(f, "Map<{item}>"),
            Self::Stream(item) => write!(f, "Stream<{item}>"),
            Self::Record(fields) => {
                f.write_str("{")?;
                for (index, (name, field)) in fields.iter().enumerate() {
                    write!(f, "{} {name}: {}", if index > 0 { "," } else { "" }, field.ty)?;
                }
                f.write_str(" }")
            }
            Self::Named(name) | Self::Variable(name) => f.write_str(name),
            Self::Optional(inner) => match &**inner {
                Self::OneOf(_) | Self::Function(..) => write!(f, "({inner})?"),
                _ => write!(f, "{inner}?"),
            },
            Self::Json => f.write_str("Json"),
            Self::File => f.write_str("File"),
            Self::Secret(inner) => write!(f, "Secret<{inner}>"),
            Self::Text(language) => write!(f, "{language:?}"),
            Self::Function(params, result) => {
                f.write_str("(")?;
                for (index, param) in params.iter().enumerate() {
                    write!(f, "{}{param}", if index > 0 { ", " } else { "" })?;
                }
                write!(f, ") -> {result}")
            }
        }
    }
}

/// A language whose text literals bind or escape what is inserted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Language {
    /// SQL: insertions become bound parameters.
    Sql,
    /// Salesforce's SOQL: insertions become quoted literals.
    Soql,
    /// HTML: insertions are escaped as text and attribute values.
    Html,
    /// Slack's mrkdwn: `&`, `<` and `>` are escaped.
    Mrkdwn,
    /// Search queries of Google Drive: insertions are quoted.
    DriveQuery,
    /// The path of a URL: each insertion is one segment, or a part of one, and is escaped.
    UrlPath,
}

impl Language {
    /// All languages.
    pub const ALL: [Self; 6] = [Self::Sql, Self::Soql, Self::Html, Self::Mrkdwn, Self::DriveQuery, Self::UrlPath];
}

/// A field of a record, an error, a configuration or a parameter list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Field {
    /// What values it takes.
    pub ty: Type,
    /// Its name in JSON, where that differs: `from "createdAt"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json_name: Option<String>,
    /// What it is when absent. An absent nullable field without a default stays absent, and is read as null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Box<Expr>>,
    /// How the value is written in JSON, where that is not its type's usual form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// Bounds that are checked where data enters.
    #[serde(default, skip_serializing_if = "Bounds::is_empty")]
    pub bounds: Bounds,
    /// Personal data: `@pii`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pii: bool,
    /// Records are given whole to a parameter, with null where a field is absent: `@whole`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub whole: bool,
}

impl Field {
    /// A field that has nothing but a type.
    pub fn of(ty: Type) -> Self {
        Self { ty, json_name: None, default: None, format: None, bounds: Bounds::default(), pii: false, whole: false }
    }
}

/// An unusual written form of a field in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    /// A timestamp as seconds since 1970: `@unix`.
    UnixSeconds,
    /// A timestamp as milliseconds since 1970: `@unix_ms`.
    UnixMillis,
}

/// Bounds on the value of a field, checked where data enters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Bounds {
    /// Least value, or least length of a string or list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<rust_decimal::Decimal>,
    /// Greatest value, or greatest length of a string or list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<rust_decimal::Decimal>,
    /// A regular expression (syntax of the `regex` crate) that the whole string must match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
}

impl Bounds {
    /// Says whether nothing is bounded.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What a named type is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum TypeDef {
    /// `record R { … }`
    Record(IndexMap<String, Field>),
    /// `enum Tier { Pro, Standard }`: a string that is one of these names.
    Enum(Vec<String>),
    /// `union Shape on kind { circle => Circle }`: told apart by the text in one field.
    Union {
        /// The JSON name of the field that tells the cases apart.
        on: String,
        /// The text in that field → the case.
        cases: IndexMap<String, Type>,
    },
    /// `error E { … }`
    Error(IndexMap<String, Field>),
}

/// The named types of a plan or connector, by full name. Plans of one program share their definitions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Types(#[serde(with = "crate::shared")] pub BTreeMap<String, Arc<TypeDef>>);

impl Types {
    /// The definition of a name, if there is one.
    pub fn get(&self, name: &str) -> Option<&TypeDef> {
        self.0.get(name).map(Arc::as_ref)
    }

    /// The fields of a type that has fields: a record or an error, named or not.
    pub fn fields<'a>(&'a self, ty: &'a Type) -> Option<&'a IndexMap<String, Field>> {
        match ty {
            Type::Record(fields) => Some(fields),
            Type::Named(name) => match self.get(name)? {
                TypeDef::Record(fields) | TypeDef::Error(fields) => Some(fields),
                TypeDef::Enum(_) | TypeDef::Union { .. } => None,
            },
            _ => None,
        }
    }
}
