//! What is written in a table of `flow.toml`, and what is not?
//!
//! In: a table as TOML has it. Out: each value that is asked for, of the kind that was asked for. A value of another kind
//! is reported, and so is, by [`Table::finish`], each key that nobody asked for, with the one that was probably meant.

use flow_model::{
    diagnostic::{Code, Diagnostic, Edit},
    span::{FileId, Span},
    units::Millis,
};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{Setting, Written};
use crate::{names::similar, read::duration};

/// A table of the file, while it is read.
pub(super) struct Table<'t, 'p> {
    /// The name in front: `environments.production`; nothing for the file.
    name: String,
    entries: &'t DeTable<'t>,
    /// The keys that were asked for.
    asked: Vec<&'static str>,
    file: FileId,
    problems: &'p mut Vec<Diagnostic>,
}

impl<'t, 'p> Table<'t, 'p> {
    /// The file as a whole.
    pub(super) fn root(entries: &'t DeTable<'t>, file: FileId, problems: &'p mut Vec<Diagnostic>) -> Self {
        Self { name: String::new(), entries, asked: Vec::new(), file, problems }
    }

    /// A text that is not empty.
    pub(super) fn text(&mut self, key: &'static str) -> Option<Written<String>> {
        let found = self.get(key)?;
        if found.get_ref().is_table() && key == "environment" {
            let message = "`environment` names the one that is meant when none is named".to_owned();
            let problem = Diagnostic::new(Code::E0803, message, self.span(found), "not a name");
            self.problems.push(problem.help("what an environment sets stands in `[environments.NAME]`"));
            return None;
        }
        let text = found.get_ref().as_str();
        let wanted = if text.is_some() { "a text with something in it" } else { "a text in quotes" };
        let text = text.filter(|text| !text.trim().is_empty());
        self.known(key, found, text.map(str::to_owned), wanted, "\"…\"")
    }

    /// A list of texts.
    pub(super) fn texts(&mut self, key: &'static str) -> Option<Vec<Written<String>>> {
        const WANTED: (&str, &str) = ("a list of texts", "[\"…\", \"…\"]");
        let found = self.get(key)?;
        let Some(list) = found.get_ref().as_array() else {
            self.wrong(key, self.span(found), WANTED.0, WANTED.1);
            return None;
        };
        let mut texts = Vec::new();
        for item in list {
            match item.get_ref().as_str() {
                Some(text) => texts.push(Written { value: text.to_owned(), span: self.span(item) }),
                None => self.wrong(key, self.span(item), WANTED.0, WANTED.1),
            }
        }
        Some(texts)
    }

    /// A whole number within bounds.
    pub(super) fn number(&mut self, key: &'static str, least: i64, most: i64) -> Option<Written<i64>> {
        let found = self.get(key)?;
        let number = found
            .get_ref()
            .as_integer()
            .and_then(|number| i64::from_str_radix(&number.as_str().replace('_', ""), number.radix()).ok());
        let wanted = format!("a whole number from {least} to {most}");
        let number = number.filter(|number| (least..=most).contains(number));
        self.known(key, found, number, &wanted, &least.to_string())
    }

    /// A length of time as Flow writes it, in quotes.
    pub(super) fn duration(&mut self, key: &'static str) -> Option<Written<Millis>> {
        let found = self.get(key)?;
        let time = found.get_ref().as_str().and_then(duration);
        self.known(key, found, time, "a length of time", "\"30s\"`, `\"5m\"`, `\"30d\"")
    }

