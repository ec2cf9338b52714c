//! What tests become.

use flow_model::{
    case::{Count, Expected, Given, Target},
    span::SourceFile,
};

use crate::{Catalog, Checked, LoadError, Loader, check};

const STORE: &str = r#"
connector store {
  http { base: "https://store.example" }
  record Kept { id: String, at: Timestamp @unix }
  operation keep(name: String, at: Timestamp? @unix) -> Kept {
    effect: idempotent
    request: PUT "/kept/{name}" { body: { at } }
  }
  operation drop(name: String) { effect: destroy request: DELETE "/kept/{name}" }
}
"#;

struct Folder;

impl Loader for Folder {
    fn load(&self, path: &str) -> Result<Vec<u8>, LoadError> {
        match path {
            "flows/main.flow" => Ok(MAIN.as_bytes().to_vec()),
            "flows/fixtures/kept.json" => Ok(br#"{ "id": "a", "at": 5, "more": true }"#.to_vec()),
            _ => Err(LoadError::NotFound),
        }
    }
}

const MAIN: &str = "use store\nconst name = \"a\"\nfn twice(text: String) -> String { \"{text}{text}\" }\n\
    flow keep(name: String) { step kept = store.keep(name: twice(name))\n return kept.id }\n\
    test \"of this file\" for keep { given name = name stub * using schema expect run completed }\n";

fn checked(text: &str) -> Checked {
    let store = SourceFile { path: "store.flow".to_owned(), text: STORE.to_owned() };
    let connectors = [("store".to_owned(), store)].into();
    check("flows/tests.flow", text.as_bytes(), &Catalog { connectors, functions: &[] }, &Folder)
}

fn codes(text: &str) -> Vec<&'static str> {
    checked(text).diagnostics.iter().map(|problem| problem.code.id()).collect()
}

const HEAD: &str = "use \"./main.flow\" { keep, name, twice }\n";

#[test]
fn a_test_in_a_file_of_its_own_becomes_a_case_of_the_flow_that_it_takes() {
    let body = "test \"kept\" for keep {\n\
        given name = twice(name)\n\
        stub store.keep fails Unavailable then returns fixture(\"fixtures/kept.json\")\n\
        expect store.keep called 2 times with { name: twice(name), at: null }\n\
        expect result \"a\"\n}\n";
    let checked = checked(&format!("{HEAD}{body}"));
    assert_eq!(checked.diagnostics, []);
    let program = checked.program.unwrap();
    let [case] = program.cases.as_slice() else { panic!("{:?}", program.cases) };
    assert_eq!((case.name.as_str(), case.flow.as_str(), case.trigger), ("kept", "keep", None));
    assert!(matches!(&case.given, Given::Params(params) if params.len() == 1));
    assert!(case.functions.contains_key("twice"), "{:?}", case.functions.keys());
    let times: Vec<_> = case.stubs.iter().flat_map(|stub| &stub.answers).map(|answer| answer.times).collect();
    assert_eq!(times, [Some(1), None]);
    let target = Target::Operation { connection: "store".to_owned(), operation: "keep".to_owned() };
    assert!(matches!(
        &case.expectations[0].what,
        Expected::Called { target: called, count: Count::Exactly(2), with: Some(_) } if *called == target
    ));
}

#[test]
fn flows_of_other_files_are_tested_only_where_they_are_taken() {
    assert_eq!(codes("test \"a\" for keep { expect run completed }\n"), ["E0201"]);
}

#[test]
fn what_only_tests_use_is_used() {
    let text = "const unit = 1\nfn one() -> Int { unit }\nflow a(x: Int) { return x }\n\
        test \"t\" for a { given x = one() expect result unit }\n";
    assert_eq!(codes(text), [""; 0]);
}

#[test]
fn operations_that_the_flow_does_not_call_can_be_expected_never_to_be() {
    let test =
        |rest: &str| format!("{HEAD}test \"t\" for keep {{ given name = twice(name) stub * using schema {rest} }}\n");
    assert_eq!(codes(&test("expect store.drop called never")), [""; 0]);
    assert_eq!(codes(&test("expect store.drop called once")), ["E0424"]);
    assert_eq!(codes(&test("expect store.drpo called never")), ["E0404"]);
}
