//! The registry of diagnostic codes, of compile time and of run time.
//!
//! Four digits, never reused. `E01` text, `E02` names, `E03` types, `E04` graph, `E05` connectors and connections, `E06`
//! durability, secrets and effects, `E07` plan, `E08` the project file; `W` warnings in the same hundreds; `R01` connector, `R02` journal and
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
    E0105 "bad-allow" Error "the comment accepts no warning",
    W0101 "unused-allow" Warning "a warning is accepted that there is not",
    W0102 "dollar-before-insertion" Warning "a dollar sign stands before what is inserted into a text",
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
    E0215 "private-item" Error "the item is private to its file",
    E0301 "type-mismatch" Error "the value is of another type than its place",
    E0302 "may-be-null" Error "the value may be null here",
    E0303 "unknown-member" Error "the value has no such member",
    E0304 "not-exhaustive" Error "the `match` does not handle every case",
    E0305 "unreachable-arm" Error "an earlier arm takes everything that this one would",
    E0306 "unknown-argument" Error "there is no such parameter or field",
    E0307 "missing-argument" Error "a required argument or field is missing",
    E0308 "given-twice" Error "an argument or field is given twice",
    E0309 "operator-types" Error "the operator does not take values of these types",
    E0310 "pattern-type" Error "the pattern can't fit the value",
    E0311 "bad-text" Error "the text is none of those that its type allows",
    E0312 "not-callable" Error "this can't be called",
    E0313 "impossible-conversion" Error "the conversion can never succeed",
    E0314 "circular-value" Error "a function or constant is defined by itself",
    E0315 "misplaced-expression" Error "the expression has no meaning here",
    E0316 "mixed-types" Error "the values have no common type",
    E0317 "failing-literal" Error "the value that is written can only fail",
    E0318 "unsafe-insertion" Error "an insertion stands where no escaping makes it safe",
    E0401 "call-outside-step" Error "a connector is called outside a step",
    E0402 "effect-in-expression" Error "an expression can't have an effect",
    E0403 "unreachable-statement" Error "the statement is never reached",
    E0404 "unknown-operation" Error "the connector has no such operation or trigger",
    E0405 "error-cannot-occur" Error "the error can't occur here",
    E0406 "error-caught-already" Error "an earlier arm catches the error",
    E0407 "undeclared-failure" Error "the flow ends with an error that it does not declare",
    E0408 "missing-return" Error "the flow can end without its result",
    E0409 "parallel-sibling" Error "a branch of `parallel` uses what another one makes",
    E0410 "trigger-binding" Error "the payload is not known in every run",
    E0411 "trigger-clause" Error "the clause does not suit the trigger",
    E0412 "no-caller" Error "nobody waits for the answer",
    E0413 "value-goes-nowhere" Error "the value goes nowhere",
    E0414 "flow-recursion" Error "flows call each other in a circle",
    E0415 "flow-needs-trigger" Error "the flow needs what its trigger brings",
    E0416 "bad-schedule" Error "there is no such time",
    E0417 "stream-use" Error "a stream is gone through, page by page",
    E0418 "condition-of-no-event" Error "the condition does not say which event is meant",
    E0421 "test-given" Error "nothing that the test gives so starts the flow",
    E0422 "test-stub" Error "the stub can't answer the calls",
    E0423 "fixture" Error "the fixture can't be read, or does not fit its place",
    E0424 "test-expectation" Error "the flow can never meet the expectation",
    E0501 "unknown-property" Error "there is no property or parameter of that name",
    E0502 "missing-property" Error "a property that must be there is missing",
    E0504 "request-and-native" Error "the operation is carried out in two ways",
    E0505 "property-value" Error "the property can't have this value",
    E0506 "url-insertion" Error "this can't be inserted into a URL",
    E0507 "unused-parameter" Error "the parameter is not part of the request",
    E0508 "auth-form" Error "this is no form of authentication",
    E0509 "request-body" Error "the request can't have this body",
    E0510 "no-http-section" Error "the connector does not say where requests go",
    E0511 "error-without-field" Error "nothing fills a field of the declared error",
    E0512 "dead-error-rule" Error "the rule for errors never applies",
    E0513 "key-source" Error "the idempotency key can't be sent like this",
    E0515 "request-method" Error "there is no such method of HTTP",
    E0516 "request-path" Error "this is no path of a request",
    E0517 "error-status" Error "there is no such status of HTTP",
    E0518 "unproven-webhook" Error "the verification does not prove who sent the webhook",
    E0519 "connector-file" Error "the file of a connector declares it and nothing else",
    E0520 "base-url" Error "this is no base URL",
    E0521 "declared-call" Error "the declaration can't call this operation",
    E0522 "bulk-form" Error "inputs can't be sent together like this",
    E0523 "limit-form" Error "this is no limit",
    E0524 "graphql-query" Error "a GraphQL query is fixed text",
    E0526 "challenge" Error "the handshake can't be answered",
    E0527 "page-form" Error "pages can't be fetched like this",
    E0528 "operation-body" Error "an operation can't do this in its body",
    E0530 "unknown-setting" Error "the connector has no such setting",
    E0531 "missing-setting" Error "the connection lacks a setting",
    E0601 "unsafe-retry" Error "a call is retried that is not safe to repeat",
    E0602 "secret-leak" Error "a secret goes where it could be seen",
    E0603 "unverified-webhook" Error "nobody checks who sends the webhook",
    E0604 "plain-secret" Error "plain text is given where a secret is expected",
    E0605 "key-not-taken" Error "the operation takes no key",
    E0606 "undo-without-effect" Error "the undo takes nothing back",
    E0607 "foreign-secret" Error "a secret goes to a system that it is not for",
    E0608 "replayed-delivery" Error "what was signed once starts runs for ever",
    E0609 "key-of-different-calls" Error "one key stands for different calls",
    E0801 "project-syntax" Error "the project file is not TOML",
    E0802 "unknown-project-key" Error "the project file has no such key",
    E0803 "project-value" Error "the key can't have this value",
    E0804 "unknown-environment" Error "the project has no such environment",
    E0805 "unknown-project-connection" Error "no program of the project has the connection",
    W0201 "unused-use" Warning "nothing of this `use` is needed",
    W0202 "unused-connection" Warning "the connection is used nowhere",
    W0203 "unused-item" Warning "the item is used nowhere",
    W0301 "never-null" Warning "a null is handled that can't be",
    W0401 "unused-binding" Warning "the binding is used nowhere",
    W0402 "failure-never-happens" Warning "the flow declares an error that it can't end with",
    W0403 "unused-stub" Warning "the stub answers nothing",
    W0404 "test-expects-nothing" Warning "the test expects nothing",
    W0405 "needless-sequence" Warning "steps wait for each other without need",
    W0406 "unbounded-calls" Warning "a loop makes as many calls as a stream has items",
    W0407 "endless-events" Warning "flows start each other without end",
    W0601 "deprecated-operation" Warning "the operation should no longer be used",
    W0602 "no-dedupe" Warning "a repeated delivery starts a second run",
    W0603 "create-without-undo" Warning "a failed saga leaves something behind",
    W0604 "personal-data" Warning "personal data goes where it is not expected",
    W0605 "deadline-before-retries" Warning "the run is given up before its retries",
    W0606 "credential-in-clear" Warning "a credential travels unencrypted",
    W0607 "version-ends" Warning "the vendor stops serving the version of the interface",
    W0608 "race-leaves-behind" Warning "what the loser of a race has done is left behind",
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
