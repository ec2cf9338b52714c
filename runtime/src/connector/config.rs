//! The configuration of a connection: what the program sets, with the connector's defaults, checked against the types
//! that the connector declares.

use flow_model::{
    boundary::{Decoder, within},
    expr::Expr,
    failure::{ErrorKind, Failure},
    plan::Connection,
    schema::Connector,
    ty::Type,
    value::Value,
};
use indexmap::IndexMap;

/// The field that every connector over HTTP has besides its own: it replaces the base of all requests.
pub(super) const BASE_URL: &str = "base_url";

/// The field that connectors with a system for trials have: it chooses that one's base.
pub(super) const SANDBOX: &str = "sandbox";

/// Computes the configuration; secrets are by name.
///
/// # Errors
/// `Invalid` when a setting is missing, is not of its type (an environment variable that is no URL), or breaks its bounds.
pub(crate) fn settings(
    name: &str,
    connection: &Connection,
    connector: &Connector,
    eval: &dyn Fn(&Expr) -> Result<Value, Failure>,
) -> Result<IndexMap<String, Value>, Failure> {
    let wrong = |setting: &str, cause: String| {
        Failure::new(ErrorKind::Invalid, format!("the setting `{setting}` of the connection `{name}`: {cause}"))
    };
    let mut settings = IndexMap::new();
    let base_url = (BASE_URL.to_owned(), Type::Url.optional());
    let declared = connector.config.iter().map(|(name, field)| (name.clone(), field.ty.clone()));
    let fields: IndexMap<String, Type> = std::iter::once(base_url).chain(declared).collect();
    for (setting, ty) in fields {
        let default = connector.config.get(&setting).and_then(|field| field.default.as_deref());
        let value = match connection.config.get(&setting).or(default) {
            Some(expr) => eval(expr).map_err(|failure| wrong(&setting, failure.message))?,
            None if ty.is_nullable() => Value::Null,
            None => return Err(wrong(&setting, "it has no value".to_owned())),
        };
        let value = typed(value, &ty, connector).map_err(|cause| wrong(&setting, cause))?;
        if let Some(field) = connector.config.get(&setting) {
            within(&value, &field.bounds).map_err(|mismatch| wrong(&setting, mismatch.to_string()))?;
        }
        settings.insert(setting, value);
    }
    Ok(settings)
}

/// A secret is there by name, whatever the type of its text.
fn typed(value: Value, ty: &Type, connector: &Connector) -> Result<Value, String> {
    match (value, ty.non_null()) {
        (secret @ Value::Secret(_), Type::Secret(_)) => Ok(secret),
        (value, _) => Decoder::new(&connector.types).value(&value, ty).map_err(|mismatch| mismatch.to_string()),
    }
}
