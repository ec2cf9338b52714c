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
    E0201 "unknown-name" Error "there is nothing of that name",
    E0202 "duplicate-name" Error "the name is declared twice",
    E0203 "reserved-name" Error "the name has a meaning already",
    E0204 "naming-style" Error "the name is not written in the style of its kind",
    E0205 "unknown-type" Error "there is no such type",
    E0206 "wrong-kind-of-name" Error "the name stands for something else",
    E0207 "unknown-connector" Error "there is no such connector",
    E0208 "file-not-found" Error "a file that is used can't be read",
    E0209 "file-cycle" Error "files use each other in a circle",
    E0210 "type-arguments" Error "the type has the wrong number of types in `<…>`",
    E0211 "field-attribute" Error "the attribute is unknown or does not belong to the field's type",
    E0212 "field-bound" Error "the bound on the field can't be checked",
    E0213 "endless-type" Error "no value of the type can be made",
    E0214 "not-declared-there" Error "the file does not declare the name",
    W0201 "unused-use" Warning "nothing of this `use` is needed",
    W0202 "unused-connection" Warning "the connection is used nowhere",
    W0203 "unused-item" Warning "the item is used nowhere",
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
