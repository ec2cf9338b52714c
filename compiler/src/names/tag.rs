//! Can the field that tells the cases of a union apart hold their names?
//!
//! In: the types of the program. Out: a problem for each record that is a case and declares that field as something which is
//! never the name of the case: no value could be read.

use flow_model::{
    diagnostic::{Code, Diagnostic},
    ty::{Type, TypeDef},
};

use super::Names;

/// Reports the cases that nothing could be read as.
pub(super) fn tags(names: &Names<'_>) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    for (union, def) in &names.types.0 {
        let TypeDef::Union { on, cases } = &**def else { continue };
        for (tag, case) in cases {
            let Type::Named(record) = case else { continue };
            let field = names.types.fields(case).and_then(|fields| fields.get(on));
            let Some(field) = field.filter(|field| !holds(names, &field.ty, tag)) else { continue };
            let at = names.field_spans.get(&(record.clone(), on.clone()));
            let (Some(at), Some(declared)) = (at, names.type_spans.get(union)) else { continue };
            let message = format!("`{on}` of `{record}` is never \"{tag}\", by which `{union}` knows it");
            problems.push(
                Diagnostic::new(Code::E0206, message, *at, format!("of type `{}`", field.ty))
                    .label(*declared, format!("told apart by `{on}`"))
                    .help(format!("leave the field out of the record, declare it as `\"{tag}\"`, or tell the cases apart by another field")),
            );
        }
    }
    problems
}

fn holds(names: &Names<'_>, ty: &Type, tag: &str) -> bool {
    match ty.non_null() {
        Type::String | Type::Json | Type::Unknown => true,
        Type::OneOf(texts) => texts.iter().any(|text| text == tag),
        Type::Named(name) => match names.types.get(name) {
            Some(TypeDef::Enum(variants)) => variants.iter().any(|variant| variant == tag),
            Some(_) => false,
            None => true,
        },
        _ => false,
    }
}
