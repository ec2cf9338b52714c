//! The syntax tree: an arena of nodes in the order of the text.
//!
//! A node is followed by its descendants, so that children need no list of their own. Offsets are bytes of the source,
//! and a node covers its first token to its last: no space, no comment before or after it.

use std::fmt::{self, Write as _};

use crate::kind::Kind;

/// The nodes of one file; the first is the file itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    pub(crate) entries: Vec<Entry>,
}

/// A node with the number of arena places that it takes up together with its descendants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub kind: Kind,
    pub start: u32,
    pub end: u32,
    pub size: u32,
}

/// A node of a [`Tree`].
#[derive(Clone, Copy)]
pub struct Node<'t> {
    tree: &'t Tree,
    index: usize,
}

impl Tree {
    /// The file.
    pub fn root(&self) -> Node<'_> {
        Node { tree: self, index: 0 }
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Says whether there is no node at all; [`read`](crate::read) always makes at least the file.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The tree as text for snapshots: a line for each node with its kind, its range, and its text where it is a leaf.
    pub fn dump(&self, text: &str) -> String {
        let mut out = String::new();
        let mut ends: Vec<usize> = Vec::new();
        for (index, entry) in self.entries.iter().enumerate() {
            while ends.last().is_some_and(|end| *end <= index) {
                ends.pop();
            }
            let _ =
                write!(out, "{:indent$}{:?} {}..{}", "", entry.kind, entry.start, entry.end, indent = ends.len() * 2);
            if entry.size == 1 {
                let piece = text.get(entry.start as usize..entry.end as usize).unwrap_or_default();
                let _ = write!(out, " {piece:?}");
            }
            out.push('\n');
            ends.push(index + entry.size as usize);
        }
        out
    }
}

impl fmt::Debug for Node<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}..{}", self.kind(), self.start(), self.end())
    }
}

impl<'t> Node<'t> {
    /// What it is.
    pub fn kind(self) -> Kind {
        self.entry().kind
    }

    /// Its first byte.
    pub fn start(self) -> u32 {
        self.entry().start
    }

    /// One past its last byte.
    pub fn end(self) -> u32 {
        self.entry().end
    }

    /// Its text in the source that was read.
    pub fn text(self, source: &str) -> &str {
        source.get(self.start() as usize..self.end() as usize).unwrap_or_default()
    }

    /// Its children in order, without comments.
    pub fn children(self) -> impl Iterator<Item = Node<'t>> + Clone + use<'t> {
        self.children_and_comments().filter(|node| node.kind() != Kind::Comment)
    }

    /// Its children in order.
    pub fn children_and_comments(self) -> impl Iterator<Item = Node<'t>> + Clone + use<'t> {
        let end = self.index + self.entry().size as usize;
        let first = Some(self.index + 1).filter(|first| *first < end);
        std::iter::successors(first.map(|index| Node { tree: self.tree, index }), move |node| {
            let next = node.index + node.entry().size as usize;
            (next < end).then_some(Node { tree: node.tree, index: next })
        })
    }

    /// Its first child of a kind.
    pub fn child(self, kind: Kind) -> Option<Node<'t>> {
        self.children().find(|node| node.kind() == kind)
    }

    fn entry(self) -> &'t Entry {
        self.tree.entries.get(self.index).expect("a node is made only for an entry of its tree")
    }
}
