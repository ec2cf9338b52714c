//! The results of tests as JUnit writes them: what most servers for continuous integration read.

use std::fmt::Write as _;

use flow_compiler::render;
use flow_model::units::Millis;

use super::{Results, Suite, Test};

/// The results as XML. Times are those of the clocks of the tests.
pub(super) fn xml(results: &Results) -> String {
    let time: u64 = results.all().map(|test| test.report.elapsed.0).sum();
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(
        text,
        "<testsuites tests=\"{}\" failures=\"{}\" errors=\"{}\" time=\"{}\">",
        results.tests(),
        results.failed(),
        results.errors(),
        seconds(Millis(time)),
    );
    results.suites.iter().for_each(|suite| self::suite(&mut text, suite));
    for trouble in &results.unread {
        let _ = writeln!(text, "  <testsuite name=\"files\" tests=\"1\" failures=\"0\" errors=\"1\" time=\"0.000\">");
        let _ = writeln!(text, "    <testcase name=\"can be read\" classname=\"files\" time=\"0.000\">");
        let _ = writeln!(text, "      <error message=\"{}\"/>", escaped(trouble.message()));
        text.push_str("    </testcase>\n  </testsuite>\n");
    }
    text.push_str("</testsuites>\n");
    text
}

fn suite(text: &mut String, suite: &Suite) {
    let failed = suite.tests.iter().filter(|test| !test.has_passed()).count();
    let errors = usize::from(suite.has_errors());
    let time: u64 = suite.tests.iter().map(|test| test.report.elapsed.0).sum();
    let _ = writeln!(
        text,
        "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{failed}\" errors=\"{errors}\" time=\"{}\">",
        escaped(&suite.path),
        suite.tests.len() + errors,
        seconds(Millis(time)),
    );
    if suite.has_errors() {
        let style = render::Style { color: render::Color::Never, width: 100 };
        let drawn = render::human(&suite.checked.files, &suite.checked.diagnostics, style);
        let message = suite.checked.diagnostics.first().map_or("", |diagnostic| diagnostic.message.as_str());
        let _ = writeln!(text, "    <testcase name=\"has no errors\" classname=\"check\" time=\"0.000\">");
        let _ = writeln!(text, "      <error message=\"{}\">{}</error>", escaped(message), escaped(&drawn));
        text.push_str("    </testcase>\n");
    }
    suite.tests.iter().for_each(|test| one(text, suite, test));
    text.push_str("  </testsuite>\n");
}

fn one(text: &mut String, suite: &Suite, test: &Test) {
    let Test { case, report, faulted } = test;
    let _ = write!(
        text,
        "    <testcase name=\"{}\" classname=\"{}\" file=\"{}\" line=\"{}\" time=\"{}\"",
        escaped(&case.name),
        escaped(&case.flow),
        escaped(&suite.path),
        suite.position(case.span).0,
        seconds(report.elapsed),
    );
    if test.has_passed() {
        text.push_str("/>\n");
        return;
    }
    text.push_str(">\n");
    if let Some(why) = &report.broken {
        let _ = writeln!(text, "      <failure message=\"{}\"/>", escaped(why));
    }
    let under = faulted.iter().filter(|faulted| faulted.failing > 0).flat_map(|faulted| &faulted.shortest);
    for (fault, report) in under {
        let message = format!("does not hold under {}", super::story::again(suite, test, fault));
        let body = super::story::lines(suite, report).join("\n");
        let _ = writeln!(text, "      <failure message=\"{}\">{}</failure>", escaped(&message), escaped(&body));
    }
    for unmet in &report.unmet {
        let (line, _) = suite.position(unmet.span);
        let body = format!("{}:{line}\nexpected: {}\nactual:   {}", suite.path, unmet.expected, unmet.actual);
        let message = format!("expected: {}", unmet.expected);
        let _ = writeln!(text, "      <failure message=\"{}\">{}</failure>", escaped(&message), escaped(&body));
    }
    text.push_str("    </testcase>\n");
}

fn seconds(time: Millis) -> String {
    format!("{}.{:03}", time.0 / 1000, time.0 % 1000)
}

/// Text as XML takes it, in an element and in an attribute. What XML has no place for is replaced.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            '\n' => escaped.push_str("&#10;"),
            '\t' => escaped.push_str("&#9;"),
            '\r' => escaped.push_str("&#13;"),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_something_in_xml_is_escaped() {
        assert_eq!(escaped("a < b && \"c\" > 'd'"), "a &lt; b &amp;&amp; &quot;c&quot; &gt; &apos;d&apos;");
        assert_eq!(escaped("one\ntwo\u{1b}[0m\u{0}"), "one&#10;two\u{fffd}[0m\u{fffd}");
    }

    #[test]
    fn times_are_in_seconds() {
        assert_eq!(seconds(Millis(61_005)), "61.005");
    }
}
