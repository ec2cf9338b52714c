//! The drawing as a Mermaid flowchart, which GitHub and many editors show.

use std::fmt::{self, Write as _};

use flow_model::plan::Plan;

use super::{Frame, Item, Layout, Line, Shape, layout, layout::Way};

/// Draws a plan as a Mermaid flowchart.
pub fn mermaid(plan: &Plan) -> String {
    let Layout { items, lines } = layout(plan);
    let mut text = String::from("flowchart TD\n");
    // Writing to a `String` can't fail.
    let _: fmt::Result = write(&mut text, &items, &lines);
    text
}

fn write(text: &mut String, items: &[Item], lines: &[Line]) -> fmt::Result {
    self::items(text, items, 1)?;
    for line in lines {
        let from = match line.leaves {
            Some(frame) => format!("g{frame}"),
            None => format!("n{}", line.from),
        };
        let arrow = match line.way {
            Way::Usual => "-->",
            Way::Failure => "-.->",
        };
        let label = if line.label.is_empty() { String::new() } else { format!("|\"{}\"|", escaped(&line.label)) };
        writeln!(text, "  {from} {arrow}{label} n{}", line.to)?;
    }
    writeln!(text, "  classDef start fill:#dbeafe,stroke:#2563eb,color:#111827")?;
    writeln!(text, "  classDef step fill:#dcfce7,stroke:#16a34a,color:#111827")?;
    writeln!(text, "  classDef decision fill:#fef9c3,stroke:#ca8a04,color:#111827")?;
    writeln!(text, "  classDef failure fill:#fee2e2,stroke:#dc2626,color:#111827")
}

fn items(text: &mut String, items: &[Item], depth: usize) -> fmt::Result {
    let indent = "  ".repeat(depth);
    for item in items {
        match item {
            Item::Box(id, shape, label) => {
                let label = escaped(label);
                match shape {
                    Shape::Start => writeln!(text, "{indent}n{id}([\"{label}\"]):::start")?,
                    Shape::Step => writeln!(text, "{indent}n{id}[\"{label}\"]:::step")?,
                    Shape::Plain => writeln!(text, "{indent}n{id}(\"{label}\")")?,
                    Shape::Decision => writeln!(text, "{indent}n{id}{{\"{label}\"}}:::decision")?,
                    Shape::End => writeln!(text, "{indent}n{id}([\"{label}\"])")?,
                    Shape::Failure => writeln!(text, "{indent}n{id}([\"{label}\"]):::failure")?,
                }
            }
            Item::Frame(Frame { id, title, items: inner }) => {
                writeln!(text, "{indent}subgraph g{id}[\"{}\"]", escaped(title))?;
                self::items(text, inner, depth + 1)?;
                writeln!(text, "{indent}end")?;
            }
        }
    }
    Ok(())
}

/// Text within quotes: entities for what Mermaid or HTML would read as its own, and breaks between lines.
fn escaped(label: &str) -> String {
    let mut text = String::with_capacity(label.len());
    for letter in label.chars() {
        match letter {
            '"' => text.push_str("#quot;"),
            '&' => text.push_str("#amp;"),
            '<' => text.push_str("#lt;"),
            '>' => text.push_str("#gt;"),
            '#' => text.push_str("#35;"),
            '`' => text.push_str("#96;"),
            '\\' => text.push_str("#92;"),
            '\n' => text.push_str("<br/>"),
            _ => text.push(letter),
        }
    }
    text
}
