//! From the grammar's tree to the program as its author wrote it.
//!
//! In: a tree and its text. Out: an [`ast::File`], always, and what is wrong on the way: the problems that the parser
//! had are turned into diagnostics elsewhere ([`problem`]). A part that could not be read is `Missing` or left out; a part
//! that the language has and this compiler does not know yet is reported, never dropped in silence.

mod bytes;
mod connector;
mod expr;
mod flow;
mod habit;
mod idiom;
mod item;
mod literal;
mod pattern;
mod phrase;
mod problem;
mod statement;
mod test;
#[cfg(test)]
mod tests;
mod text;
mod ty;

use std::collections::BTreeMap;

use flow_grammar::{Kind, Node, Tree};
use flow_model::{
    diagnostic::{Code, Diagnostic},
    span::{FileId, Span},
    units::Millis,
    value::Value,
};

pub(crate) use bytes::decode;

use crate::ast;

/// How deep expressions, blocks and chains of operators may stand in one another, counted together. Brackets are
/// limited by the grammar; this limits what nests without them, so that no pass over the program runs out of stack.
const DEPTH: usize = 320;

/// Makes the program of a tree that was read from `text`.
pub(crate) fn file(tree: &Tree, text: &str, file: FileId) -> (ast::File, Vec<Diagnostic>) {
    let mut reader = Reader { text, file, problems: Vec::new(), depth: 0 };
    let mut private = BTreeMap::new();
    let items = reader.documented(tree.root(), |reader, node, doc| {
        let keyword = reader.keyword(node);
        let item = reader.item(node, doc)?;
        if reader.word_at(keyword) == "private" {
            match crate::names::declared(&item) {
                Some((_, name)) => drop(private.insert(name.span, keyword)),
                None => reader.never_private(keyword, &item),
            }
        }
        Some(item)
    });
    (ast::File { items, private }, reader.problems)
}

/// Reads text: the program and all that is wrong with the text.
pub(crate) fn source(text: &str, id: FileId) -> (ast::File, Vec<Diagnostic>) {
    let (tree, problems) = flow_grammar::read(text);
    let mut diagnostics: Vec<Diagnostic> = problems.iter().map(|found| problem::diagnostic(found, id)).collect();
    let (ast, more) = file(&tree, text, id);
    diagnostics.extend(more);
    (ast, diagnostics)
}

/// The literal that a text is as a whole, if it is one.
pub(crate) fn literal(text: &str) -> Option<Value> {
    let (file, problems) = source(&format!("const x = {text}\n"), FileId::default());
    match file.items.as_slice() {
        [ast::Item::Const(item)] if problems.is_empty() => crate::names::literal(&item.value),
        _ => None,
    }
}

/// The length of time that a text is as a whole: `90s`, `30d`.
pub(crate) fn duration(text: &str) -> Option<Millis> {
    match literal(text)? {
        Value::Duration(time) => Some(time),
        _ => None,
    }
}

/// The pass: what it reads from, what it has found, how deep it stands.
struct Reader<'a> {
    text: &'a str,
    file: FileId,
    problems: Vec<Diagnostic>,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn span(&self, node: Node<'_>) -> Span {
        Span::new(self.file, node.start(), node.end())
    }

    fn text_of(&self, node: Node<'_>) -> &'a str {
        node.text(self.text)
    }

    fn ident(&self, node: Node<'_>) -> ast::Ident {
        ast::Ident { text: self.text_of(node).to_owned(), span: self.span(node) }
    }

    /// The name of an item or a binding, if it could be read. One that the parser put in covers no text.
    fn name(&self, node: Node<'_>) -> Option<ast::Ident> {
        node.child(Kind::Name).filter(|name| name.start() < name.end()).map(|name| self.ident(name))
    }

    /// The names among a node's children.
    fn names(&self, node: Node<'_>) -> Vec<ast::Ident> {
        let names = node.children().filter(|child| child.kind() == Kind::Name && child.start() < child.end());
        names.map(|name| self.ident(name)).collect()
    }

    /// A node whose children are names, unless none could be read.
    fn path(&self, node: Node<'_>) -> Option<ast::Path> {
        let parts = self.names(node);
        (!parts.is_empty()).then_some(ast::Path { parts })
    }

    /// Reads each child with the doc comment that stands before it.
    fn documented<'t, T>(
        &mut self,
        parent: Node<'t>,
        mut read: impl FnMut(&mut Self, Node<'t>, String) -> Option<T>,
    ) -> Vec<T> {
        let mut doc = String::new();
        let mut all = Vec::new();
        for child in parent.children_and_comments() {
            if child.kind() == Kind::Comment {
                if let Some(line) = self.text_of(child).strip_prefix("///") {
                    if !doc.is_empty() {
                        doc.push('\n');
                    }
                    doc.push_str(line.strip_prefix(' ').unwrap_or(line).trim_end());
                }
                continue;
            }
            all.extend(read(self, child, std::mem::take(&mut doc)));
        }
        all
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        self.problems.push(diagnostic);
    }

    fn syntax(&mut self, span: Span, message: impl Into<String>, label: impl Into<String>, help: impl Into<String>) {
        self.report(Diagnostic::new(Code::E0102, message, span, label).help(help));
    }

    /// Reports `private` before an item that other files could not take anyway, or that all know.
    fn never_private(&mut self, keyword: Span, item: &ast::Item) {
        let (message, help) = match item {
            ast::Item::Use(_) => ("a `use` is never private", "what a file takes from others is not passed on anyway"),
            ast::Item::Event(_) => ("an event is never private", "events are known to the whole program"),
            _ => ("a test is never private", "there is nothing of it that another file could take"),
        };
        self.syntax(keyword, message, "not needed here", format!("leave `private` out: {help}"));
    }

    /// Reports a part of the language that can be written but is not carried out yet; `span` is its keyword.
    fn later(&mut self, span: Span, what: &str) {
        let message = format!("{what} is not supported yet");
        let diagnostic = Diagnostic::new(Code::E0102, message, span, "this version of Flow can't run it");
        self.report(diagnostic.help("leave it out until a later version can"));
    }

    /// The text of the source at a place.
    fn word_at(&self, span: Span) -> &'a str {
        self.text.get(span.start as usize..span.end as usize).unwrap_or_default()
    }

    /// The place of the word that a node begins with.
    fn keyword(&self, node: Node<'_>) -> Span {
        let length =
            self.text_of(node).bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
        Span::new(self.file, node.start(), node.start() + length as u32)
    }
}
