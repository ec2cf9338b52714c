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
            "number": 7, "customer": "Ada *Söhne* #x", "due": "2026-02-01", "rate": "0.10",
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

/// A PDF of these objects, of which the first is its catalog.
fn pdf(objects: &[String]) -> Vec<u8> {
    let (mut file, mut places) = ("%PDF-1.7\n".to_owned(), String::new());
    for (number, object) in (1..).zip(objects) {
        places.push_str(&format!("{:010} 00000 n \n", file.len()));
        file.push_str(&format!("{number} 0 obj\n{object}\nendobj\n"));
    }
    let (start, size) = (file.len(), objects.len() + 1);
    let end = format!("trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n");
    format!("{file}xref\n0 {size}\n0000000000 65535 f \n{places}{end}").into_bytes()
}

/// One whose page draws a form, and each form what `draws` says; the form `n` is the object `n`, from 5 on.
fn drawing(forms: usize, draws: impl Fn(usize) -> (&'static str, usize)) -> Vec<u8> {
    let stream =
        |more: &str, content: &str| format!("<< {more} /Length {} >>\nstream\n{content}\nendstream", content.len());
    let mut objects = vec![
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 99 99] /Resources << /XObject << /F 5 0 R >> >> /Contents 4 0 R >>"
            .to_owned(),
        stream("", "/F Do"),
    ];
    for form in 5..5 + forms {
        let (content, next) = draws(form);
        let is = format!("/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /F {next} 0 R >> >>");
        objects.push(stream(&is, content));
    }
    pdf(&objects)
}

/// Templates that never end, that fill the memory or take their process along harm their own step alone.
#[test]
fn a_template_that_never_ends_or_fills_the_memory_harms_no_other() {
    let folder = shop();
    let write = |name: &str, text: &str| fs::write(folder.path().join("templates").join(name), text).unwrap();
    write("plain.typ", "Number #sys.inputs.data.number");
    write("endless.typ", "#for a in range(1000000) { for b in range(1000000) { let _ = a * b } }");
    write("huge.typ", "#(\"x\" * 8000000000).len()");
    let invoice = &invoice("plain.typ")["invoice"];

    let input = json!({ "template": "endless.typ", "times": [1, 2, 3, 4, 5, 6], "last": invoice });
    let told = run(&folder, "make_soon", input).says(0, &[]).json();
    assert_eq!(told["failed"], json!(["Timeout", "Timeout", "Timeout", "Timeout", "Timeout", "Timeout"]));
    assert_eq!(told["pages"], json!(["Number 7"]));
    let makes = |process: &std::path::Path| {
        let is_it = fs::read(process.join("cmdline")).unwrap_or_default().windows(10).any(|part| part == b"render-pdf");
        is_it && fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd == folder.path())
    };
    let left =
        fs::read_dir("/proc").into_iter().flatten().filter(|entry| makes(&entry.as_ref().unwrap().path())).count();
    assert_eq!(left, 0, "nothing goes on that makes a document");

    let why = "the template `huge.typ` can't be made into a PDF: what makes it ended with signal";
    run(&folder, "bill", self::invoice("huge.typ")).says(3, &["Invalid", why]);
}

/// Documents that are made to harm whoever reads them harm their own step alone.
#[test]
fn a_document_that_takes_its_reader_along_or_never_ends_harms_no_other() {
    let folder = shop();
    run(&folder, "bill", invoice("invoice.typ")).says(0, &[]);
    let name = |what: &str| format!("{what}-{}.pdf", std::process::id());
    let write = |name: &str, bytes: Vec<u8>| fs::write(folder.path().join("out").join(name), bytes).unwrap();

    // What is drawn draws itself: the stack of the reader overflows, and no process outlives that.
    let circle = name("circle");
    write(&circle, drawing(1, |form| ("/F Do", form)));
    run(&folder, "read", json!({ "path": circle })).says(3, &["Invalid", "its reader ended with signal"]);

    // Each form draws the next one twice: two to the power of sixty.
    let laughs = name("laughs");
    write(&laughs, drawing(60, |form| if form < 64 { ("/F Do /F Do", form + 1) } else { ("", 5) }));
    let input = json!({ "paths": vec![laughs.as_str(); 6], "last": "Invoice 7.pdf" });
    let told = run(&folder, "read_soon", input).says(0, &[]).json();
    assert_eq!(told["failed"], json!(["Timeout", "Timeout", "Timeout", "Timeout", "Timeout", "Timeout"]));
    assert!(told["pages"][0].as_str().unwrap().starts_with("Invoice 7"), "{told}");
    let reads = |process: &std::path::Path| {
        let command = fs::read(process.join("cmdline")).unwrap_or_default();
        command.windows(laughs.len()).any(|part| part == laughs.as_bytes())
    };
    let left =
        fs::read_dir("/proc").into_iter().flatten().filter(|entry| reads(&entry.as_ref().unwrap().path())).count();
    assert_eq!(left, 0, "no reader goes on");
}