    /// A value of any kind that `read` takes; `wanted` says what that is, and `example` shows one.
    pub(super) fn parsed<T>(
        &mut self,
        key: &'static str,
        wanted: &str,
        example: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<Written<T>> {
        let found = self.get(key)?;
        let value = found.get_ref().as_str().and_then(read);
        self.known(key, found, value, wanted, example)
    }

    /// A table within this one, read by `read`. What it does not ask for is reported.
    pub(super) fn table(&mut self, key: &'static str, read: impl FnOnce(&mut Table<'_, '_>)) {
        let Some(found) = self.get(key) else { return };
        let header = format!("[{}]", self.path(key));
        match found.get_ref().as_table() {
            Some(entries) => self.within(key, entries, read),
            None => self.wrong(key, self.span(found), "a table", &header),
        }
    }

    /// The tables of a table, whose names the author chooses: `[environments.production]`. `what` one of them is, in words.
    pub(super) fn tables(
        &mut self,
        key: &'static str,
        what: &str,
        mut read: impl FnMut(Written<String>, &mut Table<'_, '_>),
    ) {
        let Some(found) = self.get(key) else { return };
        let header = format!("[{}.NAME]", self.path(key));
        let Some(all) = found.get_ref().as_table() else {
            return self.wrong(key, self.span(found), "a table", &header);
        };
        for (name, one) in all {
            let path = format!("{key}.{}", name.get_ref());
            let name = Written { value: name.get_ref().to_string(), span: self.span(name) };
            match one.get_ref().as_table() {
                Some(entries) => self.within(&path, entries, |table| read(name, table)),
                None => {
                    let message = format!("`{path}` is not {what}");
                    let problem = Diagnostic::new(Code::E0803, message, self.span(one), "not a table");
                    self.problems.push(problem.help(format!("write it as a table: `{header}`")));
                }
            }
        }
    }

    /// All entries of a table whose keys the author chooses, with the places of the keys.
    pub(super) fn entries(&mut self, key: &'static str) -> Vec<(Written<String>, Written<Setting>)> {
        let Some(found) = self.get(key) else { return Vec::new() };
        let header = format!("[{}]", self.path(key));
        match found.get_ref().as_table() {
            Some(_) => self.within_entries(found),
            None => {
                self.wrong(key, self.span(found), "a table", &header);
                Vec::new()
            }
        }
    }

    /// All entries of this table, whose keys the author chooses.
    pub(super) fn all(&mut self) -> Vec<(Written<String>, Written<Setting>)> {
        let entries = self.entries;
        self.asked = vec!["*"];
        self.settings(entries)
    }

    /// Reports the keys that nobody asked for.
    pub(super) fn finish(self) {
        if self.asked == ["*"] {
            return;
        }
        for (key, _) in self.entries {
            let name = key.get_ref().as_ref();
            if self.asked.contains(&name) {
                continue;
            }
            let span = self.span(key);
            let place = if self.name.is_empty() { format!("`{}`", super::FILE) } else { format!("`[{}]`", self.name) };
            let problem = Diagnostic::new(Code::E0802, format!("{place} has no key `{name}`"), span, "not known");
            self.problems.push(match similar(name, self.asked.iter().copied()) {
                Some(near) => problem
                    .help(format!("did you mean `{near}`?"))
                    .fix(format!("write `{near}`"), vec![Edit { span, text: near.to_owned() }]),
                None => {
                    let known: Vec<String> = self.asked.iter().map(|key| format!("`{key}`")).collect();
                    problem.help(format!("there are {}", known.join(", ")))
                }
            });
        }
    }

    /// Reports a problem that the section found out itself.
    pub(super) fn report(&mut self, problem: Diagnostic) {
        self.problems.push(problem);
    }

    /// Reports that a value is of another kind than its key takes.
    pub(super) fn wrong(&mut self, key: &str, span: Span, wanted: &str, example: &str) {
        let path = self.path(key);
        let message = format!("`{path}` can't be this");
        let problem = Diagnostic::new(Code::E0803, message, span, format!("not {wanted}"));
        let example = if example.starts_with('[') && example.ends_with(']') && !example.contains('"') {
            format!("write `{example}`")
        } else {
            format!("write {wanted}: `{key} = {example}`")
        };
        self.problems.push(problem.help(example));
    }

    fn within(&mut self, key: &str, entries: &DeTable<'_>, read: impl FnOnce(&mut Table<'_, '_>)) {
        let name = self.path(key);
        let mut table = Table { name, entries, asked: Vec::new(), file: self.file, problems: &mut *self.problems };
        read(&mut table);
        table.finish();
    }

    fn within_entries(&mut self, found: &Spanned<DeValue<'_>>) -> Vec<(Written<String>, Written<Setting>)> {
        found.get_ref().as_table().map(|entries| self.settings(entries)).unwrap_or_default()
    }

    fn settings(&mut self, entries: &DeTable<'_>) -> Vec<(Written<String>, Written<Setting>)> {
        let mut all = Vec::new();
        for (key, value) in entries {
            let name = Written { value: key.get_ref().to_string(), span: self.span(key) };
            let span = self.span(value);
            match Setting::of(value.get_ref()) {
                Some(setting) => all.push((name, Written { value: setting, span })),
                None => self.wrong(&name.value, span, "a value that Flow has", "\"…\""),
            }
        }
        all
    }

    fn get(&mut self, key: &'static str) -> Option<&'t Spanned<DeValue<'t>>> {
        self.asked.push(key);
        self.entries.get(key)
    }

    /// The value that was found, or a report that it is of another kind.
    fn known<T>(
        &mut self,
        key: &str,
        found: &Spanned<DeValue<'_>>,
        value: Option<T>,
        wanted: &str,
        example: &str,
    ) -> Option<Written<T>> {
        let span = self.span(found);
        if value.is_none() {
            self.wrong(key, span, wanted, example);
        }
        value.map(|value| Written { value, span })
    }

    fn path(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }

    fn span<T>(&self, of: &Spanned<T>) -> Span {
        let range = of.span();
        let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Span::new(self.file, place(range.start), place(range.end))
    }
}
