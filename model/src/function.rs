//! Standard functions: signature, doc and code in one entry, so that the compiler and the runtime can't disagree.
//!
//! `stdlib` has the table of entries. The compiler reads the signatures, the runtime calls the code.

use indexmap::IndexMap;

use crate::{failure::Failure, literal::Literal, ty::Type, value::Value};

/// A standard function.
#[derive(Clone, Copy)]
pub struct StandardFunction {
    /// How it is called, as in the reference: see [`Signature::parse`].
    pub signature: &'static str,
    /// What it does, in one sentence, and its errors.
    pub doc: &'static str,
    /// Flow expressions that are true: tests run them.
    pub examples: &'static [&'static str],
    /// The code. Arguments are complete and of the declared types.
    pub eval: fn(&[Argument<'_>]) -> Result<Value, Failure>,
}

/// An argument at run time.
pub enum Argument<'a> {
    /// A value.
    Value(Value),
    /// A lambda.
    Lambda(&'a dyn Fn(&[Value]) -> Result<Value, Failure>),
}

impl Argument<'_> {
    /// The value; null for a lambda, which the checks keep from happening.
    pub fn value(&self) -> &Value {
        match self {
            Self::Value(value) => value,
            Self::Lambda(_) => &Value::Null,
        }
    }

    /// Calls the lambda.
    ///
    /// # Errors
    /// What the lambda fails with.
    pub fn call(&self, args: &[Value]) -> Result<Value, Failure> {
        match self {
            Self::Lambda(lambda) => lambda(args),
            Self::Value(value) => Ok(value.clone()),
        }
    }
}

/// How a standard function is called.
#[derive(Clone, Debug, PartialEq)]
pub struct Signature {
    /// The key in [`Expr::Call`](crate::expr::Expr::Call): type and name, `List.map`, `Money.minor`.
    pub name: String,
    /// `x.map(…)` and `x.length` have the value before the dot as their first parameter, `self`.
    pub form: Form,
    /// Parameters in order, `self` included. A trailing `?` on the name marks one that may be left out; it is null then.
    pub params: IndexMap<String, Type>,
    /// Parameters that may be left out.
    pub optional: Vec<String>,
    /// What a literal must be like that is given to a parameter.
    pub literals: IndexMap<String, Literal>,
    /// Parameters that are given records whole: `@whole`.
    pub whole: Vec<String>,
    /// The result.
    pub result: Type,
}

/// How a standard function is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `Money.minor(1999, "eur")`
    Static,
    /// `xs.map(x -> x.id)`
    Method,
    /// `xs.length`
    Property,
}

impl Signature {
    /// Reads `List.map(self: List<T>, f: (T) -> U) -> List<U>`, `Money.minor(amount: Int, currency: String) -> Money`,
    /// `List.length: Int` (a property of `List<T>`; of any `T` for a generic type), `String.split(self: String, by:
    /// String, limit?: Int) -> List<String>`. The names of [`Literal`]s stand for `String` or `Int`, and `"a" | "b"` for a
    /// text that is one of these. `@whole` stands after a type as in declarations of connectors. Single upper-case letters are type variables; some stand for certain types only, see
    /// [`admits`].
    ///
    /// # Errors
    /// Says what does not read.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser { rest: text };
        let head = parser.word()?;
        parser.expect(".")?;
        let name = format!("{head}.{}", parser.word()?);
        if parser.take(":") {
            let result = parser.ty()?;
            let receiver = match head.as_str() {
                "List" => Type::List(Box::new(Type::Variable("T".into()))),
                "Map" => Type::Map(Box::new(Type::Variable("T".into()))),
                other => named(other, text)?,
            };
            let params = IndexMap::from([("self".to_owned(), receiver)]);
            let (optional, literals, whole) = (Vec::new(), IndexMap::new(), Vec::new());
            return parser.end(Self { name, form: Form::Property, params, optional, literals, whole, result });
        }
        parser.expect("(")?;
        let (mut params, mut optional) = (IndexMap::new(), Vec::new());
        let (mut literals, mut whole) = (IndexMap::new(), Vec::new());
        while !parser.take(")") {
            if !params.is_empty() {
                parser.expect(",")?;
            }
            let param = parser.word()?;
            if parser.take("?") {
                optional.push(param.clone());
            }
            parser.expect(":")?;
            let ty = match parser.literal() {
                Some(literal) => {
                    literals.insert(param.clone(), literal);
                    literal.ty()
                }
                None => parser.ty()?,
            };
            if parser.take("@whole") {
                whole.push(param.clone());
            }
            params.insert(param, ty);
        }
        parser.expect("->")?;
        let result = parser.ty()?;
        let form = if params.contains_key("self") { Form::Method } else { Form::Static };
        parser.end(Self { name, form, params, optional, literals, whole, result })
    }
}

/// Says whether a type variable may stand for a type: `N` for what can be added up (`Int`, `Decimal`, `Money`,
/// `Duration`, `Size`), `K` for what has an order (those, and `String`, `Timestamp`, `Date`, `Zoned`, `Bool`), every
/// other letter for any type.
pub fn admits(variable: &str, ty: &Type) -> bool {
    let adds = matches!(ty, Type::Int | Type::Decimal | Type::Money(_) | Type::Duration | Type::Size | Type::Unknown);
    match variable {
        "N" => adds,
        "K" => {
            adds || matches!(
                ty,
                Type::String
                    | Type::OneOf(_)
                    | Type::Email
                    | Type::Url
                    | Type::Uuid
                    | Type::Timestamp
                    | Type::Date
                    | Type::Zoned
                    | Type::Bool
            )
        }
        _ => true,
    }
}

