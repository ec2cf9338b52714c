//! Documents that are made and read again.

use std::{fs, path::Path};

use flow_model::value::Value;
use jiff::Timestamp;
use tempfile::TempDir;
use typst::foundations::Dict;

use super::{
    data,
    render::{Job, render},
    text::pages,
};

const INVOICE: &str = r#"
#import "parts/total.typ": total
#let data = sys.inputs.data
#set document(title: "Invoice " + str(data.number))
#set text(font: "Libertinus Serif")
= Invoice #data.number
for #data.customer.name, due #data.due.display("[day].[month].[year]")
#table(columns: 2, ..data.lines.map(line => (line.text, str(line.price))).flatten())
#total(data.total)
#if data.note == none [no note]
#pagebreak()
Thank you
"#;

const TOTAL: &str = "#let total(money) = [Total: #money.amount #money.currency]\n";

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn job(folder: &Path, template: &str, data: &Value, date: Option<Timestamp>) -> Job {
    Job {
        folder: folder.to_owned(),
        template: template.to_owned(),
        fonts: None,
        data: data::typst(data),
        files: Dict::new(),
        date,
    }
}

fn invoice() -> Value {
    let money = flow_model::value::Money { amount: "1234.50".parse().unwrap(), currency: "EUR".to_owned() };
    let line = |text: &str, price: &str| {
        Value::record([("text", Value::text(text)), ("price", Value::Decimal(price.parse().unwrap()))])
    };
    Value::record([
        ("number", Value::Int(42)),
        ("customer", Value::record([("name", Value::text("Ada #strong[x] & Söhne"))])),
        ("due", Value::Date("2026-02-01".parse().unwrap())),
        ("lines", Value::List(vec![line("Lamp", "1200.00"), line("Bulb", "34.50")])),
        ("total", Value::Money(money)),
        ("note", Value::Null),
    ])
}

#[test]
fn a_document_shows_its_data_and_is_the_same_each_time() {
    let folder = folder(&[("invoice.typ", INVOICE), ("parts/total.typ", TOTAL)]);
    let make = |date: Option<&str>| {
        let date = date.map(|date| date.parse().unwrap());
        render(job(folder.path(), "invoice.typ", &invoice(), date)).unwrap()
    };
    let document = make(None);
    let read = pages("invoice.pdf", &document).unwrap();
    assert_eq!(read.len(), 2, "{read:?}");
    let lines: Vec<&str> = read[0].lines().filter(|line| !line.is_empty()).collect();
    let expected = [
        "Invoice 42",
        "for Ada #strong[x] & Söhne, due 01.02.2026",
        "Lamp 1200.00",
        "Bulb 34.50",
        "Total: 1234.50 EUR no note",
    ];
    assert_eq!(lines, expected);
    assert_eq!(read[1], "Thank you");
    assert!(make(None) == document, "the same data gave other bytes");
    let dated = make(Some("2026-01-31T10:00:00Z"));
    assert!(dated == make(Some("2026-01-31T10:00:00Z")));
    let has = |bytes: &[u8], part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    assert!(has(&dated, b"20260131100000") && !has(&document, b"CreationDate"));
}

