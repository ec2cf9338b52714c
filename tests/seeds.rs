//! The exercises that Flow was made for: each numbered step of theirs has its place in a program, each program is checked
//! without a warning, and its tests reach all that it does.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    process::Command,
};

use serde_json::Value as Json;

use crate::{
    programs::read,
    tidy::{files, root, shown},
};

const FOLDER: &str = "tests/cases/seeds";

/// The exercises with numbered steps, by the folder of their program: how many steps each has.
const EXERCISES: &[(&str, usize)] = &[
    // The three exercises of the course.
    ("file_backup", 6),
    ("lead_capture", 9),
    ("social_scheduler", 7),
    // Its project.
    ("order_fulfilment", 8),
    // Its pattern of files in several steps, and what is done about a payment that failed.
    ("file_processing", 5),
    ("failed_payment", 5),
];

fn flowc(arguments: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_flowc")).args(arguments).current_dir(root().join(FOLDER)).output();
    let output = output.unwrap();
    let told = [output.stdout, output.stderr].map(|told| String::from_utf8_lossy(&told).into_owned());
    (output.status.success(), told.concat())
}

/// The paths of all programs, within their folder.
fn programs() -> Vec<String> {
    let all = files(&["flow"]);
    let shown: Vec<String> = all.iter().map(|path| shown(path)).filter(|path| path.ends_with("/main.flow")).collect();
    shown.iter().filter_map(|path| path.strip_prefix(&format!("{FOLDER}/")).map(str::to_owned)).collect()
}

#[test]
fn the_exercises_are_without_mistakes() {
    let programs = programs();
    for (exercise, _) in EXERCISES {
        assert!(programs.contains(&format!("{exercise}/main.flow")), "{exercise} has no program");
    }
    for program in &programs {
        let (is_sound, told) = flowc(&["check", program]);
        assert!(is_sound && told.starts_with("no problems"), "{program}\n{told}");
    }
    let (is_laid_out, told) = flowc(&["fmt", "--check", "."]);
    assert!(is_laid_out, "{told}");
}

/// A comment `// 4. …` is the mark of step 4; what carries it out follows before the next mark.
#[test]
fn each_numbered_step_has_its_place() {
    for (exercise, steps) in EXERCISES {
        let text = read(format!("{FOLDER}/{exercise}/main.flow"));
        let places = places(&text);
        let marked: Vec<usize> = places.keys().copied().collect();
        assert_eq!(marked, (1..=*steps).collect::<Vec<_>>(), "the marks of `{exercise}`");
        for (step, code) in places {
            assert!(!code.is_empty(), "nothing carries out step {step} of `{exercise}`");
        }
    }
}

#[test]
fn a_step_without_a_mark_or_without_code_is_seen() {
    let code = |step: usize| {
        let text = "flow f {\n  // 1. a\n  step a()\n\n  // 2. b\n  // 3. c; 4. d\n  log \"c\"\n}\n\ntest \"t\" for f {\n  // 5. e\n  stub a()\n}\n";
        places(text).get(&step).map(Vec::len)
    };
    assert_eq!([1, 2, 3, 4, 5].map(code), [Some(1), Some(0), Some(1), None, None]);
}

/// The lines of code after each mark of a program's flows, by the number of the step.
fn places(text: &str) -> BTreeMap<usize, Vec<&str>> {
    let mut places: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
    let (mut step, mut is_flow) = (None, false);
    for line in text.lines() {
        if !line.is_empty() && !line.starts_with([' ', '}']) {
            (step, is_flow) = (None, line.starts_with("flow "));
        }
        let line = line.trim();
        if let Some(comment) = line.strip_prefix("//").filter(|_| is_flow) {
            let number =
                comment.trim_start_matches('/').trim_start().split_once(". ").map(|(number, _)| number.parse());
            if let Some(Ok(number)) = number {
                step = Some(number);
                places.entry(number).or_default();
            }
        } else if let Some(step) = step
            && line.contains(char::is_alphanumeric)
        {
            places.entry(step).or_default().push(line);
        }
    }
    places
}

#[test]
fn the_tests_of_the_exercises_pass_and_reach_every_step() {
    let (passed, told) = flowc(&["test", ".", "--format", "json"]);
    let report: Json = serde_json::from_str(&told).unwrap();
    assert!(passed && report["failed"] == 0, "{told}");
    let mut covered = BTreeSet::new();
    for flow in report["coverage"].as_array().unwrap() {
        assert_eq!(flow["missed"], Json::Array(vec![]), "steps of `{}` that no test reaches", flow["flow"]);
        covered.insert(flow["flow"].as_str().unwrap().to_owned());
    }
    let declared: BTreeSet<String> = programs()
        .iter()
        .flat_map(|program| {
            let text = read(format!("{FOLDER}/{program}"));
            let flows = text.lines().filter_map(|line| line.strip_prefix("flow "));
            flows.map(|rest| rest.split([' ', '(']).next().unwrap().to_owned()).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(covered, declared, "the flows that tests reach, and those that there are");
}

/// The tests of the programs answer for the connectors; the template of the invoice is made into a document here.
#[test]
fn the_invoice_can_be_made() {
    let folder = tempfile::tempdir().unwrap();
    let templates = root().join(FOLDER).join("order_fulfilment/templates");
    let program = format!(
        "use pdf\n\nconnection documents = pdf {{ folder: {:?} }}\n\nflow invoice {{\n  \
         step invoice = documents.render(template: \"invoice.typ\", data: {{ order: \"o1\", name: \"Ada\", \
         total: 49.99 EUR, day: Date.of(2026, 3, 2) }})\n  \
         step pages = documents.text(file: invoice)\n  return pages.join(\"\\n\")\n}}\n",
        templates.display().to_string()
    );
    fs::write(folder.path().join("main.flow"), program).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_flowc"))
        .args(["run", "main.flow"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for words in ["Invoice o1", "Ada, 02.03.2026", "49.99 EUR"] {
        assert!(told.contains(words), "`{words}` in {told}");
    }
}
