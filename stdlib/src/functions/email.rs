//! Functions of e-mail addresses.

use flow_model::{function::StandardFunction, value::Value};

use super::{argument::Arguments, entry};

pub(super) const FUNCTIONS: &[StandardFunction] = &[
    entry(
        "Email.domain: String",
        "What stands after the `@`, in lower case.",
        &[r#"("Jenny@Example.com" as Email)?.domain == "example.com""#],
        |args| Ok(Value::text(args.text(0)?.rsplit_once('@').map_or("", |(_, domain)| domain).to_lowercase())),
    ),
    entry(
        "Email.local: String",
        "What stands before the `@`.",
        &[r#"("jenny.r@example.com" as Email)?.local == "jenny.r""#],
        |args| {
            let address = args.text(0)?;
            Ok(Value::text(address.rsplit_once('@').map_or(address, |(local, _)| local)))
        },
    ),
];
