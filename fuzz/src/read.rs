//! Reads any text: the tree covers all of it, and places lie within it.

/// What holds of whatever is given.
pub fn read(text: &str) {
    let (tree, problems) = flow_grammar::read(text);
    for problem in &problems {
        assert!(text.get(problem.start as usize..problem.end as usize).is_some(), "{problem:?}");
    }
    let mut open = vec![tree.root()];
    while let Some(node) = open.pop() {
        assert!(text.get(node.start() as usize..node.end() as usize).is_some(), "{:?}", node.kind());
        open.extend(node.children());
    }
    assert!(!problems.is_empty() || flow_grammar::parses(text), "pest does not take what was read without problems");
}
