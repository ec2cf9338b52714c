//! Diagnostics as SARIF, the format of code-scanning services.
//!
//! Source: "Static Analysis Results Interchange Format (SARIF) Version 2.1.0", OASIS Standard, 27 March 2020. Lines and
//! columns count from 1; columns are in Unicode code points, which the log says; the end column is one past the last.

use std::collections::BTreeSet;

use flow_model::{
    diagnostic::{Code, Diagnostic, Edit, Severity},
    span::{Files, Span},
};
use serde_json::{Value, json};

use super::Sources;

/// Writes diagnostics as a SARIF log with one run.
pub fn sarif(files: &Files, diagnostics: &[Diagnostic]) -> Value {
    let sources = Sources::new(files);
    let codes: BTreeSet<Code> = diagnostics.iter().map(|diagnostic| diagnostic.code).collect();
    let rules: Vec<Value> = codes
        .iter()
        .map(|code| {
            json!({
                "id": code.id(),
                "name": code.name(),
                "shortDescription": { "text": code.title() },
                "help": { "text": code.page(), "markdown": code.page() },
                "defaultConfiguration": { "level": level(code.severity()) },
            })
        })
        .collect();
    let results: Vec<Value> = diagnostics.iter().map(|diagnostic| result(&sources, diagnostic)).collect();
    json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "flowc", "semanticVersion": env!("CARGO_PKG_VERSION"), "rules": rules } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

fn result(files: &Sources<'_>, diagnostic: &Diagnostic) -> Value {
    let mut text = diagnostic.message.clone();
    if let Some(help) = &diagnostic.help {
        text.push_str("\nhelp: ");
        text.push_str(help);
    }
    let mut labels = diagnostic.labels.iter();
    let main: Vec<Value> = labels.next().map(|label| location(files, label.span, &label.text)).into_iter().collect();
    let related: Vec<Value> = labels.map(|label| location(files, label.span, &label.text)).collect();
    let mut result = json!({
        "ruleId": diagnostic.code.id(),
        "level": level(diagnostic.severity()),
        "message": { "text": text },
        "locations": main,
    });
    if let Some(fields) = result.as_object_mut() {
        if !related.is_empty() {
            fields.insert("relatedLocations".to_owned(), Value::from(related));
        }
        if !diagnostic.fixes.is_empty() {
            let fixes = diagnostic.fixes.iter().map(|fix| {
                let changes: Vec<Value> = fix.edits.iter().map(|edit| change(files, edit)).collect();
                json!({ "description": { "text": fix.title }, "artifactChanges": changes })
            });
            fields.insert("fixes".to_owned(), Value::from(fixes.collect::<Vec<_>>()));
        }
    }
    result
}

fn location(files: &Sources<'_>, span: Span, text: &str) -> Value {
    let mut location = json!({
        "physicalLocation": { "artifactLocation": artifact(files, span), "region": region(files, span) },
    });
    if let Some(fields) = location.as_object_mut()
        && !text.is_empty()
    {
        fields.insert("message".to_owned(), json!({ "text": text }));
    }
    location
}

fn change(files: &Sources<'_>, edit: &Edit) -> Value {
    json!({
        "artifactLocation": artifact(files, edit.span),
        "replacements": [{ "deletedRegion": region(files, edit.span), "insertedContent": { "text": edit.text } }],
    })
}

fn artifact(files: &Sources<'_>, span: Span) -> Value {
    let path = files.path(span.file).replace('\\', "/");
    let escaped: String = url::form_urlencoded::byte_serialize(path.as_bytes()).collect();
    json!({ "uri": escaped.replace("%2F", "/").replace('+', "%20") })
}

fn region(files: &Sources<'_>, span: Span) -> Value {
    let (start_line, start_column, _) = files.position(span.file, span.start);
    let (end_line, end_column, _) = files.position(span.file, span.end);
    json!({ "startLine": start_line, "startColumn": start_column, "endLine": end_line, "endColumn": end_column })
}