#[test]
fn mistakes_of_a_template_say_where_they_are_and_what_helps() {
    let outside = folder(&[("secret.txt", "secret")]);
    let folder = folder(&[
        ("unknown.typ", "= Title\n\nTotal: #totl"),
        ("field.typ", "#sys.inputs.data.totl"),
        ("syntax.typ", "#let x = (1, 2\n= Title"),
        ("import.typ", "#import \"parts/none.typ\": x"),
        ("within.typ", "#import \"parts/broken.typ\": f\n#f(1)"),
        ("parts/broken.typ", "#let f(x) = {\n  x + \"a\"\n}"),
        ("package.typ", "#import \"@preview/cetz:0.3.0\": canvas"),
        ("climbs.typ", "#read(\"../secret.txt\")"),
        ("absolute.typ", "#read(\"/etc/passwd\")"),
        ("link.typ", "#read(\"link.txt\")"),
        ("clock.typ", "#datetime.today().display()"),
        ("endless.typ", "#let n = 0\n#while true { n += 1 }"),
        ("longest.typ", "#let n = 1\n#while n > 0 { n += 1 }"),
        ("deep.typ", "#let f(n) = f(n + 1)\n#f(1)"),
        ("ok.typ", "ok"),
    ]);
    std::os::unix::fs::symlink(outside.path().join("secret.txt"), folder.path().join("link.txt")).unwrap();
    let fails = |template: &str| {
        let failure = render(job(folder.path(), template, &invoice(), None)).unwrap_err();
        assert_eq!(failure.kind, flow_model::failure::ErrorKind::Invalid);
        failure.message
    };
    for (template, told) in [
        ("unknown.typ", "`unknown.typ`, line 3, column 9: unknown variable: totl"),
        ("field.typ", "`field.typ`, line 1, column 18: dictionary does not contain key \"totl\""),
        ("syntax.typ", "`syntax.typ`, line 1, column 10: unclosed delimiter"),
        ("import.typ", "`import.typ`, line 1, column 9: file not found (searched at parts/none.typ)"),
        ("within.typ", "`parts/broken.typ`, line 2, column 3: cannot add integer and string"),
        ("package.typ", "packages are not fetched: put the files that are needed beside the template"),
        ("climbs.typ", "`climbs.typ`, line 1, column 7: "),
        ("absolute.typ", "`absolute.typ`, line 1, column 7: file not found (searched at etc/passwd)"),
        ("link.typ", "`link.typ`, line 1, column 7: failed to load file (access denied)"),
        ("clock.typ", "`clock.typ`, line 1, column 2: "),
        ("endless.typ", "`endless.typ`, line 2, column 8: condition is always true"),
        ("longest.typ", "`longest.typ`, line 2, column 2: loop seems to be infinite"),
        ("deep.typ", "`deep.typ`, line 1, column 13: maximum function call depth exceeded"),
        ("none.typ", "the template `"),
        ("../secret.txt", "the template `../secret.txt` is not below `"),
    ] {
        let message = fails(template);
        assert!(message.contains(told), "{template}: {message}");
    }
    assert!(render(job(folder.path(), "ok.typ", &Value::Null, None)).is_ok());
}

#[test]
fn words_and_lines_are_told_apart_whichever_way_they_run() {
    let text = "#set page(width: 20cm)\nFirst *line* of #text(20pt)[big] words\n\n\
                #rotate(90deg, reflow: true)[upright words here]\n\n#columns(2)[left #colbreak() right]";
    let folder = folder(&[("a.typ", text)]);
    let read = pages("a.pdf", &render(job(folder.path(), "a.typ", &Value::Null, None)).unwrap()).unwrap();
    let lines: Vec<&str> = read[0].lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(lines, ["First line of big words", "upright words here", "left right"]);
}

#[test]
fn pictures_come_as_files() {
    let folder = folder(&[("picture.typ", "#image(sys.inputs.files.logo, width: 2cm, format: \"svg\") Logo")]);
    let picture = r#"<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><circle cx="4" cy="4" r="3"/></svg>"#;
    let mut job = job(folder.path(), "picture.typ", &Value::Null, None);
    job.files.insert("logo".into(), typst::foundations::Value::Bytes(typst::foundations::Bytes::from_string(picture)));
    assert_eq!(pages("picture.pdf", &render(job).unwrap()).unwrap(), ["Logo"]);
}

#[tokio::test]
async fn what_is_no_document_is_told() {
    let folder = folder(&[("a.typ", "Text")]);
    let document = render(job(folder.path(), "a.typ", &Value::Null, None)).unwrap();
    for (bytes, told) in [
        (&b"Dear Sir"[..], "`a.pdf` can't be read as a PDF: it does not begin as one"),
        (&b"%PDF-1.7\n"[..], "`a.pdf` can't be read as a PDF: "),
        (&document[..document.len() / 2], "`a.pdf` can't be read as a PDF: "),
    ] {
        let bytes = bytes.to_vec();
        let failure = super::work::done(super::work::place().await.unwrap(), move || pages("a.pdf", &bytes))
            .await
            .and_then(|read| read)
            .unwrap_err();
        assert!(failure.message.contains(told), "{}", failure.message);
    }
    // Whatever is damaged, something is told.
    for at in (0..document.len()).step_by(document.len() / 40) {
        let mut damaged = document.clone();
        damaged[at] ^= 0x55;
        drop(super::work::done(super::work::place().await.unwrap(), move || pages("a.pdf", &damaged)).await);
    }
}
