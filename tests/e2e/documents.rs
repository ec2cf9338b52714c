//! Documents that programs make of templates, and read.

use std::fs;

use serde_json::{Value as Json, json};
use tempfile::TempDir;

use super::process::{Ended, flowc, output};

const TEMPLATE: &str = r#"#let data = sys.inputs.data
#image(sys.inputs.files.logo)
= Invoice #data.number
For #data.customer, due #data.due.display(), #datetime.today().display("[year]")
#for line in data.lines [#line.text: #line.price.amount #line.price.currency \ ]
Rate #data.rate #if data.note == none [no note]
"#;

fn shop() -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("templates")).unwrap();
    fs::create_dir(folder.path().join("out")).unwrap();
    fs::write(folder.path().join("templates/invoice.typ"), TEMPLATE).unwrap();
    fs::write(folder.path().join("templates/broken.typ"), "= Title\n#sys.inputs.data.totl\n").unwrap();
    folder
}

fn run(folder: &TempDir, flow: &str, input: Json) -> Ended {
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/programs/documents.flow");
    let mut command = flowc();
    command.current_dir(folder.path()).args(["run", program, "--flow", flow, "--data", "data"]);
    output(command.args(["--input", &input.to_string()]))
}

fn invoice(template: &str) -> Json {
    json!({
        "template": template,
        "invoice": {
            "number": 7, "customer": "Ada *Söhne* #x", "due": "2026-02-01", "rate": "0.10", "note": null,
            "lines": [{ "text": "Lamp", "price": { "amount": "1200.00", "currency": "EUR" } }],
        },
    })
}

#[test]
fn an_invoice_is_written_and_read() {
    let folder = shop();
    let told = run(&folder, "bill", invoice("invoice.typ")).says(0, &[]).json();
    assert_eq!((&told["name"], &told["mime_type"]), (&json!("Invoice 7.pdf"), &json!("application/pdf")));
    let text: Vec<&str> = told["pages"][0].as_str().unwrap().split_whitespace().collect();
    let expected = "Invoice 7 For Ada *Söhne* #x, due 2026-02-01, 2026 Lamp: 1200.00 EUR Rate 0.10 no note";
    assert_eq!(text.join(" "), expected);
    let written = fs::read(folder.path().join("out/Invoice 7.pdf")).unwrap();
    assert_eq!(json!(written.len()), told["size"]);
    run(&folder, "bill", invoice("invoice.typ")).says(0, &[]);
    assert!(written == fs::read(folder.path().join("out/Invoice 7.pdf")).unwrap());
    assert_eq!(run(&folder, "read", json!({ "path": "Invoice 7.pdf" })).says(0, &[]).json(), told["pages"]);
}

#[test]
fn what_is_wrong_with_a_template_or_a_document_is_told() {
    let folder = shop();
    let place = "`broken.typ`, line 2, column 18: dictionary does not contain key \"totl\"";
    run(&folder, "bill", invoice("broken.typ")).says(3, &["Invalid", place]);
    run(&folder, "bill", invoice("none.typ"))
        .says(3, &["Invalid", "the template `templates/none.typ` can't be opened"]);
    run(&folder, "bill", invoice("../out/x.typ")).says(3, &["Invalid", "is not below `templates`"]);
    fs::write(folder.path().join("out/letter.pdf"), "Dear Sir").unwrap();
    let unfit = "`letter.pdf` can't be read as a PDF: it does not begin as one";
    run(&folder, "read", json!({ "path": "letter.pdf" })).says(3, &["Invalid", unfit]);
}
