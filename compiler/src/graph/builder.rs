//! The graph of a plan while it grows.
//!
//! In: nodes in the order of their source. Out: the graph with its edges, a unique path for each node, and the place of
//! each node. Paths name nodes by what the author called them, so that they stay the same while other statements come
//! and go: a `for` puts its name before those of its body, other blocks add nothing.

use std::collections::BTreeMap;

use flow_model::{
    expr::{Expr, Slot},
    plan::{Edge, Node, NodeKind},
    span::Span,
    value::Value,
};
use petgraph::graph::{DiGraph, NodeIndex};

use crate::rules::ArgumentSpans;

/// A region under construction: nodes that follow each other.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Chain {
    /// The first node.
    pub first: Option<NodeIndex>,
    last: Option<NodeIndex>,
}

/// The graph under construction.
#[derive(Default)]
pub(super) struct Builder {
    /// Nodes and edges.
    pub graph: DiGraph<Node, Edge>,
    /// The place of each node.
    pub spans: Vec<Span>,
    /// The places of arguments.
    pub arguments: ArgumentSpans,
    /// How many nodes have a path without its number.
    taken: BTreeMap<String, u32>,
    /// The paths of the `for`s around.
    around: Vec<String>,
}

impl Builder {
    /// Adds a node at the end of a region. Its path is made of the loops around and the name, with a number from the
    /// second on.
    pub(super) fn add(&mut self, chain: &mut Chain, name: &str, kind: NodeKind, span: Span) -> NodeIndex {
        let base: String = self.around.last().map_or_else(|| name.to_owned(), |around| format!("{around}/{name}"));
        let count = self.taken.entry(base.clone()).or_insert(0);
        *count += 1;
        let path = if *count == 1 { base } else { format!("{base}#{count}") };
        let node = self.graph.add_node(Node { path, kind });
        self.spans.push(span);
        if let Some(last) = chain.last {
            self.graph.add_edge(last, node, Edge::Next);
        }
        chain.first.get_or_insert(node);
        chain.last = Some(node);
        node
    }

    /// Notes the places of a node's arguments, in order; none for one that is left out.
    pub(super) fn argue(&mut self, node: NodeIndex, places: Vec<Option<Span>>) {
        let given = places.into_iter().enumerate().filter_map(|(index, span)| Some(((node, index), span?)));
        self.arguments.extend(given);
    }

    /// Adds a node whose content follows once its regions are known.
    pub(super) fn reserve(&mut self, chain: &mut Chain, name: &str, span: Span) -> NodeIndex {
        self.add(chain, name, NodeKind::Yield(Expr::Literal(Value::Null)), span)
    }

    /// Gives a node its content.
    pub(super) fn set(&mut self, node: NodeIndex, kind: NodeKind) {
        if let Some(node) = self.graph.node_weight_mut(node) {
            node.kind = kind;
        }
    }

    /// The content of a node.
    pub(super) fn kind(&self, node: NodeIndex) -> Option<&NodeKind> {
        self.graph.node_weight(node).map(|node| &node.kind)
    }

    /// Makes a chain a region of a node; an empty one has no edge.
    pub(super) fn region(&mut self, node: NodeIndex, index: usize, chain: Chain) {
        if let Some(first) = chain.first {
            let index = u32::try_from(index).expect("a node has fewer than 2^32 regions");
            self.graph.add_edge(node, first, Edge::Region(index));
        }
    }

    /// Changes what a region yields.
    pub(super) fn rewrite(&mut self, node: NodeIndex, change: impl FnOnce(Expr) -> Expr) {
        if let Some(Node { kind: NodeKind::Yield(value), .. }) = self.graph.node_weight_mut(node) {
            let old = std::mem::replace(value, Expr::Literal(Value::Null));
            *value = change(old);
        }
    }

    /// Enters the body of a `for`: paths of its nodes begin with that of the loop.
    pub(super) fn enter(&mut self, node: NodeIndex) {
        let path = self.graph.node_weight(node).map(|node| node.path.clone()).unwrap_or_default();
        self.around.push(path);
    }

    /// Leaves the body of a `for`.
    pub(super) fn leave(&mut self) {
        self.around.pop();
    }

    /// Says whether the value of a slot is null.
    pub(super) fn is_null(slot: Slot) -> Expr {
        Expr::Binary(
            flow_model::expr::BinaryOp::Equal,
            Box::new(Expr::Slot(slot)),
            Box::new(Expr::Literal(Value::Null)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_unique_and_loops_stand_before() {
        let mut builder = Builder::default();
        let mut body = Chain::default();
        let first = builder.reserve(&mut body, "orders", Span::default());
        let each = builder.reserve(&mut body, "line", Span::default());
        builder.enter(each);
        let mut inner = Chain::default();
        builder.reserve(&mut inner, "stock.hold", Span::default());
        builder.reserve(&mut inner, "stock.hold", Span::default());
        builder.leave();
        builder.region(each, 0, inner);
        builder.reserve(&mut body, "orders", Span::default());
        let paths: Vec<&str> = builder.graph.node_weights().map(|node| node.path.as_str()).collect();
        assert_eq!(paths, ["orders", "line", "line/stock.hold", "line/stock.hold#2", "orders#2"]);
        assert_eq!(body.first, Some(first));
        assert_eq!(builder.graph.edge_weights().filter(|edge| **edge == Edge::Next).count(), 3);
    }
}
