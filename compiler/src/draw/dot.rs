//! The drawing for Graphviz.

use std::fmt::{self, Write as _};

use flow_model::plan::Plan;

use super::{Frame, Item, Layout, Line, Shape, layout, layout::Way};

/// Draws a plan in the DOT language.
pub fn dot(plan: &Plan) -> String {
    let Layout { items, lines } = layout(plan);
    let mut text = format!("digraph \"{}\" {{\n", escaped(&plan.flow));
    // Writing to a `String` can't fail.
    let _: fmt::Result = write(&mut text, &items, &lines);
    text.push_str("}\n");
    text
}

fn write(text: &mut String, items: &[Item], lines: &[Line]) -> fmt::Result {
    writeln!(text, "  compound=true; rankdir=TB; nodesep=0.35; ranksep=0.45;")?;
    writeln!(text, "  fontname=\"Helvetica\"; fontsize=11;")?;
    writeln!(
        text,
        "  node [fontname=\"Helvetica\", fontsize=11, shape=box, style=\"rounded,filled\", fillcolor=white];"
    )?;
    writeln!(text, "  edge [fontname=\"Helvetica\", fontsize=10];")?;
    self::items(text, items, 1)?;
    for line in lines {
        let mut attributes = Vec::new();
        if !line.label.is_empty() {
            attributes.push(format!("label=\"{}\"", escaped(&line.label)));
        }
        if let Some(frame) = line.leaves {
            attributes.push(format!("ltail=cluster_{frame}"));
        }
        if line.way == Way::Failure {
            attributes.push("style=dashed, color=\"#dc2626\", fontcolor=\"#dc2626\"".to_owned());
        }
        let attributes = if attributes.is_empty() { String::new() } else { format!(" [{}]", attributes.join(", ")) };
        writeln!(text, "  n{} -> n{}{attributes};", line.from, line.to)?;
    }
    Ok(())
}

fn items(text: &mut String, items: &[Item], depth: usize) -> fmt::Result {
    let indent = "  ".repeat(depth);
    for item in items {
        match item {
            Item::Box(id, shape, label) => {
                let more = match shape {
                    Shape::Start => ", fillcolor=\"#dbeafe\", color=\"#2563eb\"",
                    Shape::Step => ", style=filled, fillcolor=\"#dcfce7\", color=\"#16a34a\"",
                    Shape::Plain => "",
                    Shape::Decision => ", shape=diamond, style=filled, fillcolor=\"#fef9c3\", color=\"#ca8a04\"",
                    Shape::End => ", penwidth=2",
                    Shape::Failure => ", fillcolor=\"#fee2e2\", color=\"#dc2626\"",
                };
                writeln!(text, "{indent}n{id} [label=\"{}\"{more}];", escaped(label))?;
            }
            Item::Frame(Frame { id, title, items: inner }) => {
                writeln!(text, "{indent}subgraph cluster_{id} {{")?;
                writeln!(text, "{indent}  label=\"{}\"; labeljust=l; style=rounded; color=gray50;", escaped(title))?;
                self::items(text, inner, depth + 1)?;
                writeln!(text, "{indent}}}")?;
            }
        }
    }
    Ok(())
}

/// Text within quotes; lines are set to the left.
fn escaped(label: &str) -> String {
    let lines = label.contains('\n');
    let text = label.replace('\\', "\\\\").replace('"', "\\\"");
    if lines { text.replace('\n', "\\l") + "\\l" } else { text }
}
