//! The registry of diagnostic codes, of compile time and of run time.
//!
//! Four digits, never reused. `E01` text, `E02` names, `E03` types, `E04` graph, `E05` connector declarations, `E06`
//! durability, secrets and effects, `E07` plan; `W` warnings in the same hundreds; `R01` connector, `R02` journal and
//! store, `R03` limits and cancellation.

use std::{fmt, str::FromStr};

use super::Severity;

/// Declares the codes. Each has a page of its own in `pages/`, so a code without a page does not compile.
macro_rules! codes {
    ($($code:ident $name:literal $severity:ident $title:literal),* $(,)?) => {
        /// A rule that a program or a run can break.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[expect(missing_docs, reason = "the title in the table says it")]
        pub enum Code { $($code),* }

        impl Code {
            /// All codes, in order.
            pub const ALL: &[Self] = &[$(Self::$code),*];

            /// The code as people see it: `E0301`.
            pub fn id(self) -> &'static str {
                match self { $(Self::$code => stringify!($code)),* }
            }

            /// A name in words: `type-mismatch`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$code => $name),* }
            }

            /// How bad it is.
            pub fn severity(self) -> Severity {
                match self { $(Self::$code => Severity::$severity),* }
            }

            /// What it is about, in a few words.
            pub fn title(self) -> &'static str {
                match self { $(Self::$code => $title),* }
            }

            /// Its page: what the rule is, why, a program that breaks it, the same mended. Markdown.
            pub fn page(self) -> &'static str {
                match self { $(Self::$code => include_str!(concat!("pages/", stringify!($code), ".md"))),* }
            }
        }
    };
}

codes! {
    E0101 "not-utf8" Error "the file is not UTF-8",
    E0102 "syntax" Error "the text is not Flow here",
    E0103 "nesting" Error "brackets are nested too deep",
    E0104 "file-too-large" Error "the file is too large",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

/// Reads `E0301` or `type-mismatch`.
impl FromStr for Code {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.iter().copied().find(|code| code.id().eq_ignore_ascii_case(text) || code.name() == text).ok_or(())
    }
}
