//! A name in a schema that may be computed: written as text where it is fixed, as all of them were once.

use serde::{Deserialize, Deserializer, Serialize as _, Serializer};

use crate::{expr::Expr, value::Value};

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Fixed(String),
    Computed(Expr),
}

pub(super) fn serialize<S: Serializer>(name: &Expr, serializer: S) -> Result<S::Ok, S::Error> {
    match name {
        Expr::Literal(Value::String(text)) => serializer.serialize_str(text),
        name => name.serialize(serializer),
    }
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Expr, D::Error> {
    Ok(match Written::deserialize(deserializer)? {
        Written::Fixed(text) => Expr::Literal(Value::text(text)),
        Written::Computed(expr) => expr,
    })
}

#[cfg(test)]
mod tests {
    use crate::{
        expr::{Ambient, Expr},
        schema::Auth,
        value::Value,
    };

    #[test]
    fn a_fixed_name_is_written_as_before_and_a_computed_one_comes_back() {
        let key = || Expr::Literal(Value::text("k"));
        let fixed = Auth::Header(Expr::Literal(Value::text("X-Api-Key")), key());
        let text = serde_json::to_string(&fixed).unwrap();
        assert_eq!(text, r#"{"Header":["X-Api-Key",{"Literal":"k"}]}"#);
        assert_eq!(serde_json::from_str::<Auth>(&text).unwrap(), fixed);
        let of = Box::new(Expr::Ambient(Ambient::Config));
        let name = Expr::Member { of, name: "key_header".into(), null_safe: false };
        let computed = Auth::Header(name, key());
        let text = serde_json::to_string(&computed).unwrap();
        assert_eq!(serde_json::from_str::<Auth>(&text).unwrap(), computed);
    }
}
