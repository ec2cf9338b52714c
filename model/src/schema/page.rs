//! How is a stream fetched, page by page?
//!
//! A call of an operation whose result is a stream fetches one page. It is given where the page begins, null for the
//! first, and its result is a record: `items`, a list, and `next`, where the next page begins, null after the last.

use serde::{Deserialize, Serialize};

use super::each::Visit;
use crate::{expr::Expr, failure::ErrorKind, units::Millis};

/// How many pages a stream has at most when its declaration does not say.
pub const MOST_PAGES: u32 = 10_000;

/// How many items a stream has at most when its declaration does not say.
pub const MOST_ITEMS: u64 = 1_000_000;

/// How pages follow each other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Page {
    /// Where the next page begins.
    pub kind: PageKind,
    /// The items in the answer, over `body`, `status`, `headers`; the whole body when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<Expr>,
    /// Whether an answer is the last page, over the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Expr>,
    /// How many items a full page has, an `Int` over the parameters: one with fewer is the last. Without it a short page
    /// says nothing, since servers give shorter ones than they are asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full: Option<Expr>,
    /// What tells an item from others, over [`Ambient::Item`](crate::expr::Ambient::Item): one that comes again, because
    /// what is listed has shifted between two pages, is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Expr>,
    /// The failure of a page other than the first that says that the system does not know any more where the page begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expired: Option<ErrorKind>,
    /// More pages are a failure.
    pub most_pages: u32,
    /// More items are a failure.
    pub most_items: u64,
    /// How long after the first page others are fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Millis>,
}

impl Page {
    /// One of a kind, with the bounds that hold when nothing is said.
    pub fn of(kind: PageKind) -> Self {
        let (items, last, full, key, expired, within) = (None, None, None, None, None, None);
        Self { kind, items, last, full, key, expired, most_pages: MOST_PAGES, most_items: MOST_ITEMS, within }
    }

    /// Goes over its expressions.
    pub fn each_expr<'e>(&'e self, visit: Visit<'_, 'e>) {
        match &self.kind {
            PageKind::Cursor { next, .. } | PageKind::NextUrl { next } => visit(next),
            PageKind::Native | PageKind::Number { .. } | PageKind::Offset { .. } | PageKind::Link => {}
        }
        self.items.iter().chain(&self.last).chain(&self.full).chain(&self.key).for_each(visit);
    }
}

/// Where the next page begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum PageKind {
    /// The code of a native operation says.
    Native,
    /// `cursor(next: body.next, into: query.after)`: the answer says; null or an empty text is the end.
    Cursor {
        /// The cursor, over `body`, `status`, `headers`.
        next: Expr,
        /// Where the request has it.
        into: Into,
    },
    /// `page(into: query.page, first: 1)`: pages are numbered; an empty one is the end.
    Number {
        /// Where the request has the number.
        into: Into,
        /// The number of the first.
        first: i64,
    },
    /// `offset(into: query.skip)`: after so many items; an empty page is the end.
    Offset {
        /// Where the request has how many are passed over.
        into: Into,
    },
    /// `link()`: the header `Link` has the URL of the next page, with `rel="next"` (RFC 8288).
    Link,
    /// `next_url(next: body.next)`: the answer has the URL of the next page.
    NextUrl {
        /// The URL, over `body`, `status`, `headers`.
        next: Expr,
    },
}

/// A part of the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Into {
    /// A parameter of the query.
    Query(String),
    /// A field of the body.
    Body(String),
    /// A field within others of the body, `body.variables.after`, from the outermost inwards: those that are not there are made.
    Within(Vec<String>),
}
