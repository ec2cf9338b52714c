//! `flowc explain`: what does a diagnostic code mean?

use flow_model::diagnostic::{Code, Severity};

use crate::{
    args,
    exit::Exit,
    suggest::nearest,
    trouble::Trouble,
    ui::{self, CARE, STRONG, WRONG, styled, table::table},
};

/// Prints the page of a code, or the list of codes.
///
/// # Errors
/// There is no such code.
pub(crate) fn explain(args: &args::Explain) -> Result<Exit, Trouble> {
    match &args.code {
        None => ui::print(&list())?,
        Some(name) => ui::print(&page(find(name.trim())?))?,
    }
    Ok(Exit::Done)
}

fn find(name: &str) -> Result<Code, Trouble> {
    name.parse().map_err(|()| {
        let near = nearest(name, Code::ALL.iter().flat_map(|code| [code.id(), code.name()]))
            .and_then(|near| near.parse::<Code>().ok())
            .map(|code| format!("did you mean {code}, {}: {}?", code.name(), code.title()));
        Trouble::new(Exit::Usage, format!("there is no code `{name}`"))
            .help(near.unwrap_or_else(|| "`flowc explain` lists all codes".to_owned()))
    })
}

fn list() -> String {
    let rows: Vec<[String; 3]> = Code::ALL
        .iter()
        .map(|code| [styled(style(*code), code.id()), code.name().to_owned(), code.title().to_owned()])
        .collect();
    table(["CODE", "NAME", "TITLE"], &rows)
}

fn style(code: Code) -> anstyle::Style {
    match code.severity() {
        Severity::Error => WRONG,
        Severity::Warning => CARE,
    }
}

/// The page with headings made bold, and the fences of code blocks replaced by an indent.
fn page(code: Code) -> String {
    let mut text = String::new();
    let mut in_code = false;
    for line in code.page().lines() {
        match line {
            fence if fence.starts_with("```") => in_code = !in_code,
            "" => text.push('\n'),
            code if in_code => text.push_str(&format!("    {code}\n")),
            heading if heading.starts_with('#') => {
                let heading = heading.trim_start_matches('#').trim();
                text.push_str(&format!("{}\n", styled(STRONG, heading)));
            }
            prose => text.push_str(&format!("{prose}\n")),
        }
    }
    let severity = match code.severity() {
        Severity::Error => "an error",
        Severity::Warning => "a warning",
    };
    format!("{}\n\nName: `{}`, {severity}\n", text.trim_end(), code.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_its_prose_and_its_code_without_the_marks() {
        let text = anstream::adapter::strip_str(&page(Code::E0201)).to_string();
        assert!(text.starts_with("E0201: ") && text.contains("\n    use files\n"), "{text}");
        assert!(!text.contains("```") && text.ends_with("Name: `unknown-name`, an error\n"), "{text}");
    }

    #[test]
    fn an_unknown_code_offers_the_nearest() {
        let offered = |name: &str| find(name).unwrap_err().helps().join("");
        assert!(offered("refund").contains("flowc explain"));
        assert!(offered("E0021").contains("did you mean E0"));
        assert!(offered("unknwon-name").contains("E0201"));
        assert_eq!(find("e0201").unwrap(), Code::E0201);
    }
}
