//! How does the text look when it is written the one way?
//!
//! In: a text, right or wrong. Out: the same text laid out anew. A line has at most [`WIDTH`] characters where that can
//! be had, and two spaces for each level. What stands in brackets goes on one line if it fits and the author did not
//! begin a new line after the bracket. Blank lines are kept, one at a time. Every comment is kept. What could not be read
//! stays byte for byte.
//!
//! Left out on purpose: any reordering, and the insides of texts.
//!
//! The layout follows the tree: a node is tried on one line, and otherwise laid out by its kind ([`broken`]). Keywords and
//! punctuation are not in the tree; they are read from the gaps between nodes ([`parts`]).

mod broken;
mod out;
mod parts;

use flow_grammar::{Kind, Node, read};

use out::Out;

/// Most characters of a line.
pub(crate) const WIDTH: usize = 120;

/// Spaces of one level.
pub(crate) const STEP: usize = 2;

/// Lays the text out anew.
///
/// ```
/// assert_eq!(flow_compiler::format("const  limit=5"), "const limit = 5\n");
/// ```
pub fn format(text: &str) -> String {
    // Whether items stand apart depends on how many lines they take, which may change.
    const PASSES: usize = 4;
    let source = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n");
    let mut text = source.clone();
    for _ in 0..PASSES {
        let next = laid_out(&text);
        if next == text {
            return text;
        }
        text = next;
    }
    // Only damage is read in another way each time that it is laid out: such a text is better left alone.
    source
}

fn laid_out(text: &str) -> String {
    let (tree, problems) = read(text);
    let mut damage: Vec<(u32, u32)> = problems.iter().map(|problem| (problem.start, problem.end)).collect();
    collect_holes(tree.root(), &mut damage);
    damage.sort_unstable();
    let mut formatter = Formatter { source: text, damage, out: Out::default() };
    formatter.file(tree.root());
    let laid_out = formatter.out.finish();
    // A last resort: a text in which anything but space and commas would change is left as it is.
    if essence(&laid_out).eq(essence(text)) { laid_out } else { text.to_owned() }
}

fn essence(text: &str) -> impl Iterator<Item = char> {
    text.chars().filter(|c| !c.is_whitespace() && *c != ',')
}

fn collect_holes(node: Node<'_>, damage: &mut Vec<(u32, u32)>) {
    let mut open = vec![node];
    while let Some(node) = open.pop() {
        if node.kind() == Kind::Missing {
            damage.push((node.start(), node.end()));
        }
        open.extend(node.children());
    }
}

/// The text that is laid out, and what came out so far.
struct Formatter<'a> {
    source: &'a str,
    /// Ranges that could not be read, sorted.
    damage: Vec<(u32, u32)>,
    out: Out,
}

impl<'a> Formatter<'a> {
    fn file(&mut self, file: Node<'_>) {
        let mut previous: Option<Node<'_>> = None;
        let mut at = file.start();
        for node in file.children_and_comments() {
            // What stands between items and belongs to none stays with the line on which it is.
            let from = at;
            let gap = self.between(from, node.start());
            let (behind, before) = match gap.rsplit_once('\n') {
                Some((behind, before)) => (behind, before.trim()),
                None => (gap, ""),
            };
            self.stray(behind);
            at = self.end(node);
            if let Some(previous) = previous {
                if node.kind() == Kind::Comment && before.is_empty() && self.is_same_line(from, node.start()) {
                    self.out.trailing_comment(node.text(self.source));
                    continue;
                }
                self.out.newline(0);
                let written_apart = self.has_blank_line(from, node.start());
                let is_comment = previous.kind() == Kind::Comment;
                if written_apart || (!is_comment && (self.is_tall(previous) || self.is_tall(node))) {
                    self.out.blank_line();
                }
            } else if !behind.trim().is_empty() {
                self.out.newline(0);
            }
            if !before.is_empty() {
                self.out.verbatim(before);
            }
            self.entry(node, 0);
            previous = Some(node);
        }
        self.stray(self.between(at, file.end()));
    }

    /// Writes what stands behind an item and belongs to none, on its line or on one of its own.
    fn stray(&mut self, gap: &str) {
        let text = gap.trim();
        if text.is_empty() {
            return;
        }
        let before = gap.split_once(text).map_or("", |(before, _)| before);
        if before.contains('\n') {
            self.out.newline(0);
        }
        self.out.token(out::Token { text, touches_left: before.is_empty(), touches_right: false });
    }

    /// Items that take several lines stand apart.
    fn is_tall(&self, node: Node<'_>) -> bool {
        match node.kind() {
            Kind::FlowItem | Kind::ConnectorItem | Kind::TestItem | Kind::LaterItem => true,
            Kind::Comment | Kind::UseItem => false,
            _ => node.text(self.source).contains('\n'),
        }
    }

    /// Lays out an item, a statement or an entry, or copies it when it could not be read.
    fn entry(&mut self, node: Node<'_>, indent: usize) {
        if node.kind() == Kind::Comment || node.kind() == Kind::LaterItem || self.is_damaged(node) {
            self.out.verbatim(node.text(self.source).trim_end());
        } else {
            self.node(node, indent);
        }
    }

    /// Says whether a part of the node itself, and not only of an entry within it, could not be read.
    fn is_damaged(&self, node: Node<'_>) -> bool {
        let inside = |(start, end): &(u32, u32), node: Node<'_>| *start >= node.start() && *end <= node.end();
        let first = self.damage.partition_point(|(start, _)| *start < node.start());
        let near = self.damage.iter().skip(first).take_while(|(start, _)| *start <= node.end());
        let mut damage = near.filter(|range| inside(range, node)).peekable();
        if damage.peek().is_none() {
            return false;
        }
        let mut entries = Vec::new();
        parts::entries_within(node, &mut entries);
        damage.any(|range| !entries.iter().any(|entry| inside(range, *entry)))
    }

    /// Where the text of a node ends: one that is damaged may end with space.
    fn end(&self, node: Node<'_>) -> u32 {
        node.start() + node.text(self.source).trim_end().len() as u32
    }

    fn is_same_line(&self, from: u32, to: u32) -> bool {
        !self.between(from, to).contains('\n')
    }

    fn has_blank_line(&self, from: u32, to: u32) -> bool {
        self.between(from, to).matches('\n').count() > 1
    }

    fn between(&self, from: u32, to: u32) -> &'a str {
        self.source.get(from as usize..to as usize).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