fn named(name: &str, text: &str) -> Result<Type, String> {
    Ok(match name {
        "Bool" => Type::Bool,
        "String" => Type::String,
        "Int" => Type::Int,
        "Decimal" => Type::Decimal,
        "Bytes" => Type::Bytes,
        "Money" => Type::Money(None),
        "Timestamp" => Type::Timestamp,
        "Zoned" => Type::Zoned,
        "Date" => Type::Date,
        "Duration" => Type::Duration,
        "Size" => Type::Size,
        "Email" => Type::Email,
        "Url" => Type::Url,
        "Uuid" => Type::Uuid,
        "Json" => Type::Json,
        "File" => Type::File,
        variable if variable.len() == 1 => Type::Variable(variable.to_owned()),
        other => return Err(format!("`{other}` in `{text}` is no type")),
    })
}

struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    fn take(&mut self, token: &str) -> bool {
        let rest = self.rest.trim_start();
        match rest.strip_prefix(token) {
            Some(after) => {
                self.rest = after;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        if self.take(token) { Ok(()) } else { Err(format!("expected `{token}` before `{}`", self.rest)) }
    }

    fn word(&mut self) -> Result<String, String> {
        let rest = self.rest.trim_start();
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        self.rest = after;
        if word.is_empty() { Err(format!("expected a name before `{after}`")) } else { Ok(word.to_owned()) }
    }

    /// A text that stands for itself: `"keep"`.
    fn quoted(&mut self) -> Result<String, String> {
        self.expect("\"")?;
        let (text, after) = self.rest.split_once('"').ok_or_else(|| format!("`{}` has no end", self.rest))?;
        self.rest = after;
        Ok(text.to_owned())
    }

    /// The kind of literal that stands in the place of a type, if one does.
    fn literal(&mut self) -> Option<Literal> {
        let before = self.rest;
        let literal = self.word().ok().and_then(|word| Literal::named(&word));
        if literal.is_none() {
            self.rest = before;
        }
        literal
    }

    fn ty(&mut self) -> Result<Type, String> {
        let mut ty = if self.take("(") {
            let mut params = Vec::new();
            while !self.take(")") {
                if !params.is_empty() {
                    self.expect(",")?;
                }
                params.push(self.ty()?);
            }
            self.expect("->")?;
            return Ok(Type::Function(params, Box::new(self.ty()?)));
        } else if self.rest.trim_start().starts_with('"') {
            let mut alternatives = vec![self.quoted()?];
            while self.take("|") {
                alternatives.push(self.quoted()?);
            }
            Type::OneOf(alternatives)
        } else if self.take("{") {
            let mut fields = IndexMap::new();
            while !self.take("}") {
                if !fields.is_empty() {
                    self.expect(",")?;
                }
                let name = self.word()?;
                self.expect(":")?;
                fields.insert(name, crate::ty::Field::of(self.ty()?));
            }
            Type::Record(fields)
        } else {
            let name = self.word()?;
            match name.as_str() {
                "List" | "Map" | "Stream" => {
                    self.expect("<")?;
                    let item = Box::new(self.ty()?);
                    self.expect(">")?;
                    match name.as_str() {
                        "List" => Type::List(item),
                        "Map" => Type::Map(item),
                        _ => Type::Stream(item),
                    }
                }
                other => named(other, other)?,
            }
        };
        if self.take("?") {
            ty = ty.optional();
        }
        Ok(ty)
    }

    fn end(&self, signature: Signature) -> Result<Signature, String> {
        if self.rest.trim().is_empty() { Ok(signature) } else { Err(format!("`{}` is left over", self.rest)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_of_each_form_read() {
        let map = Signature::parse("List.map(self: List<T>, f: (T) -> U) -> List<U>").unwrap();
        assert_eq!((map.name.as_str(), map.form, map.params.len()), ("List.map", Form::Method, 2));
        assert_eq!(map.result.to_string(), "List<U>");
        let length = Signature::parse("List.length: Int").unwrap();
        assert_eq!((length.form, length.result), (Form::Property, Type::Int));
        let minor = Signature::parse("Money.minor(amount: Int, currency: String) -> Money").unwrap();
        assert_eq!(minor.form, Form::Static);
        let split = Signature::parse("String.split(self: String, by: String, limit?: Int) -> List<String>?").unwrap();
        assert_eq!((split.optional, split.result.is_nullable()), (vec!["limit".to_owned()], true));
        assert!(Signature::parse("String.odd(self: Strin) -> Int").is_err());
        let mode = Signature::parse(r#"Csv.text(rows: Json, mode?: "escape" | "keep") -> String"#).unwrap();
        assert_eq!(mode.params.get("mode"), Some(&Type::OneOf(vec!["escape".into(), "keep".into()])));
        let zoned = Signature::parse("Timestamp.in(self: Timestamp, zone: Zone) -> Zoned").unwrap();
        assert_eq!((zoned.params.get("zone"), zoned.literals.get("zone")), (Some(&Type::String), Some(&Literal::Zone)));
    }
}
